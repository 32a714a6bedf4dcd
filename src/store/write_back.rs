//! Writing SQLite's write-ahead log back into its file, beside the writer.
//!
//! Left to itself the writer does this at a commit, some hundred milliseconds at a time, while whatever comes next waits. Done by another
//! connection it costs the writer nothing; but a log that is written to all the while would never begin anew, so the writer finishes it.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::store::connection::Pools;
use crate::store::error::Error;

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
    /// Writes the log back once it has grown past its length. PostgreSQL looks after its own.
    pub async fn write_back(&self) -> Result<WrittenBack, Error> {
        let Some(length) = self.log_length() else {
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
        checkpoint(self.writer(), Mode::Passive).await?;
        Ok(WrittenBack::Enough)
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
