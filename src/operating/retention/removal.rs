//! Removes callbacks, messages and other rows in batches, then returns free pages to the file
//! system.

use crate::db;
use crate::journal::{JournalStart, PurgeLimit};
use crate::operating::retention::purge_run::{PurgeRun, TimeLeft};
use crate::operating::retention::retention_service::Retention;
use crate::reporting::loss_check;
use crate::store::Store;
use crate::store::purge_expired::PurgeMode;

impl Retention {
    pub(super) async fn remove(&self, run: &mut PurgeRun<'_>) -> Result<TimeLeft, db::Error> {
        loss_check::count_journal(&self.store, &self.journal).await?;
        let position = self.store.position().await?;
        if self.remove_callbacks(position, run).await? == TimeLeft::None {
            return Ok(TimeLeft::None);
        }
        let start = self.journal.find_start().await?;
        if self.remove_messages(start, run).await? == TimeLeft::None {
            return Ok(TimeLeft::None);
        }
        for expired in run.cutoffs.expired_rows(start, position) {
            loop {
                let removed = self.store.purge_expired(expired, PurgeMode::Remove).await?;
                run.note(expired.table(), removed);
                if !Store::may_be_more(removed) {
                    break;
                }
                if run.pause().await == TimeLeft::None {
                    return Ok(TimeLeft::None);
                }
            }
        }
        self.release_free_pages(run).await
    }

    async fn remove_callbacks(
        &self,
        position: i64,
        run: &mut PurgeRun<'_>,
    ) -> Result<TimeLeft, db::Error> {
        let limit = PurgeLimit {
            position,
            received_before: run.cutoffs.callbacks,
        };
        while let Some(batch) = self.journal.next_purge_batch(&limit, None).await? {
            let Some(removed) = self.journal.purge(&limit, &batch).await? else {
                // An unprocessed callback arrived in the day of this batch; a later run removes the day.
                return Ok(TimeLeft::Some);
            };
            run.note("journal", removed);
            if run.pause().await == TimeLeft::None {
                return Ok(TimeLeft::None);
            }
        }
        Ok(TimeLeft::Some)
    }

    async fn remove_messages(
        &self,
        start: Option<JournalStart>,
        run: &mut PurgeRun<'_>,
    ) -> Result<TimeLeft, db::Error> {
        let purgeable = run.cutoffs.purgeable_messages(start);
        let mut cursor = None;
        while let Some(purged) = self
            .store
            .purge_messages(&purgeable, cursor, run.now)
            .await?
        {
            cursor = Some(purged.cursor);
            for (table, number) in purged.rows {
                run.note(table, number);
            }
            if run.pause().await == TimeLeft::None {
                return Ok(TimeLeft::None);
            }
        }
        Ok(TimeLeft::Some)
    }

    /// Returns free pages of the files to the file system.
    async fn release_free_pages(&self, run: &mut PurgeRun<'_>) -> Result<TimeLeft, db::Error> {
        while self.journal.release_free_pages().await? > 0 {
            if run.pause().await == TimeLeft::None {
                return Ok(TimeLeft::None);
            }
        }
        while self.store.release_free_pages().await? > 0 {
            if run.pause().await == TimeLeft::None {
                return Ok(TimeLeft::None);
            }
        }
        Ok(TimeLeft::Some)
    }
}
