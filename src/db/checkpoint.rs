//! Checkpoints SQLite's write-ahead log from a reader's connection.
//!
//! The writer's own checkpoints take a few hundred milliseconds at a commit, and the next write
//! waits. A reader's connection checkpoints without delaying the writer. But a log that is always
//! being written to never restarts, so the writer completes the checkpoint.
//!
//! Not used for the journal: it commits hundreds of times a second and only appends; another
//! connection made it a tenth slower, since the log was checkpointed more often.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::db::error::Error;
use crate::db::pools::Pools;

/// Passes on a reader's connection. The rest is checkpointed on the writer's connection, where
/// writes wait for it. The reconciler commits a few times per second, so usually nothing is left.
const PASSES: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckpointResult {
    /// The log is short, or restarts with the next commit.
    Enough,
    /// A reader uses an older part of the log, which grows until the reader ends.
    HeldBack,
}

/// Checkpoint modes of SQLite.
#[derive(Clone, Copy)]
enum CheckpointMode {
    /// Only reports the state.
    Noop,
    /// Does what is possible without waiting.
    Passive,
}

impl Pools {
    /// Checkpoints once the log is long. Does nothing on PostgreSQL.
    pub async fn checkpoint(&self) -> Result<CheckpointResult, Error> {
        let Some(length) = self.checkpoint_pages.map(i64::from) else {
            return Ok(CheckpointResult::Enough);
        };
        if checkpoint(self.reader(), CheckpointMode::Noop).await? < length {
            return Ok(CheckpointResult::Enough);
        }
        for _ in 0..PASSES {
            let left = checkpoint(self.reader(), CheckpointMode::Passive).await?;
            if left == 0 {
                return Ok(CheckpointResult::Enough);
            }
            if left >= length {
                return Ok(CheckpointResult::HeldBack);
            }
        }
        match checkpoint(self.writer(), CheckpointMode::Passive).await? {
            0 => Ok(CheckpointResult::Enough),
            _ => Ok(CheckpointResult::HeldBack),
        }
    }
}

/// Pages of the log that are not in the database file yet.
async fn checkpoint(connection: &DatabaseConnection, mode: CheckpointMode) -> Result<i64, Error> {
    let pragma = match mode {
        CheckpointMode::Noop => "PRAGMA wal_checkpoint(NOOP)",
        CheckpointMode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    let statement = Statement::from_string(DbBackend::Sqlite, pragma);
    let Some(row) = connection.query_one_raw(statement).await? else {
        return Ok(0);
    };
    let (in_log, checkpointed): (i64, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
    Ok(in_log - checkpointed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use sea_orm::TransactionTrait;

    use super::*;
    use crate::db::connect_options::WriterSettings;
    use crate::db::database_location::DatabaseLocation;

    /// Log size, in pages, at which a checkpoint is due in these tests.
    const LENGTH: u32 = 40;

    async fn open(path: &Path) -> Pools {
        let writer = WriterSettings {
            busy_timeout: Duration::from_secs(1),
            checkpoint_pages: Some(LENGTH),
            writer_checkpoint_pages: LENGTH * 4,
            cache_kib: 1024,
        };
        let location = DatabaseLocation::File(path.to_owned());
        let pools = Pools::open(&location, 1, writer).await.unwrap();
        execute(&pools, "CREATE TABLE some (bytes)").await;
        pools
    }

    async fn execute(pools: &Pools, statement: &str) {
        pools.writer().execute_unprepared(statement).await.unwrap();
    }

    /// Stays below the log size at which the writer checkpoints by itself.
    async fn write_until_checkpoint_is_due(pools: &Pools) {
        while waiting(pools).await < i64::from(LENGTH) {
            execute(pools, "INSERT INTO some VALUES (randomblob(3000))").await;
        }
    }

    async fn waiting(pools: &Pools) -> i64 {
        checkpoint(pools.reader(), CheckpointMode::Noop)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_long_log_is_checkpointed_and_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let pools = open(&folder.path().join("some.db")).await;
        let log = folder.path().join("some.db-wal");
        let mut lengths = Vec::new();
        for _ in 0..3 {
            write_until_checkpoint_is_due(&pools).await;
            let done = pools.checkpoint().await.unwrap();
            assert_eq!(done, CheckpointResult::Enough);
            assert_eq!(waiting(&pools).await, 0);
            lengths.push(log.metadata().unwrap().len());
        }
        let longest = lengths[0] * 3 / 2;
        assert!(lengths.iter().all(|it| *it <= longest), "{lengths:?}");
        pools.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_short_log_is_not_checkpointed() {
        let folder = tempfile::tempdir().unwrap();
        let pools = open(&folder.path().join("some.db")).await;
        execute(&pools, "INSERT INTO some VALUES (1)").await;
        let before = waiting(&pools).await;
        assert_ne!(before, 0);
        assert_eq!(pools.checkpoint().await.unwrap(), CheckpointResult::Enough);
        assert_eq!(waiting(&pools).await, before);
        pools.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_holds_the_log_back_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let pools = open(&folder.path().join("some.db")).await;
        let reading = pools.reader().begin().await.unwrap();
        reading
            .query_one_raw(Statement::from_string(
                DbBackend::Sqlite,
                "SELECT count(*) FROM some",
            ))
            .await
            .unwrap();
        write_until_checkpoint_is_due(&pools).await;
        assert_eq!(
            pools.checkpoint().await.unwrap(),
            CheckpointResult::HeldBack
        );
        reading.rollback().await.unwrap();
        write_until_checkpoint_is_due(&pools).await;
        assert_eq!(pools.checkpoint().await.unwrap(), CheckpointResult::Enough);
        assert_eq!(waiting(&pools).await, 0);
        pools.close().await.unwrap();
    }
}
