//! Reading callbacks again in a ledger of the caller's: what they told is replaced, and what they taught wrongly is unlearned.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::db;
use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::{CallbackId, MessageId, ProviderMessageId};
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::parsing::ParsedCallback;
use crate::receiving::reconcile::Reconciler;
use crate::store::callbacks::CallbackOutcome;
use crate::store::ledger::{Ledger, Lesson, Taught};

/// Callbacks that are read again beside those that were selected, and bytes of their bodies; one transaction takes them all.
const NEIGHBOURS: usize = 5_000;
const NEIGHBOUR_BYTES: u64 = 64 * 1024 * 1024;

impl Reconciler {
    /// Takes back what these callbacks told and reads them again; returns what they are now.
    ///
    /// A callback that does not teach an id any more may have tied messages together that have nothing to do with each other. Everything that
    /// callbacks said of those messages is read again with it, in the journal's order, as a rebuild would.
    pub(crate) async fn read_again(
        &self,
        ledger: &mut Ledger,
        entries: &[JournalEntry],
        decisions: &OperatorDecisions,
    ) -> Result<Vec<CallbackOutcome>, db::Error> {
        ledger.retract(&callbacks(entries)).await?;
        let mut all = self.read(entries, decisions);
        let mistaught = self.list_mistaught(ledger, &all, decisions).await?;
        let neighbours = self.find_neighbours(ledger, entries, &mistaught).await?;
        all.extend(self.read(&neighbours, decisions));
        all.sort_by_key(|read| read.entry.seq);
        if !mistaught.is_empty() {
            ledger.retract(&callbacks(&neighbours)).await?;
            let times: HashSet<_> = all
                .iter()
                .map(|read| read.entry.record.received_at)
                .collect();
            ledger.unlearn(&mistaught, &times).await?;
        }
        // A refusal of the account is old news by now: it pauses nothing again.
        let applied = self.apply_all(ledger, &all, decisions).await?;
        if !mistaught.is_empty() {
            ledger.hear_claims_again().await?;
        }
        ledger.part_from_the_merged().await?;
        let selected: HashSet<CallbackId> = callbacks(entries).into_iter().collect();
        let outcomes = applied.outcomes.clone();
        ledger
            .replace_outcomes(applied.outcomes, applied.quarantined)
            .await?;
        Ok(outcomes
            .into_iter()
            .filter(|outcome| selected.contains(&outcome.callback))
            .collect())
    }

    /// Messages that hold or claim an id which these callbacks may have taught first, and which no callback of that time teaches any more.
    async fn list_mistaught(
        &self,
        ledger: &Ledger,
        read: &[ParsedCallback<'_>],
        decisions: &OperatorDecisions,
    ) -> Result<Vec<MessageId>, db::Error> {
        let lessons: Vec<Lesson<'_>> = read.iter().map(lesson).collect();
        let mut untaught = ledger.list_untaught(&lessons).await?;
        let mut others = ledger.list_teachers(&untaught).await?.may_have_taught;
        for read in read {
            others.remove(&read.entry.record.id);
        }
        // Others came within the same millisecond.
        let others = self.journal.find_all(&Vec::from_iter(others)).await?;
        let others = self.read(&others, decisions);
        let lessons: Vec<Lesson<'_>> = others.iter().map(lesson).collect();
        untaught.retain(|taught| !lessons.iter().any(|lesson| lesson.teaches(taught)));
        let mut mistaught: Vec<MessageId> = untaught.iter().map(Taught::message).collect();
        mistaught.sort();
        mistaught.dedup();
        Ok(mistaught)
    }

    fn read<'a>(
        &self,
        entries: &'a [JournalEntry],
        decisions: &OperatorDecisions,
    ) -> Vec<ParsedCallback<'a>> {
        entries
            .iter()
            .map(|entry| ParsedCallback {
                entry,
                content: Cow::Owned(self.content(entry, Some(decisions))),
            })
            .collect()
    }

    /// The other callbacks that told of these messages, as far as the journal still holds them; refused where they are too many.
    async fn find_neighbours(
        &self,
        ledger: &Ledger,
        entries: &[JournalEntry],
        messages: &[MessageId],
    ) -> Result<Vec<JournalEntry>, db::Error> {
        let selected: HashSet<CallbackId> = callbacks(entries).into_iter().collect();
        let mut sources = ledger.list_sources(messages).await?.all();
        sources.retain(|callback| !selected.contains(callback));
        let sizes = self.journal.list_sizes(&sources).await?;
        if sizes.len() > NEIGHBOURS || sizes.values().sum::<u64>() > NEIGHBOUR_BYTES {
            return Err(db::Error::TooMuch(
                "too many other callbacks told of the messages that these tied together; rebuild reads all of them again",
            ));
        }
        self.journal.find_all(&sources).await
    }
}

fn callbacks(entries: &[JournalEntry]) -> Vec<CallbackId> {
    entries.iter().map(|entry| entry.record.id).collect()
}

/// The ids that a callback teaches as it is read now.
fn lesson<'a>(read: &'a ParsedCallback<'_>) -> Lesson<'a> {
    let ids: HashSet<&ProviderMessageId> =
        read.reports().flat_map(|(_, report)| &report.ids).collect();
    Lesson {
        account: &read.entry.record.account,
        received_at: read.entry.record.received_at,
        ids,
    }
}
