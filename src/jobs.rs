//! The named loops of a running process: dispatch, reconcile, housekeeping. They stop in two steps: claim nothing more, then finish what is in flight.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db;
use crate::db::CheckpointResult;
use crate::domain::clock::Clock;
use crate::journal::Journal;
use crate::operating::retention::{self, Retention};
use crate::receiving::ingest::Ingest;
use crate::receiving::reconcile::{ReconcileStep, Reconciler};
use crate::sending::dispatch::Dispatcher;
use crate::sending::upload_storage::UploadStorage;
use crate::services::Services;
use crate::store::Store;
use crate::store::lease::Lease;

/// How often the queue is looked at when nothing wakes the loop: for messages put back with a time.
const QUEUE_INTERVAL: Duration = Duration::from_millis(500);
/// How often the lease is renewed, or tried for, while the journal is quiet.
const LEASE_INTERVAL: Duration = Duration::from_secs(2);
/// How soon a lease that nobody renews any more is noticed.
const SUCCESSION_INTERVAL: Duration = Duration::from_secs(1);
/// How soon callbacks that other processes took are noticed, and changes that they made.
const SHARED_INTERVAL: Duration = Duration::from_millis(50);
/// How often expired, abandoned and adoptable messages are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How often what accounts took is told to the database, and ceilings are set.
const SHARE_INTERVAL: Duration = Duration::from_secs(10);
/// How often what is past its retention is looked for, and how long the loop rests between two steps while there is some.
const RETENTION_INTERVAL: Duration = Duration::from_mins(10);
const RETENTION_REST: Duration = Duration::from_secs(1);
/// How often the length of SQLite's write-ahead log is looked at, and how long the loop rests while a reader keeps it from becoming shorter.
const LOG_INTERVAL: Duration = Duration::from_millis(100);
const HELD_BACK_REST: Duration = Duration::from_secs(1);
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
    uploads: UploadStorage,
    store: Store,
    upkeep: Lease,
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
            upkeep: services.upkeep.clone(),
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
        if self.store.is_shared() {
            self.supervise("feed", Self::follow_changes);
        } else {
            self.supervise("write back", Self::checkpoint);
        }
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
        for released in [self.reconciler.release().await, self.upkeep.release().await] {
            if let Err(error) = released {
                tracing::warn!(%error, "a lease could not be given back");
            }
        }
        if let Err(error) = self.retention.release().await {
            tracing::warn!(%error, "the retention lease could not be given back");
        }
    }

    async fn dispatch(self) {
        while !self.stop.is_cancelled() {
            let begin = |work| {
                let job = self.clone();
                self.tasks.spawn(async move {
                    job.dispatcher.submit(work).await;
                    job.accepted.notify_one();
                });
            };
            let rest = match self.dispatcher.claim_and_start(begin).await {
                Ok(()) => QUEUE_INTERVAL,
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
                Ok(ReconcileStep::Applied(applied)) if applied > 0 => {}
                Ok(ReconcileStep::Applied(_)) => {
                    self.pause(LEASE_INTERVAL, self.news(&mut appended)).await;
                }
                Ok(ReconcileStep::LeaseHeldElsewhere) => {
                    self.pause(SUCCESSION_INTERVAL, std::future::pending())
                        .await;
                }
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
            for done in [self.uploads.sweep(now).await, self.look_after(now).await] {
                if let Err(error) = done {
                    tracing::warn!(%error, "messages that nobody will finish could not be looked for");
                }
            }
            self.pause(SWEEP_INTERVAL, std::future::pending()).await;
        }
    }

    /// Once more at the end, so that the next process knows of this hour.
    async fn share(self) {
        loop {
            let now = self.clock.now();
            if let Err(error) = self.ingest.limits().save_and_reload(&self.store, now).await {
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
                Ok(retention::PurgeStep::More) => RETENTION_REST,
                Ok(_) => RETENTION_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "what is past its retention could not be removed; trying again");
                    RETENTION_REST
                }
            };
            self.pause(rest, std::future::pending()).await;
        }
    }

    async fn checkpoint(self) {
        while !self.stop.is_cancelled() {
            let rest = match self.store.checkpoint().await {
                Ok(CheckpointResult::Enough) => LOG_INTERVAL,
                Ok(CheckpointResult::HeldBack) => HELD_BACK_REST,
                Err(error) => {
                    tracing::warn!(%error, "the write-ahead log could not be written back; trying again");
                    HELD_BACK_REST
                }
            };
            self.pause(rest, std::future::pending()).await;
        }
    }

    /// What one process does for all: each part even when the one before failed.
    async fn look_after(&self, now: DateTime<Utc>) -> Result<(), db::Error> {
        if !self.upkeep.hold(now).await? {
            return Ok(());
        }
        let dispatched = self.dispatcher.sweep().await;
        let adopted = self.reconciler.adopt().await.map(|_| ());
        let uploads = self.uploads.drop_shared(now).await;
        let changes = self.store.trim_changes().await.map(|_| ());
        dispatched.and(adopted).and(uploads).and(changes)
    }

    /// Tells this process's listeners what other processes changed.
    async fn follow_changes(self) {
        let mut position = None;
        while !self.stop.is_cancelled() {
            let told = match position {
                Some(position) => self.store.tell_changes(position).await,
                None => self.store.feed_end().await,
            };
            let rest = match told {
                Ok(told) => {
                    position = Some(told);
                    SHARED_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(%error, "changes of other processes could not be read");
                    REST
                }
            };
            self.pause(rest, std::future::pending()).await;
        }
    }

    /// Ends when the journal has something new: by our own commit, or by another process's.
    async fn news(&self, appended: &mut watch::Receiver<()>) {
        let others = async {
            if !self.store.is_shared() {
                std::future::pending::<()>().await;
            }
            loop {
                tokio::time::sleep(SHARED_INTERVAL).await;
                // An error ends the pause: the step will meet it too, and tell it.
                if self.reconciler.is_behind().await.unwrap_or(true) {
                    return;
                }
            }
        };
        tokio::select! {
            () = changed(appended) => {}
            () = others => {}
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
async fn changed(appended: &mut watch::Receiver<()>) {
    if appended.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
