//! Opens databases. Every pragma, pool size and time-out is set here, with its reason.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::db::Error;
use crate::db::in_time;
use crate::domain::secret::Secret;

/// How long the journal writer waits for another process's lock. Longer would delay the reply to a
/// callback.
pub const JOURNAL_BUSY_TIMEOUT: Duration = Duration::from_millis(250);
/// How long the main writer waits for a lock; no provider waits for it.
pub const MAIN_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite readers: two pages, an export and the API at once. More would share the same two cores.
const SQLITE_READERS: u32 = 4;
/// How long a write waits for the single writer connection, after which the API answers 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// PostgreSQL connections for reading; waiting writers do not use them.
const POSTGRES_READERS: u32 = 6;
/// PostgreSQL connections for writing: one at a time, and one spare in case a silent server blocks
/// the first.
const POSTGRES_WRITERS: u32 = 2;
/// The journal is appended to, and callers wait for each commit. 4000 pages gave the highest rate:
/// with fewer, pages are rewritten too often; with more, single replies are late.
pub const JOURNAL_WRITING: WriterSettings = WriterSettings {
    busy_timeout: JOURNAL_BUSY_TIMEOUT,
    written_back_at: None,
    longest_log: 4000,
    cache: 8 * 1024,
};
/// The main database is written all over the file, often the same pages, which a rarer checkpoint
/// writes once. The writer checkpoints only if the
/// separate checkpoint does not keep up.
pub const MAIN_WRITING: WriterSettings = WriterSettings {
    busy_timeout: MAIN_BUSY_TIMEOUT,
    written_back_at: Some(16_000),
    longest_log: 64_000,
    cache: 64 * 1024,
};
/// Page cache of a SQLite reader, in KiB. The operating system caches the rest.
const READER_CACHE: u32 = 4 * 1024;

/// One database: a single writer and a pool of readers.
#[derive(Clone, Debug)]
pub struct Pools {
    writer: DatabaseConnection,
    readers: DatabaseConnection,
    lock: i64,
    file: Option<PathBuf>,
    patience: Duration,
    /// WAL size in pages at which a separate connection checkpoints.
    written_back_at: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterSettings {
    pub busy_timeout: Duration,
    /// WAL size in pages at which another connection checkpoints; see [`Pools::checkpoint`].
    pub written_back_at: Option<u32>,
    /// WAL size in pages at which the writer checkpoints at a commit.
    pub longest_log: u32,
    /// In KiB, allocated as needed.
    pub cache: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub fn engine_of(url: &Secret) -> Engine {
    if url.expose().starts_with("sqlite:") {
        Engine::Sqlite
    } else {
        Engine::Postgres
    }
}

/// The file named by a `sqlite:` URL.
pub fn sqlite_path(url: &Secret) -> PathBuf {
    let rest = url
        .expose()
        .trim_start_matches("sqlite:")
        .trim_start_matches("//");
    PathBuf::from(rest.split('?').next().unwrap_or_default())
}

impl Pools {
    /// Opens a SQLite file, and creates it with mode 0600 if it does not exist.
    pub async fn open_sqlite(
        path: &Path,
        writer_lock: i64,
        writing: WriterSettings,
    ) -> Result<Self, Error> {
        make_private_file(path)?;
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let is_new = path.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let purpose = if is_new {
            ConnectionUse::Making
        } else {
            ConnectionUse::WriterSettings
        };
        let options = |purpose| sqlite_options(&url, purpose, writing);
        let writer = Database::connect(options(purpose)).await?;
        let readers = Database::connect(options(ConnectionUse::Reading)).await?;
        Ok(Self {
            writer,
            readers,
            lock: writer_lock,
            file: Some(path.to_owned()),
            patience: writing.busy_timeout,
            written_back_at: writing.written_back_at,
        })
    }

    /// Connects to PostgreSQL. An advisory lock allows one writer at a time; a writer that does not
    /// get it within `lock_timeout` gets a retryable error.
    pub async fn open_postgres(
        url: &Secret,
        writer_lock: i64,
        lock_timeout: Duration,
    ) -> Result<Self, Error> {
        Ok(Self {
            writer: Database::connect(postgres_options(url, POSTGRES_WRITERS)).await?,
            readers: Database::connect(postgres_options(url, POSTGRES_READERS)).await?,
            lock: writer_lock,
            file: None,
            patience: lock_timeout,
            written_back_at: None,
        })
    }

    /// For reading; never blocks the writer.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.readers
    }

    /// `None` on PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// WAL size in pages at which a separate connection checkpoints.
    pub(crate) fn written_back_at(&self) -> Option<i64> {
        self.written_back_at.map(i64::from)
    }

    /// Whether other processes may use the same database.
    pub fn is_shared(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Postgres
    }

    /// For migrations and other work outside a transaction of ours.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a write transaction: IMMEDIATE on SQLite, under the advisory lock on PostgreSQL.
    ///
    /// **Invariant:** at most one write transaction per database is open, so read-then-write needs
    /// no row locks.
    pub async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_within(self.patience).await
    }

    /// Like `begin`, with this wait for PostgreSQL's lock. SQLite waits as long as it was opened
    /// for.
    pub async fn begin_within(&self, patience: Duration) -> Result<DatabaseTransaction, Error> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.writer.begin_with_options(options).await?;
        if transaction.get_database_backend() == DbBackend::Postgres
            && let Err(error) = self.lock_postgres(&transaction, patience).await
        {
            transaction.rollback().await?;
            return Err(error.into());
        }
        Ok(transaction)
    }

    /// Runs `work` in a transaction: committed on success, rolled back on error.
    pub async fn within<T>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        end(self.begin().await?, work).await
    }

    /// Like `within`, for a caller who waits for the reply: [`Error::TooSlow`], without effect, if
    /// it cannot begin within [`MAIN_BUSY_TIMEOUT`].
    pub async fn within_for_caller<T>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        end(in_time(self.begin()).await?, work).await
    }

    async fn lock_postgres(
        &self,
        transaction: &DatabaseTransaction,
        patience: Duration,
    ) -> Result<(), DbErr> {
        let limit = format!("SET LOCAL lock_timeout = {}", patience.as_millis());
        transaction.execute_unprepared(&limit).await?;
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            // Databases in other schemas of the server have their own writers.
            "SELECT pg_advisory_xact_lock($1 # hashtextextended(coalesce(current_schema(), ''), 0))",
            [self.lock.into()],
        );
        transaction.execute_raw(lock).await?;
        Ok(())
    }

    /// Returns up to `pages` free pages of SQLite's file to the file system; returns how many are
    /// left. Does nothing on PostgreSQL.
    pub async fn give_back(&self, pages: u32) -> Result<u64, Error> {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            return Ok(0);
        }
        // The statement frees one page per step, so it must run to its end, as `execute` does.
        let vacuum = format!("PRAGMA incremental_vacuum({pages})");
        self.writer.execute_unprepared(&vacuum).await?;
        let left = self.free_pages().await?;
        if left == 0 {
            // The file becomes shorter only at a checkpoint; readers that need the WAL delay no
            // more than that.
            self.writer
                .execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)")
                .await?;
        }
        Ok(left)
    }

    /// Free pages in SQLite's file.
    pub async fn free_pages(&self) -> Result<u64, Error> {
        if self.readers.get_database_backend() == DbBackend::Postgres {
            return Ok(0);
        }
        let asked = Statement::from_string(DbBackend::Sqlite, "PRAGMA freelist_count");
        let row = self.readers.query_one_raw(asked).await?;
        let free: i64 = row
            .map(|row| row.try_get_by_index(0))
            .transpose()?
            .unwrap_or_default();
        Ok(u64::try_from(free).unwrap_or_default())
    }

    /// Closes every connection; SQLite checkpoints its WAL.
    pub async fn close(self) -> Result<(), Error> {
        self.readers.close().await?;
        self.writer.close().await?;
        Ok(())
    }
}

/// Commits if the work succeeded, else rolls back.
async fn end<T>(
    transaction: DatabaseTransaction,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Error>,
) -> Result<T, Error> {
    match work(&transaction).await {
        Ok(done) => {
            transaction.commit().await?;
            Ok(done)
        }
        Err(error) => {
            if let Err(failed) = transaction.rollback().await {
                tracing::warn!(error = %failed, "rollback failed");
            }
            Err(error)
        }
    }
}

fn postgres_options(url: &Secret, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose());
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .set_application_name("bluetick");
    if let Some(schema) = schema_of(url.expose()) {
        options.set_schema_search_path(schema);
    }
    options
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ConnectionUse {
    /// Creates the first tables, then writes.
    Making,
    WriterSettings,
    Reading,
}

fn sqlite_options(url: &str, purpose: ConnectionUse, writing: WriterSettings) -> ConnectOptions {
    let (connections, query_only, cache) = match purpose {
        ConnectionUse::Making | ConnectionUse::WriterSettings => (1, "OFF", writing.cache),
        ConnectionUse::Reading => (SQLITE_READERS, "ON", READER_CACHE),
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
                ConnectionUse::Making => sqlite.pragma("auto_vacuum", "INCREMENTAL"),
                ConnectionUse::WriterSettings | ConnectionUse::Reading => sqlite,
            };
            sqlite
                .busy_timeout(writing.busy_timeout)
                .statement_cache_capacity(200)
                // Rows that the driver's thread may be ahead. With the default of a few, the two
                // threads wake each other constantly.
                .row_buffer_size(512)
                .pragma("journal_mode", "WAL")
                // NORMAL survives a killed process but not a power failure; an acknowledged
                // callback must survive both.
                .pragma("synchronous", "FULL")
                .pragma("wal_autocheckpoint", writing.longest_log.to_string())
                .pragma("cache_size", format!("-{cache}"))
                .pragma("temp_store", "MEMORY")
                .pragma("foreign_keys", "OFF")
                .pragma("query_only", query_only)
        });
    options
}

/// Creates a file with mode 0600 unless it exists.
pub fn make_private_file(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let failed = |source| Error::File {
        path: path.display().to_string(),
        source,
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
        .map_err(failed)
}

/// The schema that `?options=-csearch_path=NAME` or `?schema=NAME` names; each test uses its own.
fn schema_of(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("schema="))
        .map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_within_a_transaction_leaves_nothing_and_no_lock_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.db");
        let pools = Pools::open_sqlite(&path, 1, JOURNAL_WRITING).await.unwrap();
        let insert = async |statement: &str, end: Result<u64, Error>| {
            pools
                .within(async |transaction| {
                    transaction.execute_unprepared(statement).await?;
                    end
                })
                .await
        };
        let done = insert("CREATE TABLE some (one)", Ok(7)).await;
        assert_eq!(done.unwrap(), 7);
        let given_up = insert("INSERT INTO some VALUES (1)", Err(Error::TooSlow)).await;
        assert!(matches!(given_up, Err(Error::TooSlow)));
        // Another process can write at once: the rollback does not wait for the next use of the
        // connection.
        let at_once = WriterSettings {
            busy_timeout: Duration::ZERO,
            ..JOURNAL_WRITING
        };
        let other = Pools::open_sqlite(&path, 1, at_once).await.unwrap();
        other
            .within(async |transaction| {
                transaction
                    .execute_unprepared("INSERT INTO some VALUES (2)")
                    .await?;
                Ok(())
            })
            .await
            .unwrap();
        let asked = Statement::from_string(DbBackend::Sqlite, "SELECT one FROM some");
        let rows = pools.reader().query_all_raw(asked).await.unwrap();
        let found: Vec<i64> = rows
            .iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect();
        assert_eq!(found, [2]);
    }
}
