//! Replays callbacks: parses them again and replaces the receipts they produced.
//!
//! A dry run does the same in one transaction and rolls it back, so it reports exactly what would
//! change.

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::CallbackId;
use crate::operating::action_context::ActionContext;
use crate::operating::replay_batch::ReplayBatch;
pub use crate::operating::replay_report::{OutcomeChange, ReplayReport};
use crate::operating::replay_report::{PartsOutcome, ReplayChanges};
use crate::receiving::operator_decisions::{OperatorDecisions, format_release_detail};
use crate::services::Services;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::ledger::Ledger;
use crate::store::outcome_list::OutcomeFilter;

/// Limits of a dry run, which holds the write lock until its end.
const DRY_RUN_CALLBACKS: u64 = 10_000;
const DRY_RUN_BYTES: u64 = 64 * 1024 * 1024;
const DRY_RUN_TIME: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplayMode {
    DryRun,
    Apply,
}

#[derive(Debug, Error)]
pub enum ReplayError {
    /// Selecting everything is a rebuild.
    #[error(
        "select callbacks by ids, account, outcome or time; to process all of them again, use rebuild"
    )]
    NothingSelected,
    #[error(
        "a dry run blocks all other writes, so it ends after {DRY_RUN_CALLBACKS} callbacks, {} MiB or {} seconds; select fewer, by account, outcome or time",
        DRY_RUN_BYTES / 1024 / 1024,
        DRY_RUN_TIME.as_secs()
    )]
    DryRunTooLarge,
    #[error(transparent)]
    Store(#[from] db::Error),
}

/// `progress` receives the number of callbacks replayed so far.
pub async fn replay(
    services: &Services,
    selection: &OutcomeFilter,
    mode: ReplayMode,
    context: &ActionContext<'_>,
    progress: &mut impl FnMut(u64),
) -> Result<ReplayReport, ReplayError> {
    if *selection == OutcomeFilter::default() {
        return Err(ReplayError::NothingSelected);
    }
    let mut run = ReplayRun {
        services,
        selection,
        context,
        changes: ReplayChanges::default(),
    };
    match mode {
        ReplayMode::Apply => run.apply(progress).await?,
        ReplayMode::DryRun => run.dry_run(progress).await?,
    }
    Ok(run.changes.finish())
}

struct ReplayRun<'a> {
    services: &'a Services,
    selection: &'a OutcomeFilter,
    context: &'a ActionContext<'a>,
    changes: ReplayChanges,
}

impl ReplayRun<'_> {
    async fn apply(&mut self, progress: &mut impl FnMut(u64)) -> Result<(), ReplayError> {
        let mut position = 0;
        while let Some(batch) = self.next_batch(&mut position).await? {
            if batch.outcomes.is_empty() {
                continue;
            }
            let mut ledger = self.services.store.ledger(self.context.now).await?;
            match self.process_audited(&mut ledger, &batch).await {
                Ok(()) => self.services.store.commit(ledger).await?,
                Err(error) => {
                    ledger.roll_back().await;
                    return Err(error.into());
                }
            }
            progress(self.changes.report.replayed);
        }
        Ok(())
    }

    async fn dry_run(&mut self, progress: &mut impl FnMut(u64)) -> Result<(), ReplayError> {
        let mut ledger = self.services.store.ledger(self.context.now).await?;
        let processed = self.process_until_limit(&mut ledger, progress).await;
        ledger.roll_back().await;
        processed
    }

    async fn process_until_limit(
        &mut self,
        ledger: &mut Ledger,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), ReplayError> {
        let (mut position, mut bytes) = (0, 0);
        let started = Instant::now();
        while let Some(batch) = self.next_batch(&mut position).await? {
            self.process(ledger, &batch).await?;
            let replayed = self.changes.report.replayed;
            progress(replayed);
            bytes += batch.bytes;
            if exceeds_dry_run_limit(replayed, bytes, started.elapsed()) {
                return Err(ReplayError::DryRunTooLarge);
            }
        }
        Ok(())
    }

    async fn next_batch(&mut self, position: &mut i64) -> Result<Option<ReplayBatch>, db::Error> {
        let report = &mut self.changes.report;
        ReplayBatch::read_after(position, self.services, self.selection, report).await
    }

    /// Writes one audit entry per batch in its transaction, so that it is kept even if a later
    /// batch fails.
    async fn process_audited(
        &mut self,
        ledger: &mut Ledger,
        batch: &ReplayBatch,
    ) -> Result<(), db::Error> {
        self.process(ledger, batch).await?;
        let callbacks = if batch.outcomes.len() == 1 {
            "1 callback".to_owned()
        } else {
            format!("{} callbacks", batch.outcomes.len())
        };
        let action = Action {
            account: self.selection.account.clone(),
            detail: Some(callbacks),
            ..Action::new(
                self.context.actor,
                ActionKind::ReplayCallbacks,
                self.context.now,
            )
        };
        ledger.record_action(&action).await
    }

    async fn process(&mut self, ledger: &mut Ledger, batch: &ReplayBatch) -> Result<(), db::Error> {
        let ids: Vec<CallbackId> = batch
            .outcomes
            .iter()
            .map(|outcome| outcome.callback)
            .collect();
        // Another request may have replayed them since they were selected.
        let current = ledger.find_outcomes(&ids).await?;
        let decisions = self.release_unverified(ledger, &batch.outcomes).await?;
        let quarantined = ledger.list_quarantined(&ids).await?;
        let outcomes = self
            .services
            .reconciler
            .reprocess(ledger, &batch.entries, &decisions)
            .await?;
        let still_quarantined = ledger.list_quarantined(&ids).await?;
        for (selected, after) in batch.outcomes.iter().zip(&outcomes) {
            let id = selected.callback;
            let before = PartsOutcome {
                outcome: current.get(&id).unwrap_or(selected).outcome,
                has_quarantined_part: quarantined.contains(&id),
            };
            let after = PartsOutcome {
                outcome: after.outcome,
                has_quarantined_part: still_quarantined.contains(&id),
            };
            self.changes.note_callback(id, before, after);
        }
        for change in ledger.flush_and_unload().await? {
            self.changes.note_state(change);
        }
        Ok(())
    }

    /// Records the release of those callbacks that are unverified; returns all operator decisions.
    async fn release_unverified(
        &self,
        ledger: &Ledger,
        outcomes: &[CallbackOutcome],
    ) -> Result<OperatorDecisions, db::Error> {
        let mut decisions = OperatorDecisions::load(ledger).await?;
        let unverified = outcomes
            .iter()
            .filter(|outcome| outcome.outcome == Outcome::Unverified);
        for outcome in unverified {
            if decisions.released.insert(outcome.callback) {
                let action = Action {
                    account: Some(outcome.account.clone()),
                    detail: Some(format_release_detail(outcome.callback)),
                    ..Action::new(
                        self.context.actor,
                        ActionKind::ReleaseCallback,
                        self.context.now,
                    )
                };
                ledger.record_action(&action).await?;
            }
        }
        Ok(decisions)
    }
}

/// Whether a dry run has exceeded one of its limits.
fn exceeds_dry_run_limit(replayed: u64, bytes: u64, elapsed: Duration) -> bool {
    replayed > DRY_RUN_CALLBACKS || bytes > DRY_RUN_BYTES || elapsed > DRY_RUN_TIME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_ends_by_whichever_limit_comes_first() {
        let moment = Duration::from_millis(1);
        assert!(!exceeds_dry_run_limit(
            DRY_RUN_CALLBACKS,
            DRY_RUN_BYTES,
            DRY_RUN_TIME
        ));
        assert!(exceeds_dry_run_limit(DRY_RUN_CALLBACKS + 1, 0, moment));
        assert!(exceeds_dry_run_limit(1, DRY_RUN_BYTES + 1, moment));
        assert!(exceeds_dry_run_limit(1, 1, DRY_RUN_TIME + moment));
        let text = ReplayError::DryRunTooLarge.to_string();
        assert!(
            text.contains("10000 callbacks, 64 MiB or 3 seconds"),
            "{text}"
        );
    }
}
