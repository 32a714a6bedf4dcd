//! Callbacks on their way: a bounded queue in order of due time, posted by time or by hand, with each provider's own patience.

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
use crate::simulator::oracle::{Oracle, PostResult, ReportedStatus};
use crate::simulator::settings::{Delivery, Settings};

/// One callback to be posted.
#[derive(Clone, PartialEq, Debug)]
pub struct QueuedCallback {
    /// Who posts it.
    pub provider: ProviderId,
    /// The address.
    pub url: String,
    /// Headers, with the content type.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What it tells, as far as it can be read.
    pub reported: Vec<ReportedStatus>,
    /// How often it was tried.
    pub tries: u32,
    /// A try ended without an answer: it may have arrived.
    pub unclear: bool,
}

impl QueuedCallback {
    /// Sobot documents a single attempt whatever the answer; of the others several are assumed.
    fn may_be_repeated(&self) -> bool {
        self.provider != ProviderId::Sobot && self.tries < TRIES
    }
}

/// Attempts of every provider but Sobot.
const TRIES: u32 = 5;
/// One attempt takes no longer.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait before the second attempt; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Even at pace 0 a refused callback is not repeated in a tight loop: the first pause is 50 ms.
const LEAST_PACE_OF_RETRIES: f64 = 0.1;

/// How far the simulator is with its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QueuePhase {
    /// Posts leave when they are due.
    Running,
    /// Posts leave at once.
    Draining,
    /// Posts leave no more.
    Stopped,
}

/// The queue and those who empty it.
pub(crate) struct CallbackQueue {
    queue: Mutex<BTreeMap<(Duration, u64), QueuedCallback>>,
    numbers: AtomicU64,
    start: Instant,
    /// Where posts leave by hand: the clock that orders them, and what it showed at the start.
    by_hand: Option<(Arc<dyn Clock>, DateTime<Utc>)>,
    pace: f64,
    limit: usize,
    client: reqwest::Client,
    permits: Arc<Semaphore>,
    changed: Notify,
    /// Posts queued or on their way.
    outstanding: watch::Sender<usize>,
    phase: watch::Sender<QueuePhase>,
    tasks: TaskTracker,
    oracle: Arc<Mutex<Oracle>>,
}

impl CallbackQueue {
    /// An empty queue.
    ///
    /// Posts that leave by hand are ordered by the settings' clock, so that a slow machine does not change their order.
    pub(crate) fn new(
        settings: &Settings,
        oracle: Arc<Mutex<Oracle>>,
    ) -> Result<Self, reqwest::Error> {
        let by_hand = match settings.delivery {
            Delivery::Manual => Some((Arc::clone(&settings.clock), settings.clock.now())),
            Delivery::Timed => None,
        };
        Ok(Self {
            queue: Mutex::default(),
            numbers: AtomicU64::new(0),
            start: Instant::now(),
            by_hand,
            pace: settings.pace,
            limit: settings.queue_limit,
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(POST_TIMEOUT)
                .build()?,
            permits: Arc::new(Semaphore::new(settings.concurrency.max(1))),
            changed: Notify::new(),
            outstanding: watch::Sender::new(0),
            phase: watch::Sender::new(QueuePhase::Running),
            tasks: TaskTracker::new(),
            oracle,
        })
    }

    /// Whether no more messages should be taken for now.
    pub(crate) fn is_full(&self) -> bool {
        *self.outstanding.borrow() >= self.limit
    }

    /// Queues a post for a moment after now, given at pace 1.
    pub(crate) fn add(&self, post: QueuedCallback, after: Duration) {
        self.outstanding.send_modify(|count| *count += 1);
        self.put(post, self.elapsed() + after.mul_f64(self.pace));
    }

    /// Posts at once and waits for the answer; what fails is queued.
    pub(crate) async fn post_now(self: &Arc<Self>, post: QueuedCallback) {
        self.outstanding.send_modify(|count| *count += 1);
        self.attempt(post).await;
    }

    /// Posts the next `count` in order of due time, whether due or not; returns how many there were.
    pub(crate) async fn deliver_next(self: &Arc<Self>, count: usize) -> usize {
        for done in 0..count {
            let Some(((_, _), post)) = self.lock().pop_first() else {
                return done;
            };
            self.attempt(post).await;
        }
        count
    }

    /// What is queued, in order of due time.
    pub(crate) fn list(&self) -> Vec<QueuedCallback> {
        self.lock().values().cloned().collect()
    }

    /// Waits until nothing is queued or on its way.
    pub(crate) async fn idle(&self) {
        let mut outstanding = self.outstanding.subscribe();
        // The sender lives in `self`, so this ends only by success.
        let _ = outstanding.wait_for(|count| *count == 0).await;
    }

    /// Posts what is due until [`CallbackQueue::stop`].
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
                () = wait => self.launch_first().await,
                () = self.changed.notified() => {}
                _ = phase.changed() => {}
            }
        }
    }

    /// Takes the first post as soon as a permit is free and lets it go its way.
    async fn launch_first(self: &Arc<Self>) {
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

    /// Posts what is queued without waiting for its time, for at most `drain`; then forgets the rest.
    pub(crate) async fn stop(&self, drain: Duration) {
        self.phase.send_replace(QueuePhase::Draining);
        if !drain.is_zero() {
            // Too slow is forgotten below.
            let _ = tokio::time::timeout(drain, self.idle()).await;
        }
        self.phase.send_replace(QueuePhase::Stopped);
        self.tasks.close();
        self.tasks.wait().await;
        self.lock().clear();
        self.outstanding.send_replace(0);
    }

    async fn attempt(&self, mut post: QueuedCallback) {
        post.tries += 1;
        let mut request = self.client.post(&post.url).body(post.body.clone());
        for (name, value) in &post.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(reply) if reply.status().is_success() => {
                self.oracle()
                    .record_claims(&post.reported, PostResult::Surely);
            }
            outcome => {
                post.unclear |= outcome.is_err_and(|error| !error.is_connect());
                if post.may_be_repeated() {
                    let pause = FIRST_PAUSE.mul_f64(self.pace.max(LEAST_PACE_OF_RETRIES))
                        * 2_u32.pow(post.tries - 1);
                    return self.put(post, self.elapsed() + pause);
                }
                if post.unclear {
                    self.oracle()
                        .record_claims(&post.reported, PostResult::Perhaps);
                }
            }
        }
        self.outstanding
            .send_modify(|count| *count = count.saturating_sub(1));
    }

    /// The time since the start.
    fn elapsed(&self) -> Duration {
        match &self.by_hand {
            Some((clock, start)) => (clock.now() - *start).to_std().unwrap_or_default(),
            None => self.start.elapsed(),
        }
    }

    fn put(&self, post: QueuedCallback, due: Duration) {
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
