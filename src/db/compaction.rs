//! Removes the remains of deleted rows from the files of a database.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::time::sleep;

use crate::db::error::Error;
use crate::db::pools::Pools;

/// How often to try while another connection holds a lock, and the pause between two attempts.
const MAX_ATTEMPTS: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);

impl Pools {
    /// SQLite: rewrites the file without free pages and empties the write-ahead log. Needs as much
    /// free disk space as the database has; other writers wait.
    ///
    /// PostgreSQL: vacuums the tables, so that the space is used again. Deleted data may remain in
    /// its files, its write-ahead log and its backups.
    pub(crate) async fn compact(&self) -> Result<(), Error> {
        if self.is_shared() {
            self.writer().execute_unprepared("VACUUM").await?;
            return Ok(());
        }
        self.retry_while_busy(async || {
            self.writer().execute_unprepared("VACUUM").await?;
            Ok(true)
        })
        .await?;
        self.retry_while_busy(async || self.empty_log().await).await
    }

    /// Returns false while a reader still needs the log.
    async fn empty_log(&self) -> Result<bool, Error> {
        let statement =
            Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
        let Some(row) = self.writer().query_one_raw(statement).await? else {
            return Ok(false);
        };
        let is_blocked: i64 = row.try_get_by_index(0)?;
        Ok(is_blocked == 0)
    }

    async fn retry_while_busy(
        &self,
        attempt: impl AsyncFn() -> Result<bool, Error>,
    ) -> Result<(), Error> {
        for _ in 0..MAX_ATTEMPTS {
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
