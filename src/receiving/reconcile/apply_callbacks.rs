//! Applies parsed callbacks to a ledger: receipts, ids, quarantine, conversation windows.

use crate::db;
use crate::domain::callback_outcome::Outcome;
use crate::domain::callback_record::{CallbackRecord, JournalEntry};
use crate::providers::CallbackPart;
use crate::receiving::account_context::AccountContext;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::parsing::{
    CallbackContent, ParsedCallback, list_derived_orphan_ids, list_named_ids,
};
#[cfg(debug_assertions)]
use crate::receiving::reconcile::abort_hook::{self, ProcessingStage};
use crate::receiving::reconcile::account_rejections::AccountRejection;
use crate::receiving::reconcile::apply_report::apply_report;
use crate::receiving::reconcile::collected_effects::CollectedEffects;
use crate::receiving::reconcile::reconciler::Reconciler;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::id_anomalies::IdAnomalies;
use crate::store::ledger::Ledger;
use crate::store::person_links::CustomerIdLinks;
use crate::store::quarantine::QuarantinedCopy;

/// The result of a batch, besides the receipts that the ledger holds.
pub(super) struct AppliedBatch {
    pub(super) outcomes: Vec<CallbackOutcome>,
    pub(super) quarantined: Vec<QuarantinedCopy>,
    pub(super) rejections: Vec<AccountRejection>,
    pub(super) id_anomalies: IdAnomalies,
    /// New links; they count as known once the transaction is committed.
    pub(super) links: CustomerIdLinks,
}

/// Whether quarantine keeps a copy of the body with a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyCopy {
    Kept,
    Omitted,
}

impl Reconciler {
    pub(super) async fn apply_all(
        &self,
        ledger: &mut Ledger,
        batch: &[ParsedCallback<'_>],
        decisions: &OperatorDecisions,
    ) -> Result<AppliedBatch, db::Error> {
        let (messages, ids) = list_named_ids(batch);
        ledger.load(&messages).await?;
        ledger.load_holders(&ids).await?;
        ledger.load(&list_derived_orphan_ids(ledger, batch)).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut effects = CollectedEffects::default();
        for parsed in batch {
            let outcome = self
                .apply_one(ledger, parsed, decisions, &mut effects)
                .await?;
            outcomes.push(outcome);
        }
        ledger.record_inbound(effects.inbound).await?;
        ledger.record_events(effects.events).await?;
        self.known_links.retain_new(&mut effects.links);
        ledger.record_links(&effects.links).await?;
        Ok(AppliedBatch {
            outcomes,
            quarantined: effects.quarantined,
            rejections: effects.rejections,
            id_anomalies: effects.id_anomalies,
            links: effects.links,
        })
    }

    async fn apply_one(
        &self,
        ledger: &mut Ledger,
        parsed: &ParsedCallback<'_>,
        decisions: &OperatorDecisions,
        effects: &mut CollectedEffects,
    ) -> Result<CallbackOutcome, db::Error> {
        let entry = parsed.entry;
        let record = &entry.record;
        #[cfg(debug_assertions)]
        if let CallbackContent::Parts(..) = parsed.content.as_ref() {
            abort_hook::crash_if_chosen(ProcessingStage::Apply, &record.body);
        }
        let (provider, content) = match parsed.content.as_ref() {
            CallbackContent::Unverified { reason } => {
                return Ok(outcome(entry, Outcome::Unverified, Some(reason.clone())));
            }
            CallbackContent::Unsupported { reason } => {
                effects
                    .quarantined
                    .push(quarantine(record, 0, reason, BodyCopy::Kept));
                let reason = Some((*reason).to_owned());
                return Ok(outcome(entry, Outcome::Quarantined, reason));
            }
            CallbackContent::Parts(provider, parsed) => (*provider, parsed),
        };
        effects.note_placeholder(parsed);
        let account = AccountContext {
            id: &record.account,
            provider,
            configured: self.accounts.get(&record.account),
            decisions,
        };
        effects.note_id_links(account, record, &content.id_links);
        let mut results: Vec<(Outcome, Option<String>)> = Vec::new();
        for (number, part) in (0_i32..).zip(&content.parts) {
            let (result, detail) = match part {
                CallbackPart::Report(report) => {
                    apply_report(ledger, account, entry, number, report, effects).await?
                }
                CallbackPart::Inbound(inbound) => {
                    effects.note_inbound(account, record, inbound);
                    (Outcome::Inbound, None)
                }
                CallbackPart::AccountEvent(event) => {
                    effects.note_event(account, record, number, event);
                    (Outcome::Notice, Some(event.notice.clone()))
                }
                CallbackPart::Notice(text) => (Outcome::Notice, Some(text.clone())),
                CallbackPart::Probe => (Outcome::Probe, None),
                CallbackPart::Unparseable(reason) => (Outcome::Quarantined, Some(reason.clone())),
            };
            if result == Outcome::Quarantined {
                // One copy of the body per callback.
                let has_copy = results
                    .iter()
                    .any(|(earlier, _)| *earlier == Outcome::Quarantined);
                let copy = if has_copy {
                    BodyCopy::Omitted
                } else {
                    BodyCopy::Kept
                };
                let reason = detail.as_deref().unwrap_or_default();
                effects
                    .quarantined
                    .push(quarantine(record, number, reason, copy));
            }
            results.push((result, detail));
        }
        // The outcome of the callback is the first one in the order of `Outcome`.
        let (first, detail) = results
            .into_iter()
            .min_by_key(|(result, _)| *result)
            .unwrap_or((Outcome::Quarantined, None));
        Ok(outcome(entry, first, detail))
    }
}

fn quarantine(record: &CallbackRecord, part: i32, reason: &str, copy: BodyCopy) -> QuarantinedCopy {
    QuarantinedCopy {
        callback: record.id,
        part,
        account: record.account.clone(),
        reason: reason.to_owned(),
        content: match copy {
            BodyCopy::Kept => record.body.clone(),
            BodyCopy::Omitted => Vec::new(),
        },
        received_at: record.received_at,
    }
}

fn outcome(entry: &JournalEntry, outcome: Outcome, detail: Option<String>) -> CallbackOutcome {
    CallbackOutcome {
        callback: entry.record.id,
        seq: entry.seq,
        account: entry.record.account.clone(),
        received_at: entry.record.received_at,
        route: Some(entry.record.route),
        outcome,
        detail,
    }
}
