//! Selects and purges callbacks past their retention: rows on SQLite, whole days on PostgreSQL.
//!
//! **Invariant:** a purged callback was processed (its seq is not beyond the reconcile position)
//! and is past its retention, and nothing older stays, so the oldest id in the journal shows what
//! was purged.

use sea_orm::Value;
use uuid::Uuid;

use crate::db::Error;
use crate::db::instant;
use crate::domain::ids::CallbackId;
use crate::journal::journal_handle::Journal;
use crate::journal::purge_batch::{PURGE_BATCH_ROWS, PurgeBatch, PurgeLimit, PurgeRange};
use crate::journal::purge_partitions;
use crate::journal::sqlite_maintenance::MaintenanceTask;

/// Bytes of bodies per purge batch: each page of a large body must be read to be freed.
const MAX_BATCH_BYTES: i64 = 4 * 1024 * 1024;

/// The lowest `seq` and the smallest id in the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalStart {
    pub seq: i64,
    /// Every callback with a smaller id was purged.
    pub id: CallbackId,
}

impl Journal {
    /// The next callbacks after `after` that may be purged: at most [`PURGE_BATCH_ROWS`] on SQLite,
    /// a whole day on PostgreSQL. `None` at the end.
    pub async fn next_purge_batch(
        &self,
        limit: &PurgeLimit,
        after: Option<&PurgeBatch>,
    ) -> Result<Option<PurgeBatch>, Error> {
        let after = after.map(|batch| batch.range);
        if self.pools().is_shared() {
            purge_partitions::next_batch(self.pools(), limit, after).await
        } else {
            self.next_rows(limit, after).await
        }
    }

    async fn next_rows(
        &self,
        limit: &PurgeLimit,
        after: Option<PurgeRange>,
    ) -> Result<Option<PurgeBatch>, Error> {
        let after = match after {
            Some(PurgeRange::UpToSeq(seq)) => seq,
            _ => 0,
        };
        let sql = "SELECT seq, received_at, size FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";
        let values = vec![after.into(), limit.position.into(), PURGE_BATCH_ROWS.into()];
        let rows = self.pools().query(sql, values).await?;
        let before = instant::to_millis(limit.received_before);
        let (mut batch, mut bytes) = (None, 0_i64);
        for (number, row) in (1..).zip(&rows) {
            let (seq, received_at, size): (i64, i64, i64) = (
                row.try_get("", "seq")?,
                row.try_get("", "received_at")?,
                row.try_get("", "size")?,
            );
            bytes = bytes.saturating_add(size);
            // Ends at the first row that is not old enough, so that the journal has no gaps.
            if received_at >= before || (batch.is_some() && bytes > MAX_BATCH_BYTES) {
                break;
            }
            batch = Some(PurgeBatch {
                rows: number,
                range: PurgeRange::UpToSeq(seq),
            });
        }
        Ok(batch)
    }

    /// Purges a batch between two writes; returns how many callbacks were deleted, or `None` if it
    /// may no longer be purged.
    pub async fn purge(
        &self,
        limit: &PurgeLimit,
        batch: &PurgeBatch,
    ) -> Result<Option<u64>, Error> {
        match batch.range {
            PurgeRange::UpToSeq(seq) => {
                let task = MaintenanceTask::DeleteUpTo(seq);
                self.run_maintenance(task).await.map(Some)
            }
            PurgeRange::DefaultPartition(id) => {
                purge_partitions::purge_default(self.pools(), limit, id)
                    .await
                    .map(Some)
            }
            PurgeRange::Day(day) => {
                let purged = purge_partitions::drop_day(self.pools(), limit, day).await?;
                Ok(purged.then_some(batch.rows))
            }
        }
    }

    /// Returns some free pages of SQLite's file to the file system, between two writes; returns how
    /// many are left.
    pub async fn release_free_pages(&self) -> Result<u64, Error> {
        if self.pools().count_free_pages().await? == 0 {
            return Ok(0);
        }
        self.run_maintenance(MaintenanceTask::ReleaseFreePages)
            .await
    }

    /// `None` if the journal is empty.
    pub async fn find_start(&self) -> Result<Option<JournalStart>, Error> {
        self.query_start("seq > $1", i64::MIN.into()).await
    }

    /// The start of the journal after everything up to `last` was purged; `None` if nothing is
    /// left.
    pub async fn find_start_after(&self, last: &PurgeBatch) -> Result<Option<JournalStart>, Error> {
        match last.range {
            PurgeRange::UpToSeq(seq) => self.query_start("seq > $1", seq.into()).await,
            PurgeRange::DefaultPartition(id) => self.query_start("id > $1", id.into()).await,
            PurgeRange::Day(day) => self.query_start("id >= $1", day.end_id().into()).await,
        }
    }

    async fn query_start(
        &self,
        condition: &str,
        value: Value,
    ) -> Result<Option<JournalStart>, Error> {
        let sql = format!(
            "SELECT (SELECT seq FROM journal WHERE {condition} ORDER BY seq LIMIT 1) AS seq, \
             (SELECT id FROM journal WHERE {condition} ORDER BY id LIMIT 1) AS id"
        );
        let rows = self.pools().query(&sql, vec![value]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (seq, id): (Option<i64>, Option<Uuid>) =
            (row.try_get("", "seq")?, row.try_get("", "id")?);
        Ok(seq
            .zip(id)
            .map(|(seq, id)| JournalStart { seq, id: id.into() }))
    }
}
