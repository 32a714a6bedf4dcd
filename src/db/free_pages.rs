//! Returns the free pages of SQLite's file to the file system, in steps. Does nothing on
//! PostgreSQL.

use sea_orm::ConnectionTrait;

use crate::db::error::Error;
use crate::db::pools::Pools;

impl Pools {
    /// Returns up to `pages` free pages to the file system; returns how many are left.
    pub async fn release_free_pages(&self, pages: u32) -> Result<u64, Error> {
        if self.is_shared() {
            return Ok(0);
        }
        // The statement frees one page per step, so it must run to its end, as `execute` does.
        let vacuum = format!("PRAGMA incremental_vacuum({pages})");
        self.writer().execute_unprepared(&vacuum).await?;
        let left = self.count_free_pages().await?;
        if left == 0 {
            // The file becomes shorter only at a checkpoint. Readers that still need the WAL delay
            // that, but nothing else.
            self.writer()
                .execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)")
                .await?;
        }
        Ok(left)
    }

    /// `None` on PostgreSQL.
    pub(crate) async fn sqlite_version(&self) -> Result<Option<String>, Error> {
        if self.is_shared() {
            return Ok(None);
        }
        let rows = self.query("SELECT sqlite_version()", Vec::new()).await?;
        let version = rows.first().map(|row| row.try_get_by_index(0));
        Ok(version.transpose()?)
    }

    pub async fn count_free_pages(&self) -> Result<u64, Error> {
        if self.is_shared() {
            return Ok(0);
        }
        let rows = self.query("PRAGMA freelist_count", Vec::new()).await?;
        let free: i64 = match rows.first() {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        Ok(u64::try_from(free).unwrap_or_default())
    }
}
