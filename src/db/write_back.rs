//! Writing SQLite's write-ahead log back into its file, beside the writer.
//!
//! Left to itself the writer does this at a commit, some hundred milliseconds at a time, while whatever comes next waits. Done by another
//! connection it costs the writer nothing; but a log that is written to all the while would never begin anew, so the writer finishes it.
//!
//! Not for the journal: it commits hundreds of times a second and only at its end. Beside its writer it was written back more often and took
//! a tenth less.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::db::Error;
use crate::db::connection::Pools;

/// How often what came meanwhile is written back beside the writer before it has to wait for the rest. Reconciliation commits a few times a
/// second, so that mostly nothing is left for it.
const PASSES: usize = 3;

/// How far writing back came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrittenBack {
    /// The log is short, or begins anew with the next commit.
    Enough,
    /// Somebody reads, from before what the log holds; it grows until they are done.
    HeldBack,
}

/// How a checkpoint is asked for, in SQLite's words.
#[derive(Clone, Copy)]
enum Mode {
    /// Only tells what there is to do.
    Noop,
    /// Does what can be done without waiting for anybody.
    Passive,
}

impl Pools {
    /// Writes the log back once it is long, where the writer does not do so alone. PostgreSQL looks after its own.
    pub async fn write_back(&self) -> Result<WrittenBack, Error> {
        let Some(length) = self.written_back_at() else {
            return Ok(WrittenBack::Enough);
        };
        if checkpoint(self.reader(), Mode::Noop).await? < length {
            return Ok(WrittenBack::Enough);
        }
        for _ in 0..PASSES {
            let left = checkpoint(self.reader(), Mode::Passive).await?;
            if left == 0 {
                return Ok(WrittenBack::Enough);
            }
            if left >= length {
                return Ok(WrittenBack::HeldBack);
            }
        }
        match checkpoint(self.writer(), Mode::Passive).await? {
            0 => Ok(WrittenBack::Enough),
            _ => Ok(WrittenBack::HeldBack),
        }
    }
}

/// Pages of the log that are not in the file yet.
async fn checkpoint(connection: &DatabaseConnection, mode: Mode) -> Result<i64, Error> {
    let pragma = match mode {
        Mode::Noop => "PRAGMA wal_checkpoint(NOOP)",
        Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    let asked = Statement::from_string(DbBackend::Sqlite, pragma);
    let Some(row) = connection.query_one_raw(asked).await? else {
        return Ok(0);
    };
    let (in_log, written_back): (i64, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
    Ok(in_log - written_back)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use sea_orm::TransactionTrait;

    use super::*;
    use crate::db::connection::Writing;

    /// Pages of the log in these tests.
    const LENGTH: u32 = 40;

    async fn open(path: &Path) -> Pools {
        let writing = Writing {
            busy_timeout: Duration::from_secs(1),
            written_back_at: Some(LENGTH),
            longest_log: LENGTH * 4,
            cache: 1024,
        };
        let pools = Pools::open_sqlite(path, 1, writing).await.unwrap();
        execute(&pools, "CREATE TABLE some (bytes)").await;
        pools
    }

    async fn execute(pools: &Pools, statement: &str) {
        pools.writer().execute_unprepared(statement).await.unwrap();
    }

    /// Writes as much as a log may have, which is less than makes the writer itself write it back.
    async fn write_much(pools: &Pools) {
        while waiting(pools).await < i64::from(LENGTH) {
            execute(pools, "INSERT INTO some VALUES (randomblob(3000))").await;
        }
    }

    async fn waiting(pools: &Pools) -> i64 {
        checkpoint(pools.reader(), Mode::Noop).await.unwrap()
    }

    #[tokio::test]
    async fn a_log_that_has_grown_is_written_back_and_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let pools = open(&folder.path().join("some.db")).await;
        let log = folder.path().join("some.db-wal");
        let mut lengths = Vec::new();
        for _ in 0..3 {
            write_much(&pools).await;
            let done = pools.write_back().await.unwrap();
            assert_eq!(done, WrittenBack::Enough);
            assert_eq!(waiting(&pools).await, 0);
            lengths.push(log.metadata().unwrap().len());
        }
        let longest = lengths[0] * 3 / 2;
        assert!(lengths.iter().all(|it| *it <= longest), "{lengths:?}");
        pools.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_short_log_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let pools = open(&folder.path().join("some.db")).await;
        execute(&pools, "INSERT INTO some VALUES (1)").await;
        let before = waiting(&pools).await;
        assert_ne!(before, 0);
        assert_eq!(pools.write_back().await.unwrap(), WrittenBack::Enough);
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
        write_much(&pools).await;
        assert_eq!(pools.write_back().await.unwrap(), WrittenBack::HeldBack);
        reading.rollback().await.unwrap();
        write_much(&pools).await;
        assert_eq!(pools.write_back().await.unwrap(), WrittenBack::Enough);
        assert_eq!(waiting(&pools).await, 0);
        pools.close().await.unwrap();
    }
}
