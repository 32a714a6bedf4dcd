//! The open connections of one listener, and which of them end to make room for callbacks.
//!
//! What a connection is for is known only when the head of its request has arrived, so none can be
//! refused when it is accepted. Therefore every connection is accepted at once, and the table ends
//! others instead:
//!
//! - A connection counts as a callback connection from the moment a callback token was verified on it
//!   until its next request; all others, including new ones, count as other connections.
//! - Other connections may use the limit less the reserve. If there are more, those end whose activity
//!   (being idle, sending a head, or sending a body) began longest ago. A body counts as begun again
//!   with every 64 KiB, so an upload at an ordinary rate outlives one that trickles.
//! - Beyond the limit itself, the same applies to all connections: many slow bodies at one leaked
//!   callback URL end in the same way.
//! - A connection does not end in this way while a complete request on it is being answered, or while
//!   it is so young that its first head may be on its way. Other requests are refused (503) while
//!   those being answered use half of what other connections may use, so that there are always some
//!   that can end.
//!
//! Twice a second the table also ends connections whose client takes too long for a head or does not
//! read its response, and, under pressure (other connections use more than half of what they may),
//! those that have been idle for 15 s. Under pressure each response to anything but a callback is the
//! last on its connection, so that idle connections do not accumulate, and a proxy that keeps
//! connections does not send a callback on one that is just ending.
//!
//! To end a connection means that the server reads the end of the stream, as if the client had closed
//! it: what it was writing is still sent, a body counts as too slow, and the socket closes. A request
//! that turns out to have arrived before is still served, so a busy worker loses none.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::web::connection_entries::Entries;
use crate::web::tracked_connection::{Activity, Purpose, TrackedConnection};

/// Idle connections end after this time under pressure.
const IDLE_UNDER_PRESSURE: Duration = Duration::from_secs(15);
/// A client may take this long before it reads more of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Younger connections do not end: the head of a callback may be on its way. If all are younger, the
/// next ones wait in the listener's backlog.
const GRACE: Duration = Duration::from_millis(500);
/// Connections end in batches of the limit divided by this, because finding the oldest compares all.
const BATCH_SHARE: usize = 64;

/// How many connections a listener may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ConnectionLimits {
    pub(crate) total: usize,
    /// Part of the total that only callbacks may use.
    pub(crate) reserve: usize,
    /// How long the head of a request after the first may take; actix limits that of the first.
    pub(crate) head: Duration,
    /// How long an idle connection is kept without pressure. actix has this limit too, but not if a
    /// part of the next head arrived with the request before.
    pub(crate) idle: Duration,
}

#[derive(Clone)]
pub(crate) struct ConnectionTable(Arc<TableState>);

/// Does not keep the table alive.
pub(crate) struct WeakConnectionTable(Weak<TableState>);

struct TableState {
    limits: ConnectionLimits,
    epoch: Instant,
    under_pressure: AtomicBool,
    refusing_others: AtomicBool,
    entries: Mutex<Entries>,
}

/// A connection, as the requests on it use it.
#[derive(Clone)]
pub(crate) struct ConnectionHandle {
    pub(super) connection: Arc<TrackedConnection>,
    table: ConnectionTable,
}

/// A connection, as its stream uses it; leaves the table when it is dropped.
pub(super) struct TableEntry(pub(super) ConnectionHandle);

impl ConnectionTable {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(TableState {
            limits,
            epoch: Instant::now(),
            under_pressure: AtomicBool::new(false),
            refusing_others: AtomicBool::new(false),
            entries: Mutex::default(),
        }))
    }

    pub(crate) fn downgrade(&self) -> WeakConnectionTable {
        WeakConnectionTable(Arc::downgrade(&self.0))
    }

    /// Adds a connection, and ends others if there is no room for it.
    pub(super) fn open(&self) -> TableEntry {
        let mut entries = self.lock();
        let connection = entries.add(self.0.epoch);
        self.make_room(&mut entries);
        self.note_pressure(&entries);
        TableEntry(ConnectionHandle {
            connection,
            table: self.clone(),
        })
    }

    /// Ends connections that take too long. Call it often.
    pub(crate) fn sweep(&self) {
        let limits = self.0.limits;
        let mut entries = self.lock();
        let idle = if self.is_under_pressure() {
            IDLE_UNDER_PRESSURE
        } else {
            limits.idle
        };
        let slow: Vec<u64> = entries
            .running()
            .filter(|entry| {
                let connection = &entry.connection;
                let is_slow = match connection.activity() {
                    Activity::Head => connection.age() > limits.head,
                    Activity::Waiting if entry.purpose == Purpose::Other => connection.age() > idle,
                    Activity::Waiting => connection.age() > limits.idle,
                    Activity::Body | Activity::Response => false,
                };
                is_slow || connection.blocked() > WRITE_TIMEOUT
            })
            .map(|entry| entry.connection.id())
            .collect();
        for id in slow {
            entries.end(id);
        }
        // Connections that were too young when the last one was accepted may end now.
        self.make_room(&mut entries);
        self.note_pressure(&entries);
        self.note_refusing(&entries);
        entries.log();
    }

    pub(super) fn is_under_pressure(&self) -> bool {
        self.0.under_pressure.load(Ordering::Relaxed)
    }

    fn other_limit(&self) -> usize {
        let limits = self.0.limits;
        limits.total.saturating_sub(limits.reserve)
    }

    fn make_room(&self, entries: &mut Entries) {
        let total = self.0.limits.total;
        let batch = (total / BATCH_SHARE).max(1);
        let excess = entries.others.saturating_sub(self.other_limit());
        if excess > 0 {
            entries.end_oldest(excess + batch, |entry| {
                entry.purpose == Purpose::Other && entry.connection.age() >= GRACE
            });
            self.note_refusing(entries);
        }
        let excess = (entries.others + entries.callbacks).saturating_sub(total);
        if excess > 0 {
            entries.end_oldest(excess + batch, |entry| entry.connection.age() >= GRACE);
        }
    }

    fn note_pressure(&self, entries: &Entries) {
        let under_pressure = entries.others * 2 > self.other_limit();
        self.0
            .under_pressure
            .store(under_pressure, Ordering::Relaxed);
    }

    fn note_refusing(&self, entries: &Entries) {
        let refusing_others = entries.count_other_responses() * 2 > self.other_limit();
        self.0
            .refusing_others
            .store(refusing_others, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl WeakConnectionTable {
    pub(crate) fn upgrade(&self) -> Option<ConnectionTable> {
        self.0.upgrade().map(ConnectionTable)
    }
}

impl fmt::Debug for ConnectionTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.lock();
        write!(
            out,
            "ConnectionTable({} callbacks, {} others)",
            entries.callbacks, entries.others
        )
    }
}

impl ConnectionHandle {
    /// Connections are reserved for callbacks only.
    pub(super) fn set_purpose(&self, purpose: Purpose) {
        if self.connection.purpose() == purpose {
            return;
        }
        self.connection.set_purpose(purpose);
        let mut entries = self.table.lock();
        entries.set_purpose(self.connection.id(), purpose);
        self.table.note_pressure(&entries);
    }

    /// A request arrived before the end was carried out.
    pub(super) fn continue_after_end(&self) {
        let mut entries = self.table.lock();
        entries.continue_after_end(self.connection.id());
        self.table.note_pressure(&entries);
    }

    pub(crate) fn is_half_closed(&self) -> bool {
        self.connection.is_half_closed()
    }

    /// Whether requests for anything but callbacks must be refused, because those being answered use
    /// half of what other connections may use.
    pub(super) fn must_refuse_others(&self) -> bool {
        self.table.0.refusing_others.load(Ordering::Relaxed)
    }

    /// Whether the response that is being sent must be the last on this connection.
    pub(super) fn must_close(&self) -> bool {
        self.connection.purpose() == Purpose::Other && self.table.is_under_pressure()
    }
}

impl Drop for TableEntry {
    fn drop(&mut self) {
        let table = &self.0.table;
        let mut entries = table.lock();
        entries.remove(self.0.connection.id());
        table.note_pressure(&entries);
    }
}
