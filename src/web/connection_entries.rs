//! The rows of a connection table: each connection with its purpose, and the number of connections
//! of each purpose.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::telemetry::line_per_minute::LinePerMinute;
use crate::web::tracked_connection::{Activity, Purpose, TrackedConnection};

static ENDED_LINES: LinePerMinute = LinePerMinute::new();

#[derive(Default)]
pub(super) struct Entries {
    by_id: HashMap<u64, Entry>,
    next_id: u64,
    /// Connections for callbacks, without those that must end.
    pub(super) callbacks: usize,
    /// All other connections, without those that must end.
    pub(super) others: usize,
    /// Connections ended to make room since the last log line.
    ended: u64,
}

pub(super) struct Entry {
    pub(super) connection: Arc<TrackedConnection>,
    pub(super) purpose: Purpose,
    ended: bool,
}

impl Entries {
    pub(super) fn add(&mut self, epoch: Instant) -> Arc<TrackedConnection> {
        let id = self.next_id;
        self.next_id += 1;
        let connection = Arc::new(TrackedConnection::new(id, epoch));
        let entry = Entry {
            connection: Arc::clone(&connection),
            purpose: Purpose::Other,
            ended: false,
        };
        self.by_id.insert(id, entry);
        self.others += 1;
        connection
    }

    pub(super) fn set_purpose(&mut self, id: u64, purpose: Purpose) {
        let Some(entry) = self.by_id.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut entry.purpose, purpose);
        if !entry.ended {
            *self.count(before) -= 1;
            *self.count(purpose) += 1;
        }
    }

    pub(super) fn remove(&mut self, id: u64) {
        let removed = self.by_id.remove(&id);
        if let Some(entry) = removed.filter(|entry| !entry.ended) {
            *self.count(entry.purpose) -= 1;
        }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Entry> {
        self.by_id.values().filter(|entry| !entry.ended)
    }

    /// Requests for anything but callbacks that are being answered.
    pub(super) fn count_other_responses(&self) -> usize {
        let others = self.running().filter(|entry| {
            entry.purpose == Purpose::Other && entry.connection.activity() == Activity::Response
        });
        others.count()
    }

    fn count(&mut self, purpose: Purpose) -> &mut usize {
        match purpose {
            Purpose::Callback => &mut self.callbacks,
            Purpose::Other => &mut self.others,
        }
    }

    /// Ends at most `most` connections, those whose activity began longest ago.
    pub(super) fn end_oldest(&mut self, most: usize, may_end: impl Fn(&Entry) -> bool) {
        let mut candidates: Vec<(Duration, u64)> = self
            .running()
            .filter(|entry| entry.connection.activity() != Activity::Response && may_end(entry))
            .map(|entry| (entry.connection.age(), entry.connection.id()))
            .collect();
        if candidates.len() > most {
            // The oldest come first.
            candidates.select_nth_unstable_by(most, |one, other| other.cmp(one));
            candidates.truncate(most);
        }
        for (_, id) in candidates {
            self.end(id);
            self.ended += 1;
        }
    }

    /// Ends a connection. It no longer counts, although its worker has yet to close it.
    pub(super) fn end(&mut self, id: u64) {
        let Some(entry) = self.by_id.get_mut(&id).filter(|entry| !entry.ended) else {
            return;
        };
        entry.ended = true;
        entry.connection.end();
        let purpose = entry.purpose;
        *self.count(purpose) -= 1;
    }

    /// Keeps a connection that had to end, and counts it again.
    pub(super) fn continue_after_end(&mut self, id: u64) {
        let Some(entry) = self.by_id.get_mut(&id).filter(|entry| entry.ended) else {
            return;
        };
        entry.ended = false;
        entry.connection.continue_after_end();
        let purpose = entry.purpose;
        *self.count(purpose) += 1;
    }

    pub(super) fn log(&mut self) {
        if self.ended > 0 && ENDED_LINES.admit(Instant::now()) {
            tracing::warn!(
                connections = self.ended,
                "slow or idle connections were closed to make room for others"
            );
            self.ended = 0;
        }
    }
}
