//! Write transactions: how they begin, wait for the writer's lock, and end.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

use crate::db::connect_options::MAIN_BUSY_TIMEOUT;
use crate::db::error::Error;
use crate::db::pools::Pools;

impl Pools {
    /// Begins a write transaction: IMMEDIATE on SQLite, under the advisory lock on PostgreSQL.
    ///
    /// **Invariant:** at most one write transaction per database is open, so read-then-write needs
    /// no row locks.
    pub async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_within(self.lock_timeout).await
    }

    /// Like `begin`, with this wait for PostgreSQL's lock. On SQLite the busy timeout applies.
    pub async fn begin_within(&self, lock_timeout: Duration) -> Result<DatabaseTransaction, Error> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.writer().begin_with_options(options).await?;
        if self.is_shared()
            && let Err(error) = self.lock_postgres(&transaction, lock_timeout).await
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
    pub async fn within_or_too_slow<T>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        end(in_time(self.begin()).await?, work).await
    }

    async fn lock_postgres(
        &self,
        transaction: &DatabaseTransaction,
        lock_timeout: Duration,
    ) -> Result<(), DbErr> {
        let limit = format!("SET LOCAL lock_timeout = {}", lock_timeout.as_millis());
        transaction.execute_unprepared(&limit).await?;
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            // Databases in other schemas of the server have their own writers.
            "SELECT pg_advisory_xact_lock($1 # hashtextextended(coalesce(current_schema(), ''), 0))",
            [self.writer_lock.into()],
        );
        transaction.execute_raw(lock).await?;
        Ok(())
    }
}

/// Limits work that a caller waits for to [`MAIN_BUSY_TIMEOUT`].
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // Boxed, or every caller's future would contain it twice.
    let done = tokio::time::timeout(MAIN_BUSY_TIMEOUT, Box::pin(work)).await;
    done.unwrap_or(Err(Error::TooSlow))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::connect_options::{JOURNAL_WRITER, WriterSettings};
    use crate::db::database_location::DatabaseLocation;

    #[tokio::test]
    async fn a_failed_transaction_leaves_no_rows_and_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let location = DatabaseLocation::File(folder.path().join("some.db"));
        let pools = Pools::open(&location, 1, JOURNAL_WRITER).await.unwrap();
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
        let failed = insert("INSERT INTO some VALUES (1)", Err(Error::TooSlow)).await;
        assert!(matches!(failed, Err(Error::TooSlow)));
        // Another process can write at once: the rollback does not wait for the next use of the
        // connection.
        let at_once = WriterSettings {
            busy_timeout: Duration::ZERO,
            ..JOURNAL_WRITER
        };
        let other = Pools::open(&location, 1, at_once).await.unwrap();
        other
            .within(async |transaction| {
                transaction
                    .execute_unprepared("INSERT INTO some VALUES (2)")
                    .await?;
                Ok(())
            })
            .await
            .unwrap();
        let statement = Statement::from_string(DbBackend::Sqlite, "SELECT one FROM some");
        let rows = pools.reader().query_all_raw(statement).await.unwrap();
        let found: Vec<i64> = rows
            .iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect();
        assert_eq!(found, [2]);
    }
}
