//! Removes the remains of deleted rows from the files of a database.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::time::sleep;

use crate::db::error::Error;
use crate::db::pools::Pools;

/// How often another connection's lock is waited for, and how long each time.
const TRIES: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);

impl Pools {
    /// SQLite: writes the file again without free pages and empties the write-ahead log. Needs as much
    /// free disk as the database has; other writers wait.
    ///
    /// PostgreSQL: vacuums the tables, so that the space is used again. What its files, its own log
    /// and its backups hold is not in reach.
    pub(crate) async fn compact(&self) -> Result<(), Error> {
        if self.is_shared() {
            self.writer().execute_unprepared("VACUUM").await?;
            return Ok(());
        }
        self.patiently(async || {
            self.writer().execute_unprepared("VACUUM").await?;
            Ok(true)
        })
        .await?;
        self.patiently(async || self.empty_log().await).await
    }

    /// False while a reader still needs the log.
    async fn empty_log(&self) -> Result<bool, Error> {
        let statement =
            Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
        let Some(row) = self.writer().query_one_raw(statement).await? else {
            return Ok(false);
        };
        let is_blocked: i64 = row.try_get_by_index(0)?;
        Ok(is_blocked == 0)
    }

    async fn patiently(&self, attempt: impl AsyncFn() -> Result<bool, Error>) -> Result<(), Error> {
        for _ in 0..TRIES {
            match attempt().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.is_busy() => {}
                Err(error) => return Err(error),
            }
            sleep(PAUSE).await;
        }
        Err(Error::Unusable(
            "the database is in use by a long read, such as an export; try again when it has ended"
                .to_owned(),
        ))
    }
}
