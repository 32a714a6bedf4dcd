//! In which partitions PostgreSQL searches first for the next entries.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::db::instant;
use crate::domain::callback_record::JournalEntry;
use crate::journal::partitions;

/// When the earliest of the entries that were read last was received. The next entries are rarely
/// much older, so PostgreSQL need not search every partition.
#[derive(Debug, Default)]
pub(super) struct PartitionHint(AtomicI64);

impl PartitionHint {
    /// The smallest id to search first; `None` before the first read.
    pub(super) fn first_id(&self) -> Option<Uuid> {
        let millis = self.0.load(Ordering::Relaxed);
        let at = DateTime::from_timestamp_millis(millis).filter(|_| millis > 0)?;
        Some(partitions::first_id_at(at - TimeDelta::days(1)))
    }

    pub(super) fn update(&self, entries: &[JournalEntry]) {
        let earliest = entries.iter().map(|entry| entry.record.received_at).min();
        if let Some(at) = earliest {
            self.0.store(instant::to_millis(at), Ordering::Relaxed);
        }
    }
}
