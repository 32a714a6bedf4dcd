//! Which callbacks may be purged, and which are purged together.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::journal::partitions::PartitionDay;

/// Rows per purge batch. This number does not affect the latency of callbacks; 1000 rows tripled
/// it.
pub const PURGE_BATCH_ROWS: u64 = 250;

/// Callbacks beyond either limit are not purged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PurgeLimit {
    /// The reconcile position; later entries are unprocessed.
    pub position: i64,
    pub received_before: DateTime<Utc>,
}

/// Callbacks that are purged together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PurgeBatch {
    pub rows: u64,
    pub(super) range: PurgeRange,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PurgeRange {
    /// On SQLite: all rows up to this seq.
    UpToSeq(i64),
    /// On PostgreSQL: rows of the default partition up to this id.
    DefaultPartition(Uuid),
    /// On PostgreSQL: the partition of this day.
    Day(PartitionDay),
}
