//! Reprocesses callbacks within a caller's ledger: retracts their receipts, forgets ids they no
//! longer name, and applies them again.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::db;
use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::{CallbackId, MessageId};
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::parsing::ParsedCallback;
use crate::receiving::reconcile::reconciler::Reconciler;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::ledger::{CallbackIds, LearnedId, Ledger};

/// Maximum number of callbacks reprocessed together with those that were selected, and of bytes of
/// their bodies: all are in one transaction.
const RELATED_CALLBACKS: usize = 5_000;
const RELATED_BYTES: u64 = 64 * 1024 * 1024;

impl Reconciler {
    /// Retracts the receipts of these callbacks and applies them again; returns their outcomes.
    ///
    /// If a message holds an id that its callback no longer names, unrelated messages may have been
    /// merged by it. Every callback that reported on such a message is then reprocessed in journal
    /// order, as a rebuild would. Leaving that case to a rebuild would remove little code: an
    /// unmatch needs the same callbacks.
    pub(crate) async fn reprocess(
        &self,
        ledger: &mut Ledger,
        entries: &[JournalEntry],
        decisions: &OperatorDecisions,
    ) -> Result<Vec<CallbackOutcome>, db::Error> {
        self.load_crashed().await?;
        let selected = list_ids(entries);
        ledger.retract(&selected).await?;
        let mut all = self.parse_all(entries, decisions);
        let stale = self
            .list_messages_with_stale_ids(ledger, &all, decisions)
            .await?;
        let related = self.find_related(ledger, &selected, &stale).await?;
        if !stale.is_empty() {
            all.extend(self.parse_all(&related, decisions));
            all.sort_by_key(|parsed| parsed.entry.seq);
            ledger.retract(&list_ids(&related)).await?;
            let times: HashSet<_> = all
                .iter()
                .map(|parsed| parsed.entry.record.received_at)
                .collect();
            ledger.forget_learned_ids(&stale, &times).await?;
        }
        // Accounts are not paused: a rejection that was processed before is out of date.
        let applied = self.apply_all(ledger, &all, decisions).await?;
        if !stale.is_empty() {
            ledger.retry_id_claims().await?;
        }
        ledger.unmerge_recreated().await?;
        let mut outcomes = applied.outcomes.clone();
        ledger
            .replace_outcomes(applied.outcomes, applied.quarantined)
            .await?;
        self.separate_messages(ledger).await?;
        let selected: HashSet<CallbackId> = selected.into_iter().collect();
        outcomes.retain(|outcome| selected.contains(&outcome.callback));
        Ok(outcomes)
    }

    /// Messages that hold or claim an id which was learned when one of these callbacks was
    /// received, and which no callback of that time names now.
    async fn list_messages_with_stale_ids(
        &self,
        ledger: &Ledger,
        parsed: &[ParsedCallback<'_>],
        decisions: &OperatorDecisions,
    ) -> Result<Vec<MessageId>, db::Error> {
        let named: Vec<CallbackIds<'_>> = parsed.iter().map(named_ids).collect();
        let mut stale = ledger.list_stale_ids(&named).await?;
        let mut others = ledger
            .list_learning_callbacks(&stale)
            .await?
            .learned_from_candidates;
        for parsed in parsed {
            others.remove(&parsed.entry.record.id);
        }
        // Other callbacks that were received in the same millisecond may name the id.
        let others = self.journal.find_all(&Vec::from_iter(others)).await?;
        let others = self.parse_all(&others, decisions);
        let named: Vec<CallbackIds<'_>> = others.iter().map(named_ids).collect();
        stale.retain(|learned| !named.iter().any(|callback| callback.includes(learned)));
        let mut messages: Vec<MessageId> = stale.iter().map(LearnedId::message).collect();
        messages.sort();
        messages.dedup();
        Ok(messages)
    }

    pub(super) fn parse_all<'a>(
        &self,
        entries: &'a [JournalEntry],
        decisions: &OperatorDecisions,
    ) -> Vec<ParsedCallback<'a>> {
        entries
            .iter()
            .map(|entry| ParsedCallback {
                entry,
                content: Cow::Owned(self.parse(entry, Some(decisions))),
            })
            .collect()
    }

    /// The other callbacks that reported on these messages and that the journal still holds. Fails with
    /// [`db::Error::TooMuch`] if they exceed the limits.
    pub(super) async fn find_related(
        &self,
        ledger: &Ledger,
        selected: &[CallbackId],
        messages: &[MessageId],
    ) -> Result<Vec<JournalEntry>, db::Error> {
        let selected: HashSet<&CallbackId> = selected.iter().collect();
        let mut sources = ledger.list_sources(messages).await?.all();
        sources.retain(|callback| !selected.contains(callback));
        let sizes = self.journal.list_sizes(&sources).await?;
        if sizes.len() > RELATED_CALLBACKS || sizes.values().sum::<u64>() > RELATED_BYTES {
            return Err(db::Error::TooMuch(
                "too many other callbacks reported on the messages that the selected callbacks merged; run `bluetick rebuild`, which processes all of them again",
            ));
        }
        self.journal.find_all(&sources).await
    }
}

pub(super) fn list_ids(entries: &[JournalEntry]) -> Vec<CallbackId> {
    entries.iter().map(|entry| entry.record.id).collect()
}

fn named_ids<'a>(parsed: &'a ParsedCallback<'_>) -> CallbackIds<'a> {
    CallbackIds {
        account: &parsed.entry.record.account,
        received_at: parsed.entry.record.received_at,
        ids: parsed
            .reports()
            .flat_map(|(_, report)| &report.ids)
            .collect(),
    }
}
