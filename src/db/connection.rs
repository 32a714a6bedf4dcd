//! How databases are opened: every pragma, pool size and time-out in one place, with its reason.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::db::Error;
use crate::db::in_time;
use crate::domain::secret::Secret;

/// How long the journal's writer waits for another process's lock; longer, and a callback's answer would be late.
pub const JOURNAL_BUSY_TIMEOUT: Duration = Duration::from_millis(250);
/// How long the main database's writer waits; nobody outside waits for it.
pub const MAIN_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Readers of SQLite: two pages, an export and the API at once; more would only share the same two cores.
const SQLITE_READERS: u32 = 4;
/// How long a writer waits for its turn: two that wait for a lock before it. Then the API answers 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// PostgreSQL connections that read; writers that wait for each other take none of them.
const POSTGRES_READERS: u32 = 6;
/// PostgreSQL connections that write: one at a time, and one more for when a server that fell silent keeps the first.
const POSTGRES_WRITERS: u32 = 2;
/// How the journal is written: always at its end, and somebody waits for it. 4000 pages gave the highest rate; fewer are rewritten too often, more make single answers late.
pub const JOURNAL_WRITING: Writing = Writing {
    busy_timeout: JOURNAL_BUSY_TIMEOUT,
    written_back_at: None,
    longest_log: 4000,
    cache: 8 * 1024,
};
/// How the main database is written: all over the file, and a page again and again, which a rarer checkpoint writes once. The writer only does it
/// where nobody does it beside it, or not fast enough.
pub const MAIN_WRITING: Writing = Writing {
    busy_timeout: MAIN_BUSY_TIMEOUT,
    written_back_at: Some(16_000),
    longest_log: 64_000,
    cache: 64 * 1024,
};
/// Page cache of a SQLite reader, in KiB; what it lacks, the operating system's has.
const READER_CACHE: u32 = 4 * 1024;

/// One database: a single writer and a pool of readers.
#[derive(Clone, Debug)]
pub struct Pools {
    writer: DatabaseConnection,
    readers: DatabaseConnection,
    lock: i64,
    /// The file, on SQLite.
    file: Option<PathBuf>,
    /// How long a writer waits for another process's lock.
    patience: Duration,
    /// Pages of the write-ahead log at which it is written back beside the writer.
    written_back_at: Option<u32>,
}

/// What a SQLite file's writer is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Writing {
    /// How long it waits for another process's lock.
    pub busy_timeout: Duration,
    /// Pages of its write-ahead log at which another connection writes it back; see [`Pools::write_back`].
    pub written_back_at: Option<u32>,
    /// Pages of the log at which the writer writes it back itself, at a commit.
    pub longest_log: u32,
    /// Its page cache in KiB, taken as it is needed.
    pub cache: u32,
}

/// Which engine a database URL names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Files beside the program.
    Sqlite,
    /// A server.
    Postgres,
}

/// The engine of a database URL.
pub fn engine_of(url: &Secret) -> Engine {
    if url.expose().starts_with("sqlite:") {
        Engine::Sqlite
    } else {
        Engine::Postgres
    }
}

/// The file of a `sqlite:` URL.
pub fn sqlite_path(url: &Secret) -> PathBuf {
    let rest = url
        .expose()
        .trim_start_matches("sqlite:")
        .trim_start_matches("//");
    PathBuf::from(rest.split('?').next().unwrap_or_default())
}

impl Pools {
    /// Opens one SQLite file, made with mode 0600 when it is missing.
    pub async fn open_sqlite(
        path: &Path,
        writer_lock: i64,
        writing: Writing,
    ) -> Result<Self, Error> {
        make_private_file(path)?;
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let is_new = path.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let purpose = if is_new { Use::Making } else { Use::Writing };
        let options = |purpose| sqlite_options(&url, purpose, writing);
        let writer = Database::connect(options(purpose)).await?;
        let readers = Database::connect(options(Use::Reading)).await?;
        Ok(Self {
            writer,
            readers,
            lock: writer_lock,
            file: Some(path.to_owned()),
            patience: writing.busy_timeout,
            written_back_at: writing.written_back_at,
        })
    }

    /// Connects to a PostgreSQL server. The advisory lock makes one writer at a time; whoever does not get it within `lock_timeout` may try again.
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

    /// The database's file; none on PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Pages of SQLite's write-ahead log at which it is written back beside the writer.
    pub(crate) fn written_back_at(&self) -> Option<i64> {
        self.written_back_at.map(i64::from)
    }

    /// Whether other processes may work on the same database.
    pub fn is_shared(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Postgres
    }

    /// For migrations and other work outside a transaction of ours.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a write: IMMEDIATE on SQLite, under the writer's advisory lock on PostgreSQL.
    ///
    /// **Invariant:** at most one such transaction per database is open at a time, so read-then-write needs no row locks.
    pub async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_within(self.patience).await
    }

    /// The same, waiting so long for PostgreSQL's lock; SQLite waits as long as it was opened for.
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

    /// Does `work` in a transaction of its own: committed when it succeeds, rolled back when it does not.
    pub async fn within<T>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        end(self.begin().await?, work).await
    }

    /// The same for a caller who waits for the answer: [`Error::TooSlow`], and nothing done, when it cannot begin within [`MAIN_BUSY_TIMEOUT`].
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
            // Databases in other schemas of the server have writers of their own.
            "SELECT pg_advisory_xact_lock($1 # hashtextextended(coalesce(current_schema(), ''), 0))",
            [self.lock.into()],
        );
        transaction.execute_raw(lock).await?;
        Ok(())
    }

    /// Gives up to so many free pages of SQLite's file back to the file system; returns how many are left. PostgreSQL looks after its own.
    pub async fn give_back(&self, pages: u32) -> Result<u64, Error> {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            return Ok(0);
        }
        // One page a step of the statement: it has to be run to its end, as `execute` does.
        let vacuum = format!("PRAGMA incremental_vacuum({pages})");
        self.writer.execute_unprepared(&vacuum).await?;
        let left = self.free_pages().await?;
        if left == 0 {
            // Only when the WAL is written back does the file become shorter; readers that need it hold back no more than this.
            self.writer
                .execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)")
                .await?;
        }
        Ok(left)
    }

    /// Pages of SQLite's file that hold nothing.
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

    /// Closes every connection; SQLite folds its WAL back.
    pub async fn close(self) -> Result<(), Error> {
        self.readers.close().await?;
        self.writer.close().await?;
        Ok(())
    }
}

/// Commits when the work succeeds, rolls back when it does not.
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
                tracing::warn!(error = %failed, "a transaction could not be rolled back");
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

/// What connections to a SQLite file are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    /// The first tables, and writing from then on.
    Making,
    Writing,
    Reading,
}

fn sqlite_options(url: &str, purpose: Use, writing: Writing) -> ConnectOptions {
    let (connections, query_only, cache) = match purpose {
        Use::Making | Use::Writing => (1, "OFF", writing.cache),
        Use::Reading => (SQLITE_READERS, "ON", READER_CACHE),
    };
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A recycled writer would lose its page cache and its prepared statements.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = match purpose {
                // Freed pages go back to the file system in steps; must come before the first table. It takes the write lock, so that under somebody's lock no connection with it would open.
                Use::Making => sqlite.pragma("auto_vacuum", "INCREMENTAL"),
                Use::Writing | Use::Reading => sqlite,
            };
            sqlite
                .busy_timeout(writing.busy_timeout)
                .statement_cache_capacity(200)
                // Rows that the driver's thread may be ahead: with the few of its default the two threads wake each other all the time.
                .row_buffer_size(512)
                .pragma("journal_mode", "WAL")
                // NORMAL survives a killed process but not a power cut; an acknowledged callback must survive both.
                .pragma("synchronous", "FULL")
                .pragma("wal_autocheckpoint", writing.longest_log.to_string())
                .pragma("cache_size", format!("-{cache}"))
                .pragma("temp_store", "MEMORY")
                .pragma("foreign_keys", "OFF")
                .pragma("query_only", query_only)
        });
    options
}

/// Creates a file that only its owner may read, unless it is there.
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

/// The schema that `?options=-csearch_path=NAME` or `?schema=NAME` names; tests give each its own.
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
        // Another process could write at once: the rollback did not wait for the next use of the connection.
        let at_once = Writing {
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
