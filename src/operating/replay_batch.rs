//! Reads the selected callbacks in batches, with their outcomes.

use std::collections::HashSet;

use crate::db;
use crate::domain::callback_outcome::Outcome;
use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::CallbackId;
use crate::operating::replay_report::ReplayReport;
use crate::services::Services;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::outcome_list::OutcomeFilter;

/// Callbacks per transaction, and bytes of their bodies.
const BATCH_ROWS: u64 = 200;
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Callbacks replayed in one transaction.
pub(super) struct ReplayBatch {
    /// Outcomes before the replay.
    pub(super) outcomes: Vec<CallbackOutcome>,
    /// In the order of `outcomes`.
    pub(super) entries: Vec<JournalEntry>,
    /// Total size of the bodies.
    pub(super) bytes: u64,
}

impl ReplayBatch {
    /// The selected callbacks after the `seq` in `after`, which is advanced to the last one read;
    /// `None` at the end. Counts skipped callbacks in the report.
    pub(super) async fn read_after(
        after: &mut i64,
        services: &Services,
        selection: &OutcomeFilter,
        report: &mut ReplayReport,
    ) -> Result<Option<Self>, db::Error> {
        let outcomes = services
            .store
            .list_outcomes_after(selection, *after, BATCH_ROWS)
            .await?;
        if outcomes.is_empty() {
            return Ok(None);
        }
        let ids: Vec<CallbackId> = outcomes.iter().map(|outcome| outcome.callback).collect();
        let sizes = services.journal.list_sizes(&ids).await?;
        let (mut selected, mut bytes) = (Vec::new(), 0);
        for outcome in outcomes {
            if bytes > BATCH_BYTES {
                break;
            }
            *after = outcome.seq;
            if outcome.outcome == Outcome::Unverified && !releases_unverified(selection) {
                report.skipped_unverified += 1;
                continue;
            }
            match sizes.get(&outcome.callback) {
                Some(size) => {
                    bytes += size;
                    selected.push(outcome);
                }
                None => report.purged += 1,
            }
        }
        let ids: Vec<CallbackId> = selected.iter().map(|outcome| outcome.callback).collect();
        let entries = services.journal.find_all(&ids).await?;
        // Both lists are in journal order. A callback that was purged meanwhile is missing.
        let found: HashSet<CallbackId> = entries.iter().map(|entry| entry.record.id).collect();
        selected.retain(|outcome| found.contains(&outcome.callback));
        report.purged += u64::try_from(ids.len() - selected.len()).unwrap_or_default();
        Ok(Some(Self {
            outcomes: selected,
            entries,
            bytes,
        }))
    }
}

/// Whether the selection names unverified callbacks, by id or by their outcome. Otherwise they are
/// not released.
fn releases_unverified(selection: &OutcomeFilter) -> bool {
    selection.ids.is_some() || selection.outcome == Some(Outcome::Unverified)
}
