//! Replays callbacks: parses them again and replaces the receipts they produced.
//!
//! A dry run does the same in one transaction and rolls it back, so it reports exactly what would
//! change.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::callback_record::JournalEntry;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{CallbackId, MessageId};
use crate::operating::actions::Decision;
use crate::receiving::operator_decisions::{OperatorDecisions, format_release_detail};
use crate::services::Services;
use crate::store::callback_outcomes::{CallbackOutcome, Outcome, OutcomeFilter};
use crate::store::ledger::{Ledger, StateChange};

/// Callbacks per transaction, and bytes of their bodies.
const BATCH: u64 = 200;
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// Limits of a dry run, which holds the writer's lock until its end.
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
        "select callbacks by ids, account, outcome or time; to read all of them again, use rebuild"
    )]
    NothingSelected,
    #[error(
        "a dry run holds up whatever else is written, so it ends after {DRY_RUN_CALLBACKS} callbacks, {} MiB or {} seconds; select fewer, by account, outcome or time",
        DRY_RUN_BYTES / 1024 / 1024,
        DRY_RUN_TIME.as_secs()
    )]
    DryRunTooLarge,
    #[error(transparent)]
    Store(#[from] db::Error),
}

/// A changed outcome. Where only a part became parseable or unparseable, that side counts as
/// quarantined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutcomeChange {
    pub callback: CallbackId,
    pub before: Outcome,
    pub after: Outcome,
}

/// What a replay did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplayReport {
    pub read: u64,
    /// Selected, but no longer in the journal.
    pub gone: u64,
    /// Unverified callbacks that the selection does not name.
    pub withheld: u64,
    pub callbacks: Vec<OutcomeChange>,
    pub messages: Vec<StateChange>,
}

/// `progress` receives the number of callbacks replayed so far.
pub async fn replay(
    services: &Services,
    selection: &OutcomeFilter,
    mode: ReplayMode,
    decision: &Decision<'_>,
    progress: &mut impl FnMut(u64),
) -> Result<ReplayReport, ReplayError> {
    if *selection == OutcomeFilter::default() {
        return Err(ReplayError::NothingSelected);
    }
    let mut run = ReplayRun {
        services,
        selection,
        decision,
        replayed: ReplayReport::default(),
        states: BTreeMap::new(),
    };
    match mode {
        ReplayMode::Apply => run.apply(progress).await?,
        ReplayMode::DryRun => run.dry_run(progress).await?,
    }
    Ok(run.finish())
}

struct ReplayRun<'a> {
    services: &'a Services,
    selection: &'a OutcomeFilter,
    decision: &'a Decision<'a>,
    replayed: ReplayReport,
    /// The first state before and the last state after, over all batches.
    states: BTreeMap<MessageId, (Option<DeliveryState>, Option<DeliveryState>)>,
}

/// Callbacks replayed in one transaction.
struct ReplayBatch {
    /// Their outcomes before.
    outcomes: Vec<CallbackOutcome>,
    /// In the order of `outcomes`.
    entries: Vec<JournalEntry>,
    /// Total size of the bodies.
    bytes: u64,
}

impl ReplayRun<'_> {
    async fn apply(&mut self, progress: &mut impl FnMut(u64)) -> Result<(), ReplayError> {
        let mut after = 0;
        while let Some(batch) = self.next(&mut after).await? {
            if batch.outcomes.is_empty() {
                continue;
            }
            let mut ledger = self.services.store.ledger(self.decision.now).await?;
            match self.read_audited(&mut ledger, &batch).await {
                Ok(()) => self.services.store.commit(ledger).await?,
                Err(error) => {
                    ledger.roll_back().await;
                    return Err(error.into());
                }
            }
            progress(self.replayed.read);
        }
        Ok(())
    }

    /// Writes one audit entry per batch in its transaction, so that it is kept even if a later
    /// batch fails.
    async fn read_audited(
        &mut self,
        ledger: &mut Ledger,
        batch: &ReplayBatch,
    ) -> Result<(), db::Error> {
        self.read(ledger, batch).await?;
        let callbacks = if batch.outcomes.len() == 1 {
            "1 callback".to_owned()
        } else {
            format!("{} callbacks", batch.outcomes.len())
        };
        let action = Action {
            account: self.selection.account.clone(),
            detail: Some(callbacks),
            ..Action::new(
                self.decision.actor,
                Verb::ReplayCallbacks,
                self.decision.now,
            )
        };
        ledger.record_action(&action).await
    }

    async fn dry_run(&mut self, progress: &mut impl FnMut(u64)) -> Result<(), ReplayError> {
        let (mut after, mut bytes) = (0, 0);
        let mut ledger = self.services.store.ledger(self.decision.now).await?;
        let began = Instant::now();
        let ended = loop {
            let batch = match self.next(&mut after).await {
                Ok(Some(batch)) => batch,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            };
            if let Err(error) = self.read(&mut ledger, &batch).await {
                break Err(error.into());
            }
            progress(self.replayed.read);
            bytes += batch.bytes;
            if exceeds_dry_run(self.replayed.read, bytes, began.elapsed()) {
                break Err(ReplayError::DryRunTooLarge);
            }
        };
        ledger.roll_back().await;
        ended
    }

    /// The next callbacks of the selection with their outcomes; `None` at the end.
    async fn next(&mut self, after: &mut i64) -> Result<Option<ReplayBatch>, db::Error> {
        let outcomes = self
            .services
            .store
            .list_outcomes_after(self.selection, *after, BATCH)
            .await?;
        if outcomes.is_empty() {
            return Ok(None);
        }
        let ids: Vec<CallbackId> = outcomes.iter().map(|outcome| outcome.callback).collect();
        let sizes = self.services.journal.list_sizes(&ids).await?;
        let (mut wanted, mut bytes) = (Vec::new(), 0);
        for outcome in outcomes {
            if bytes > BATCH_BYTES {
                break;
            }
            *after = outcome.seq;
            if outcome.outcome == Outcome::Unverified && !releases(self.selection) {
                self.replayed.withheld += 1;
                continue;
            }
            match sizes.get(&outcome.callback) {
                Some(size) => {
                    bytes += size;
                    wanted.push(outcome);
                }
                None => self.replayed.gone += 1,
            }
        }
        let ids: Vec<CallbackId> = wanted.iter().map(|outcome| outcome.callback).collect();
        let entries = self.services.journal.find_all(&ids).await?;
        // Both lists are in journal order. A callback that was purged meanwhile is missing.
        let found: HashSet<CallbackId> = entries.iter().map(|entry| entry.record.id).collect();
        wanted.retain(|outcome| found.contains(&outcome.callback));
        self.replayed.gone += u64::try_from(ids.len() - wanted.len()).unwrap_or_default();
        Ok(Some(ReplayBatch {
            outcomes: wanted,
            entries,
            bytes,
        }))
    }

    async fn read(&mut self, ledger: &mut Ledger, batch: &ReplayBatch) -> Result<(), db::Error> {
        let ids: Vec<CallbackId> = batch
            .outcomes
            .iter()
            .map(|outcome| outcome.callback)
            .collect();
        // Another request may have replayed them since they were selected.
        let known = ledger.find_outcomes(&ids).await?;
        let counted = |outcome: &CallbackOutcome| {
            known
                .get(&outcome.callback)
                .map_or(outcome.outcome, |known| known.outcome)
        };
        let mut decisions = OperatorDecisions::load(ledger).await?;
        for outcome in &batch.outcomes {
            if outcome.outcome == Outcome::Unverified && decisions.released.insert(outcome.callback)
            {
                let action = Action {
                    account: Some(outcome.account.clone()),
                    detail: Some(format_release_detail(outcome.callback)),
                    ..Action::new(
                        self.decision.actor,
                        Verb::ReleaseCallback,
                        self.decision.now,
                    )
                };
                ledger.record_action(&action).await?;
            }
        }
        let unreadable = ledger.list_quarantined(&ids).await?;
        let outcomes = self
            .services
            .reconciler
            .reprocess(ledger, &batch.entries, &decisions)
            .await?;
        let now_unreadable = ledger.list_quarantined(&ids).await?;
        self.replayed
            .callbacks
            .extend(
                batch
                    .outcomes
                    .iter()
                    .zip(&outcomes)
                    .filter_map(|(before, after)| {
                        let id = before.callback;
                        difference(
                            id,
                            (counted(before), unreadable.contains(&id)),
                            (after.outcome, now_unreadable.contains(&id)),
                        )
                    }),
            );
        for difference in ledger.settle().await? {
            self.states
                .entry(difference.message)
                .or_insert((difference.before, difference.after))
                .1 = difference.after;
        }
        self.replayed.read += u64::try_from(batch.outcomes.len()).unwrap_or_default();
        Ok(())
    }

    fn finish(self) -> ReplayReport {
        let changed = self
            .states
            .into_iter()
            .filter(|(_, (before, after))| before != after);
        ReplayReport {
            messages: changed
                .map(|(message, (before, after))| StateChange {
                    message,
                    before,
                    after,
                })
                .collect(),
            ..self.replayed
        }
    }
}

/// Unverified callbacks are released only if the selection names ids or that outcome.
fn releases(selection: &OutcomeFilter) -> bool {
    selection.ids.is_some() || selection.outcome == Some(Outcome::Unverified)
}

/// Whether a dry run has reached one of its limits.
fn exceeds_dry_run(read: u64, bytes: u64, took: Duration) -> bool {
    read > DRY_RUN_CALLBACKS || bytes > DRY_RUN_BYTES || took > DRY_RUN_TIME
}

/// Compares outcome and unparseable parts before and after.
fn difference(
    callback: CallbackId,
    before: (Outcome, bool),
    after: (Outcome, bool),
) -> Option<OutcomeChange> {
    if before == after {
        return None;
    }
    let counts_as = |(outcome, is_unreadable): (Outcome, bool)| {
        if is_unreadable && before.0 == after.0 {
            Outcome::Quarantined
        } else {
            outcome
        }
    };
    Some(OutcomeChange {
        callback,
        before: counts_as(before),
        after: counts_as(after),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_ends_by_whichever_limit_comes_first() {
        let moment = Duration::from_millis(1);
        assert!(!exceeds_dry_run(
            DRY_RUN_CALLBACKS,
            DRY_RUN_BYTES,
            DRY_RUN_TIME
        ));
        assert!(exceeds_dry_run(DRY_RUN_CALLBACKS + 1, 0, moment));
        assert!(exceeds_dry_run(1, DRY_RUN_BYTES + 1, moment));
        assert!(exceeds_dry_run(1, 1, DRY_RUN_TIME + moment));
        let words = ReplayError::DryRunTooLarge.to_string();
        assert!(
            words.contains("10000 callbacks, 64 MiB or 3 seconds"),
            "{words}"
        );
    }
}
