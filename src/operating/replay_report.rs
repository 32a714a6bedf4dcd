//! What a replay changed, or would change, over all its batches.

use std::collections::BTreeMap;

use crate::domain::callback_outcome::Outcome;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::ledger::StateChange;

/// A changed outcome. If only a part became parseable or unparseable, the outcome with the unparsed
/// part counts as quarantined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutcomeChange {
    pub callback: CallbackId,
    pub before: Outcome,
    pub after: Outcome,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplayReport {
    pub replayed: u64,
    /// Selected, but no longer in the journal.
    pub purged: u64,
    /// Unverified callbacks that the selection does not name.
    pub skipped_unverified: u64,
    pub callbacks: Vec<OutcomeChange>,
    pub messages: Vec<StateChange>,
}

/// The report so far.
#[derive(Default)]
pub(super) struct ReplayChanges {
    pub(super) report: ReplayReport,
    /// The state before the first change and after the last one.
    states: BTreeMap<MessageId, (Option<DeliveryState>, Option<DeliveryState>)>,
}

/// The outcome of a callback, and whether a part of it is quarantined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PartsOutcome {
    pub(super) outcome: Outcome,
    pub(super) has_quarantined_part: bool,
}

impl ReplayChanges {
    pub(super) fn note_callback(
        &mut self,
        callback: CallbackId,
        before: PartsOutcome,
        after: PartsOutcome,
    ) {
        self.report.replayed += 1;
        if before == after {
            return;
        }
        let counts_as = |parts: PartsOutcome| {
            if parts.has_quarantined_part && before.outcome == after.outcome {
                Outcome::Quarantined
            } else {
                parts.outcome
            }
        };
        self.report.callbacks.push(OutcomeChange {
            callback,
            before: counts_as(before),
            after: counts_as(after),
        });
    }

    pub(super) fn note_state(&mut self, change: StateChange) {
        self.states
            .entry(change.message)
            .or_insert((change.before, change.after))
            .1 = change.after;
    }

    pub(super) fn finish(self) -> ReplayReport {
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
            ..self.report
        }
    }
}
