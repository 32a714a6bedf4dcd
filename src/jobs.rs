//! The named loops of a running process: dispatch, reconcile, housekeeping. They stop in two steps: claim nothing more, then finish what is in flight.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::dispatch::Dispatcher;
use crate::delivery::ingest::Ingest;
use crate::delivery::reconcile::{Reconciler, Step};
use crate::delivery::retention::{self, Retention};
use crate::delivery::services::Services;
use crate::delivery::uploads::Uploads;
use crate::domain::clock::Clock;
use crate::store::Store;
use crate::store::journal::Journal;

/// How often the queue is looked at when nothing wakes the loop: for messages put back with a time.
const QUEUE_INTERVAL: Duration = Duration::from_millis(500);
/// How often the lease is renewed, or tried for, while the journal is quiet.
const LEASE_INTERVAL: Duration = Duration::from_secs(5);
/// How often expired, abandoned and adoptable messages are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How often what accounts took is told to the database, and ceilings are set.
const SHARE_INTERVAL: Duration = Duration::from_secs(10);
/// How often what is past its retention is looked for, and how long the loop rests between two steps while there is some.
const RETENTION_INTERVAL: Duration = Duration::from_mins(10);
const RETENTION_REST: Duration = Duration::from_secs(1);
/// How long a loop rests after the database refused.
const REST: Duration = Duration::from_millis(500);

/// The loops of one process.
#[derive(Clone)]
pub struct Jobs {
    dispatcher: Dispatcher,
    reconciler: Reconciler,
    retention: Retention,
    journal: Journal,
    ingest: Arc<Ingest>,
    uploads: Uploads,
    store: Store,
    clock: Arc<dyn Clock>,
    accepted: Arc<Notify>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Jobs {
    /// Prepares the loops.
    pub fn new(services: &Services) -> Self {
        Self {
            dispatcher: services.dispatcher.clone(),
            reconciler: services.reconciler.clone(),
            retention: services.retention.clone(),
            journal: services.journal.clone(),
            ingest: Arc::clone(&services.ingest),
            uploads: services.uploads.clone(),
            store: services.store.clone(),
            clock: Arc::clone(&services.clock),
            accepted: Arc::clone(&services.accepted),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Starts every loop.
    pub fn start(&self) {
        self.supervise("dispatch", Self::dispatch);
        self.supervise("reconcile", Self::reconcile);
        self.supervise("sweep", Self::sweep);
        self.supervise("share", Self::share);
        self.supervise("retention", Self::retain);
        self.tasks.close();
    }

    /// Runs a loop until the process stops; one that panics is started again, loudly.
    fn supervise<F>(&self, name: &'static str, run: fn(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let jobs = self.clone();
        self.tasks.spawn(async move {
            while !jobs.stop.is_cancelled() {
                if AssertUnwindSafe(run(jobs.clone()))
                    .catch_unwind()
                    .await
                    .is_err()
                {
                    tracing::error!(job = name, "a loop panicked and is started again");
                    jobs.pause(REST, std::future::pending()).await;
                }
            }
        });
    }

    /// Claims nothing more; what is in flight goes on.
    pub fn stop_claiming(&self) {
        self.stop.cancel();
    }

    /// Waits for hand-overs in flight, at most `deadline`; what is cut off then becomes uncertain.
    pub async fn finish(&self, deadline: Duration) {
        if tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "hand-overs were still in flight at the end; their outcome will show as uncertain"
            );
        }
        if let Err(error) = self.reconciler.release().await {
            tracing::warn!(%error, "the reconcile lease could not be given back");
        }
        if let Err(error) = self.retention.release().await {
            tracing::warn!(%error, "the retention lease could not be given back");
        }
    }

    async fn dispatch(self) {
        while !self.stop.is_cancelled() {
            let rest = match self.dispatcher.claim_due().await {
                Ok(claimed) => {
                    for work in claimed {
                        let job = self.clone();
                        self.tasks.spawn(async move {
                            job.dispatcher.hand_over(work).await;
                            job.accepted.notify_one();
                        });
                    }
                    QUEUE_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(%error, "the send queue could not be read");
                    REST
                }
            };
            self.pause(rest, self.accepted.notified()).await;
        }
    }

    async fn reconcile(self) {
        let mut appended = self.journal.appended();
        while !self.stop.is_cancelled() {
            // Before the step, so that a commit during it wakes the next one.
            appended.mark_unchanged();
            match self.reconciler.step().await {
                Ok(Step::Applied(applied)) if applied > 0 => {}
                Ok(Step::Applied(_)) => self.pause(LEASE_INTERVAL, changed(&mut appended)).await,
                Ok(Step::NotOurs) => self.pause(LEASE_INTERVAL, std::future::pending()).await,
                Err(error) => {
                    tracing::warn!(%error, "callbacks could not be applied; trying again");
                    self.pause(REST, std::future::pending()).await;
                }
            }
        }
    }

    async fn sweep(self) {
        while !self.stop.is_cancelled() {
            let now = self.clock.now();
            let dispatched = self.dispatcher.sweep().await;
            let uploads = self.uploads.sweep(&self.store, now).await;
            let adopted = self.reconciler.adopt().await.map(|_| ());
            for error in [dispatched, uploads, adopted]
                .into_iter()
                .filter_map(Result::err)
            {
                tracing::warn!(%error, "messages that nobody will finish could not be looked for");
            }
            self.pause(SWEEP_INTERVAL, std::future::pending()).await;
        }
    }

    /// Once more at the end, so that the next process knows of this hour.
    async fn share(self) {
        loop {
            let now = self.clock.now();
            if let Err(error) = self.ingest.traffic().share(&self.store, now).await {
                tracing::warn!(%error, "what accounts took could not be noted yet");
            }
            if self.stop.is_cancelled() {
                return;
            }
            self.pause(SHARE_INTERVAL, std::future::pending()).await;
        }
    }

    /// One process a database removes; the others try again later.
    async fn retain(self) {
        while !self.stop.is_cancelled() {
            let rest = match self.retention.step().await {
                Ok(retention::Step::More) => RETENTION_REST,
                Ok(_) => RETENTION_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "what is past its retention could not be removed; trying again");
                    RETENTION_REST
                }
            };
            self.pause(rest, std::future::pending()).await;
        }
    }

    async fn pause(&self, longest: Duration, woken: impl Future<Output = ()>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(longest) => {}
            () = woken => {}
        }
    }
}

/// Ends with the next commit; never when the journal's writer has ended.
async fn changed(appended: &mut tokio::sync::watch::Receiver<()>) {
    if appended.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
