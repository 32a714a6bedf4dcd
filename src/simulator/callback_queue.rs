//! Bounded queue of callbacks ordered by due time. Posts them when due or on request, with each
//! provider's retries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::domain::clock::Clock;
use crate::domain::provider::ProviderId;
use crate::http_client;
use crate::simulator::oracle::{Oracle, PostResult, ReportedStatus};
use crate::simulator::post_failures::PostFailures;
use crate::simulator::settings::{CallbackRelease, Settings};

#[derive(Clone, PartialEq, Debug)]
pub struct QueuedCallback {
    pub provider: ProviderId,
    pub url: String,
    /// Includes the content type.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The statuses it reports; empty if the body is corrupted.
    pub reported: Vec<ReportedStatus>,
    pub attempts: u32,
    /// An attempt ended without a reply: the callback may have arrived.
    pub unclear: bool,
}

impl QueuedCallback {
    /// Sobot documents a single attempt whatever the reply; several are assumed for the others.
    fn may_be_retried(&self) -> bool {
        self.provider != ProviderId::Sobot && self.attempts < MAX_ATTEMPTS
    }
}

/// Attempts of every provider except Sobot.
const MAX_ATTEMPTS: u32 = 5;
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Delay before the second attempt; doubles with each further attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Minimum pace of retries, so that they have a delay even at pace 0.
const MIN_RETRY_PACE: f64 = 0.1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QueuePhase {
    /// Callbacks are posted when due.
    Running,
    /// Callbacks are posted immediately.
    Draining,
    /// Nothing is posted.
    Stopped,
}

pub(crate) struct CallbackQueue {
    queue: Mutex<BTreeMap<(Duration, u64), QueuedCallback>>,
    numbers: AtomicU64,
    start: Instant,
    /// With manual delivery: the clock that orders callbacks, and its value at the start.
    manual_clock: Option<(Arc<dyn Clock>, DateTime<Utc>)>,
    pace: f64,
    limit: usize,
    client: reqwest::Client,
    permits: Arc<Semaphore>,
    changed: Notify,
    /// Callbacks that are queued or being posted.
    outstanding: watch::Sender<usize>,
    phase: watch::Sender<QueuePhase>,
    tasks: TaskTracker,
    oracle: Arc<Mutex<Oracle>>,
    pub(crate) failures: PostFailures,
}

impl CallbackQueue {
    /// With manual delivery callbacks are ordered by the settings' clock, so that a slow machine
    /// does not change their order.
    pub(crate) fn new(
        settings: &Settings,
        oracle: Arc<Mutex<Oracle>>,
    ) -> Result<Self, reqwest::Error> {
        let manual_clock = match settings.release {
            CallbackRelease::Manual => Some((Arc::clone(&settings.clock), settings.clock.now())),
            CallbackRelease::Timed => None,
        };
        Ok(Self {
            queue: Mutex::default(),
            numbers: AtomicU64::new(0),
            start: Instant::now(),
            manual_clock,
            pace: settings.pace,
            limit: settings.queue_limit,
            client: http_client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(POST_TIMEOUT)
                .build()?,
            permits: Arc::new(Semaphore::new(settings.concurrency.max(1))),
            changed: Notify::new(),
            outstanding: watch::Sender::new(0),
            phase: watch::Sender::new(QueuePhase::Running),
            tasks: TaskTracker::new(),
            oracle,
            failures: PostFailures::default(),
        })
    }

    pub(crate) fn is_full(&self) -> bool {
        *self.outstanding.borrow() >= self.limit
    }

    /// `after` is the delay at pace 1.
    pub(crate) fn add(&self, post: QueuedCallback, after: Duration) {
        self.outstanding.send_modify(|count| *count += 1);
        self.insert(post, self.elapsed() + after.mul_f64(self.pace));
    }

    /// Posts immediately and waits for the reply; a failed attempt is queued.
    pub(crate) async fn post_now(self: &Arc<Self>, post: QueuedCallback) {
        self.outstanding.send_modify(|count| *count += 1);
        self.attempt(post).await;
    }

    /// Posts the next `count` callbacks, due or not, in order of due time; returns how many there
    /// were.
    pub(crate) async fn deliver_next(self: &Arc<Self>, count: usize) -> usize {
        for done in 0..count {
            let Some(((_, _), post)) = self.lock().pop_first() else {
                return done;
            };
            self.attempt(post).await;
        }
        count
    }

    /// The queued callbacks in order of due time.
    pub(crate) fn list(&self) -> Vec<QueuedCallback> {
        self.lock().values().cloned().collect()
    }

    /// Waits until no callback is queued or being posted.
    pub(crate) async fn idle(&self) {
        let mut outstanding = self.outstanding.subscribe();
        // The sender is a field of `self`, so the channel cannot close before.
        let _ = outstanding.wait_for(|count| *count == 0).await;
    }

    /// Posts callbacks when they are due, until [`CallbackQueue::stop`].
    pub(crate) async fn run(self: Arc<Self>) {
        let mut phase = self.phase.subscribe();
        loop {
            let now = *phase.borrow_and_update();
            if now == QueuePhase::Stopped {
                return;
            }
            let next = self.lock().first_key_value().map(|(key, _)| *key);
            let wait = async {
                match next {
                    Some(_) if now == QueuePhase::Draining => {}
                    Some((due, _)) => tokio::time::sleep_until(self.start + due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => self.start_first_callback().await,
                () = self.changed.notified() => {}
                _ = phase.changed() => {}
            }
        }
    }

    /// Waits for a permit, then posts the first callback in a task of its own.
    async fn start_first_callback(self: &Arc<Self>) {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return;
        };
        let Some((_, post)) = self.lock().pop_first() else {
            return;
        };
        let queue = Arc::clone(self);
        self.tasks.spawn(async move {
            queue.attempt(post).await;
            drop(permit);
        });
    }

    /// Posts the queued callbacks immediately, for at most `drain`; discards the rest.
    pub(crate) async fn stop(&self, drain: Duration) {
        self.phase.send_replace(QueuePhase::Draining);
        if !drain.is_zero() {
            // What does not finish in time is discarded below.
            let _ = tokio::time::timeout(drain, self.idle()).await;
        }
        self.phase.send_replace(QueuePhase::Stopped);
        self.tasks.close();
        self.tasks.wait().await;
        self.lock().clear();
        self.outstanding.send_replace(0);
    }

    async fn attempt(&self, mut post: QueuedCallback) {
        post.attempts += 1;
        let mut request = self.client.post(&post.url).body(post.body.clone());
        for (name, value) in &post.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(reply) if reply.status().is_success() => {
                self.oracle()
                    .record_statuses(&post.reported, PostResult::Confirmed);
            }
            outcome => {
                self.failures.note(post.provider, &outcome);
                post.unclear |= outcome.is_err_and(|error| !error.is_connect());
                if post.may_be_retried() {
                    let pause = FIRST_PAUSE.mul_f64(self.pace.max(MIN_RETRY_PACE))
                        * 2_u32.pow(post.attempts - 1);
                    return self.insert(post, self.elapsed() + pause);
                }
                if post.unclear {
                    self.oracle()
                        .record_statuses(&post.reported, PostResult::Unconfirmed);
                }
            }
        }
        self.outstanding
            .send_modify(|count| *count = count.saturating_sub(1));
    }

    fn elapsed(&self) -> Duration {
        match &self.manual_clock {
            Some((clock, start)) => (clock.now() - *start).to_std().unwrap_or_default(),
            None => self.start.elapsed(),
        }
    }

    fn insert(&self, post: QueuedCallback, due: Duration) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.lock().insert((due, number), post);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Duration, u64), QueuedCallback>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
