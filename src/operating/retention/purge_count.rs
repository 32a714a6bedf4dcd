//! Counts what a purge would remove now, and removes nothing.

use crate::db;
use crate::journal::{JournalStart, PurgeLimit};
use crate::operating::retention::purge_run::PurgeReport;
use crate::operating::retention::retention_service::{PurgeError, Retention};
use crate::store::purge_expired::PurgeMode;
use crate::store::purge_messages::{CountedConflicts, RowCounts};

impl Retention {
    /// Counts what [`Retention::purge`] would remove; `progress` receives the rows so far.
    pub async fn count_expired(
        &self,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<PurgeReport, PurgeError> {
        if self.store.is_rebuilding().await? {
            return Err(PurgeError::Rebuilding);
        }
        let mut report = PurgeReport {
            cutoffs: self.cutoffs(),
            rows: RowCounts::new(),
        };
        let position = self.store.position().await?;
        let start = self
            .count_callbacks(position, &mut report, progress)
            .await?;
        self.count_messages(start, &mut report, progress).await?;
        for expired in report.cutoffs.expired_rows(start, position) {
            let number = self.store.purge_expired(expired, PurgeMode::Count).await?;
            *report.rows.entry(expired.table()).or_default() += number;
        }
        report.rows.retain(|_, number| *number > 0);
        Ok(report)
    }

    /// Returns where the journal would begin after the purge.
    async fn count_callbacks(
        &self,
        position: i64,
        report: &mut PurgeReport,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<Option<JournalStart>, db::Error> {
        let limit = PurgeLimit {
            position,
            received_before: report.cutoffs.callbacks,
        };
        let mut last = None;
        while let Some(batch) = self.journal.next_purge_batch(&limit, last.as_ref()).await? {
            *report.rows.entry("journal").or_default() += batch.rows;
            progress(&report.rows);
            last = Some(batch);
        }
        match last {
            Some(last) => self.journal.find_start_after(&last).await,
            None => self.journal.find_start().await,
        }
    }

    async fn count_messages(
        &self,
        start: Option<JournalStart>,
        report: &mut PurgeReport,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<(), db::Error> {
        let purgeable = report.cutoffs.purgeable_messages(start);
        let (mut cursor, mut counted) = (None, CountedConflicts::new());
        while let Some(purged) = self
            .store
            .count_purgeable_messages(&purgeable, cursor, &mut counted)
            .await?
        {
            cursor = Some(purged.cursor);
            for (table, number) in purged.rows {
                *report.rows.entry(table).or_default() += number;
            }
            progress(&report.rows);
        }
        Ok(())
    }
}
