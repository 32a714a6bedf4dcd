//! The named loops of a running process. They stop in two steps: first they claim nothing more,
//! then they finish what is running.

mod maintenance_jobs;

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::receiving::reconcile::ReconcileStep;
use crate::sending::campaign::SenderStep;
use crate::services::Services;
use crate::store::recipient_country;

/// How often the queue is checked without a wake-up or a slot, for messages that are due later.
const QUEUE_INTERVAL: Duration = Duration::from_millis(500);
/// The minimum time between two claims under load.
const CLAIM_INTERVAL: Duration = Duration::from_millis(10);
/// How often the reconcile lease is renewed, or claimed, while the journal is quiet.
const LEASE_INTERVAL: Duration = Duration::from_secs(2);
/// How soon the end of another process's lease is noticed.
const TAKEOVER_INTERVAL: Duration = Duration::from_secs(1);
/// How soon callbacks and changes of other processes are noticed.
const SHARED_INTERVAL: Duration = Duration::from_millis(50);
/// How long the reconciler waits for more callbacks after the first: a batch costs about the same
/// with one callback as with ten. With 20 ms, 300 callbacks a second had 31 context switches each.
const GATHER_INTERVAL: Duration = Duration::from_millis(60);
/// How often campaigns are advanced.
const CAMPAIGN_INTERVAL: Duration = Duration::from_millis(200);
/// Pause after a database error.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Jobs {
    services: Services,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Jobs {
    pub fn new(services: &Services) -> Self {
        Self {
            services: services.clone(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    pub fn start(&self) {
        tokio::task::spawn_blocking(recipient_country::load_metadata);
        self.supervise("dispatch", Self::dispatch);
        self.supervise("reconcile", Self::reconcile);
        self.supervise("sweep", Self::sweep);
        self.supervise("usage", Self::save_usage);
        self.supervise("lag", Self::watch_reconciler);
        self.supervise("purge", Self::purge);
        self.supervise("alerts", Self::watch_alerts);
        self.supervise("notifications", Self::deliver_alerts);
        self.supervise("campaigns", Self::send_campaigns);
        if self.services.config.backup.is_some() {
            self.supervise("backup", Self::back_up);
        }
        self.supervise("budgets", Self::watch_budgets);
        self.supervise("loss check", Self::check_for_losses);
        if self.services.store.is_shared() {
            self.supervise("feed", Self::follow_changes);
        } else {
            self.supervise("checkpoint", Self::checkpoint);
        }
        self.tasks.close();
    }

    /// Runs a loop until the process stops. Logs a panic and starts the loop again.
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
                    tracing::error!(job = name, "a job panicked and is started again");
                    jobs.pause(RETRY_PAUSE, pending()).await;
                }
            }
        });
    }

    /// Claims nothing more and begins no further call; running submissions continue.
    pub fn stop_claiming(&self) {
        self.stop.cancel();
        self.services.dispatcher.in_flight.stop_all();
    }

    /// Waits for running submissions, at most `timeout`; those that are still running become
    /// uncertain.
    pub async fn finish(&self, timeout: Duration) {
        if tokio::time::timeout(timeout, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("submissions were interrupted by the stop; they will become uncertain");
        }
        let services = &self.services;
        for released in [
            services.reconciler.release_lease().await,
            services.maintenance_lease.release().await,
            services.retention.release().await,
        ] {
            if let Err(error) = released {
                tracing::warn!(%error, "a lease could not be released");
            }
        }
    }

    async fn dispatch(self) {
        let services = &self.services;
        while let Err(error) = services.dispatcher.resolve_claims_of_dead_processes().await {
            tracing::warn!(%error, "submissions of an earlier process could not be resolved yet");
            self.pause(RETRY_PAUSE, pending()).await;
            if self.stop.is_cancelled() {
                return;
            }
        }
        while !self.stop.is_cancelled() {
            let started_at = Instant::now();
            let submit = |work| {
                let services = services.clone();
                self.tasks.spawn(async move {
                    services.dispatcher.submit(work).await;
                    services.dispatch_wakeup.notify_one();
                });
            };
            let pause = match services.dispatcher.claim_and_start(submit).await {
                Ok(None) => QUEUE_INTERVAL,
                Ok(Some(at)) => {
                    let wait = (at - services.steady_clock.now()).to_std();
                    wait.unwrap_or_default().min(QUEUE_INTERVAL)
                }
                Err(error) => {
                    tracing::warn!(%error, "the send queue could not be read");
                    RETRY_PAUSE
                }
            };
            self.pause(pause, services.dispatch_wakeup.notified()).await;
            // A group costs about the same with one message as with ten.
            let gather = CLAIM_INTERVAL.saturating_sub(started_at.elapsed());
            self.pause(gather, pending()).await;
        }
    }

    /// Queues messages of running campaigns.
    async fn send_campaigns(self) {
        let services = &self.services;
        while !self.stop.is_cancelled() {
            let pause = match services.campaign_sender.step(services.clock.now()).await {
                Ok(SenderStep::Busy) => {
                    services.dispatch_wakeup.notify_one();
                    Duration::ZERO
                }
                Ok(SenderStep::Queued) => {
                    services.dispatch_wakeup.notify_one();
                    CAMPAIGN_INTERVAL
                }
                Ok(SenderStep::Idle) => CAMPAIGN_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "campaigns could not be advanced; will retry");
                    RETRY_PAUSE
                }
            };
            self.pause(pause, services.campaign_changed.notified())
                .await;
        }
    }

    async fn reconcile(self) {
        let mut appended = self.services.journal.appended();
        while !self.stop.is_cancelled() {
            // Before the step, so that a commit during the step triggers the next one.
            appended.mark_unchanged();
            match self.services.reconciler.step().await {
                Ok(ReconcileStep::Applied { caught_up, .. }) => {
                    if caught_up {
                        let new_callbacks = self.gather_callbacks(&mut appended);
                        self.pause(LEASE_INTERVAL, new_callbacks).await;
                    }
                }
                Ok(ReconcileStep::LeaseHeldElsewhere) => {
                    self.pause(TAKEOVER_INTERVAL, pending()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "callbacks could not be applied; will retry");
                    self.pause(RETRY_PAUSE, pending()).await;
                }
            }
        }
    }

    /// Forwards changes of other processes to this process's live feed.
    async fn follow_changes(self) {
        let store = &self.services.store;
        let mut position = None;
        while !self.stop.is_cancelled() {
            let result = match position {
                Some(position) => store.publish_remote_changes(position).await,
                None => store.last_feed_position().await,
            };
            let pause = match result {
                Ok(reached) => {
                    position = Some(reached);
                    SHARED_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(%error, "changes of other processes could not be read");
                    RETRY_PAUSE
                }
            };
            self.pause(pause, pending()).await;
        }
    }

    /// Returns [`GATHER_INTERVAL`] after this process has committed to the journal, or at the first
    /// poll after another process has: the polling interval lets those callbacks gather as well.
    async fn gather_callbacks(&self, appended: &mut watch::Receiver<()>) {
        let services = &self.services;
        let other_processes = async {
            if !services.store.is_shared() {
                pending::<()>().await;
            }
            loop {
                tokio::time::sleep(SHARED_INTERVAL).await;
                // An error ends the wait; the next step fails in the same way and logs it.
                if services.reconciler.is_behind().await.unwrap_or(true) {
                    return;
                }
            }
        };
        tokio::select! {
            () = wait_for_commit(appended) => tokio::time::sleep(GATHER_INTERVAL).await,
            () = other_processes => {}
        }
    }

    async fn pause(&self, duration: Duration, wake_up: impl Future<Output = ()>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(duration) => {}
            () = wake_up => {}
        }
    }
}

/// Never returns once the journal's writer has ended.
async fn wait_for_commit(appended: &mut watch::Receiver<()>) {
    if appended.changed().await.is_err() {
        pending::<()>().await;
    }
}
