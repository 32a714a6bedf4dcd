//! What one connection of a client is doing, and whether it must end.
//!
//! The connection's own worker writes most fields; the connection table reads them from any thread.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

/// Whenever this many bytes of a body have arrived, its activity counts as begun again.
const PROGRESS_BYTES: u64 = 64 * 1024;
/// Nothing waits to be written.
const NOT_BLOCKED: u64 = u64::MAX;

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Activity {
    /// No request has begun: it is new, or idle between two requests.
    Waiting,
    /// A part of a request's head has arrived.
    Head,
    /// A request's body is arriving.
    Body,
    /// A complete request is being answered.
    Response,
}

/// What the last request of a connection was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A callback or report with a valid token.
    Callback,
    /// Anything else, or no request yet.
    Other,
}

#[derive(Debug)]
pub(crate) struct TrackedConnection {
    id: u64,
    /// Times are counted from this instant.
    epoch: Instant,
    activity: AtomicU8,
    /// When the activity began, or its body last made progress; in milliseconds.
    since: AtomicU64,
    /// Bytes of the body since then.
    progress: AtomicU64,
    /// Since when the client has read nothing of a response; in milliseconds.
    blocked_since: AtomicU64,
    is_callback: AtomicBool,
    /// The client sends nothing more.
    half_closed: AtomicBool,
    ended: AtomicBool,
    waker: AtomicWaker,
}

impl TrackedConnection {
    pub(super) fn new(id: u64, epoch: Instant) -> Self {
        let connection = Self {
            id,
            epoch,
            activity: AtomicU8::new(0),
            since: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NOT_BLOCKED),
            is_callback: AtomicBool::new(false),
            half_closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        };
        connection.begin(Activity::Waiting);
        connection
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    // --- The connection's own worker -----------------------------------------

    pub(super) fn begin(&self, activity: Activity) {
        self.progress.store(0, Ordering::Relaxed);
        self.since.store(self.now(), Ordering::Relaxed);
        self.activity.store(activity as u8, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        match self.activity() {
            // None at the end of the stream.
            Activity::Waiting if bytes > 0 => self.begin(Activity::Head),
            Activity::Body => {
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                if self.progress.fetch_add(bytes, Ordering::Relaxed) + bytes >= PROGRESS_BYTES {
                    self.begin(Activity::Body);
                }
            }
            Activity::Waiting | Activity::Head | Activity::Response => {}
        }
    }

    /// The client sends nothing more: it is gone, or has only closed its side.
    pub(super) fn note_half_closed(&self) {
        self.half_closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_half_closed(&self) -> bool {
        self.half_closed.load(Ordering::Relaxed)
    }

    /// Call it when the client does not read.
    pub(super) fn block(&self) {
        if self.blocked_since.load(Ordering::Relaxed) == NOT_BLOCKED {
            self.blocked_since.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(super) fn unblock(&self) {
        if self.blocked_since.load(Ordering::Relaxed) != NOT_BLOCKED {
            self.blocked_since.store(NOT_BLOCKED, Ordering::Relaxed);
        }
    }

    /// The last task that registered is woken when the connection must end.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    // --- The connection table ------------------------------------------------

    /// From now on the server reads the end of the stream, as if the client had closed it.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// A request arrived before the end was carried out.
    pub(super) fn continue_after_end(&self) {
        self.ended.store(false, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn set_purpose(&self, purpose: Purpose) {
        let is_callback = purpose == Purpose::Callback;
        self.is_callback.store(is_callback, Ordering::Relaxed);
    }

    pub(super) fn purpose(&self) -> Purpose {
        if self.is_callback.load(Ordering::Relaxed) {
            Purpose::Callback
        } else {
            Purpose::Other
        }
    }

    pub(super) fn activity(&self) -> Activity {
        match self.activity.load(Ordering::Relaxed) {
            0 => Activity::Waiting,
            1 => Activity::Head,
            2 => Activity::Body,
            _ => Activity::Response,
        }
    }

    /// How long ago the activity began, or its body last made progress.
    pub(super) fn age(&self) -> Duration {
        self.elapsed(self.since.load(Ordering::Relaxed))
    }

    /// How long the client has read nothing of what waits for it.
    pub(super) fn blocked(&self) -> Duration {
        self.elapsed(self.blocked_since.load(Ordering::Relaxed))
    }

    fn elapsed(&self, since: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(since))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
