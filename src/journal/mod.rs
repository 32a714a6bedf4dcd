//! The journal: every raw callback, durable before it is acknowledged, in commit order.
//!
//! Owns the writer task and the memory limit. Does not parse callbacks and keeps no reader
//! positions.

mod batch;
mod deletion;
mod entry_row;
mod insert_statements;
mod inserter;
mod journal_database;
mod journal_handle;
mod journal_metrics;
mod journal_row;
mod lookup;
mod memory_limit;
mod pairing;
mod partition_hint;
mod partitions;
mod purge;
mod purge_batch;
mod purge_partitions;
mod read_activity;
mod reader;
pub mod spool;
mod spool_switch;
mod sqlite_maintenance;
mod writer;

pub(crate) use journal_database::check_schema;
pub use journal_database::{check_migrated, connect, exists, location, migrate, was_used};
pub use journal_handle::Journal;
pub use journal_metrics::JournalMetrics;
pub use lookup::JournalFilter;
pub use memory_limit::MemoryPermit;
pub(crate) use pairing::read_end;
pub use purge::JournalStart;
pub use purge_batch::{PURGE_BATCH_ROWS, PurgeBatch, PurgeLimit};
