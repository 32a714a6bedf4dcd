//! Every pragma, pool size and time-out of a SQLite connection, with its reason.

use std::time::Duration;

use sea_orm::ConnectOptions;

/// How long the journal writer waits for another process's lock. Longer would delay the reply to a
/// callback.
pub const JOURNAL_BUSY_TIMEOUT: Duration = Duration::from_millis(250);
/// How long the main writer waits for a lock; no provider waits for it.
pub const MAIN_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite readers: two pages, an export and the API at once. On a small server, more would only
/// share its processor.
const SQLITE_READERS: u32 = 4;
/// How long a write waits for the single writer connection, after which the API answers 503.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// The journal is appended to, and callers wait for each commit. 4000 pages gave the highest rate:
/// with fewer, pages are rewritten too often; with more, single replies are late.
pub const JOURNAL_WRITER: WriterSettings = WriterSettings {
    busy_timeout: JOURNAL_BUSY_TIMEOUT,
    checkpoint_pages: None,
    writer_checkpoint_pages: 4000,
    cache_kib: 8 * 1024,
};
/// Writes to the main database are spread over the file and often change the same pages, which a
/// rarer checkpoint writes only once. The writer checkpoints only if the separate checkpoint does
/// not keep up.
pub const MAIN_WRITER: WriterSettings = WriterSettings {
    busy_timeout: MAIN_BUSY_TIMEOUT,
    checkpoint_pages: Some(16_000),
    writer_checkpoint_pages: 64_000,
    cache_kib: 64 * 1024,
};
/// Page cache of a SQLite reader. The operating system caches the rest.
const READER_CACHE_KIB: u32 = 4 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterSettings {
    pub busy_timeout: Duration,
    /// WAL size in pages at which another connection checkpoints; see [`Pools::checkpoint`].
    ///
    /// [`Pools::checkpoint`]: crate::db::pools::Pools::checkpoint
    pub checkpoint_pages: Option<u32>,
    /// WAL size in pages at which the writer checkpoints at a commit.
    pub writer_checkpoint_pages: u32,
    /// Page cache, allocated as needed.
    pub cache_kib: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConnectionUse {
    /// Creates the first tables, then writes.
    Creating,
    Writing,
    Reading,
    /// Writes only to another file.
    Copying,
}

pub(super) fn sqlite_options(
    url: &str,
    purpose: ConnectionUse,
    writer: WriterSettings,
) -> ConnectOptions {
    let (connections, query_only, cache_kib) = match purpose {
        ConnectionUse::Creating | ConnectionUse::Writing => (1, "OFF", writer.cache_kib),
        ConnectionUse::Reading => (SQLITE_READERS, "ON", READER_CACHE_KIB),
        ConnectionUse::Copying => (1, "OFF", READER_CACHE_KIB),
    };
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A recycled writer would lose its page cache and prepared statements.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = match purpose {
                // Freed pages return to the file system in steps. Must be set before the first
                // table; takes the write lock, so other connections do not set it: they could not
                // be opened under a lock.
                ConnectionUse::Creating => sqlite.pragma("auto_vacuum", "INCREMENTAL"),
                ConnectionUse::Writing | ConnectionUse::Reading | ConnectionUse::Copying => sqlite,
            };
            sqlite
                .busy_timeout(writer.busy_timeout)
                .statement_cache_capacity(200)
                // How many rows the driver's thread may read ahead. With the small default, the two
                // threads wake each other constantly.
                .row_buffer_size(512)
                .pragma("journal_mode", "WAL")
                // NORMAL survives a killed process but not a power failure; an acknowledged
                // callback must survive both.
                .pragma("synchronous", "FULL")
                .pragma(
                    "wal_autocheckpoint",
                    writer.writer_checkpoint_pages.to_string(),
                )
                .pragma("cache_size", format!("-{cache_kib}"))
                .pragma("temp_store", "MEMORY")
                .pragma("foreign_keys", "OFF")
                .pragma("query_only", query_only)
        });
    options
}
