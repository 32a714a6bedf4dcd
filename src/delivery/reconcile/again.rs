//! Reading callbacks again in a ledger of the caller's: what they told is replaced, and what they taught wrongly is unlearned.

use std::collections::HashSet;

use crate::delivery::precedents::Precedents;
use crate::delivery::reading::Read;
use crate::delivery::reconcile::Reconciler;
use crate::domain::callback::JournalEntry;
use crate::domain::ids::{CallbackId, MessageId, ProviderMessageId};
use crate::store;
use crate::store::callbacks::CallbackOutcome;
use crate::store::ledger::{Ledger, Lesson};

impl Reconciler {
    /// Takes back what these callbacks told and reads them again; returns what they are now.
    ///
    /// A callback that does not teach an id any more may have tied messages together that have nothing to do with each other. Everything that
    /// callbacks said of those messages is read again with it, in the journal's order, as a rebuild would.
    pub(in crate::delivery) async fn read_again(
        &self,
        ledger: &mut Ledger,
        entries: &[JournalEntry],
        precedents: &Precedents,
    ) -> Result<Vec<CallbackOutcome>, store::Error> {
        ledger.retract(&callbacks(entries)).await?;
        let read = self.read(entries, Some(precedents));
        let lessons: Vec<Lesson<'_>> = read.iter().map(lesson).collect();
        let mistaught = ledger.list_mistaught(&lessons).await?;
        let neighbours = self.find_neighbours(ledger, entries, &mistaught).await?;
        drop(read);
        let mut all: Vec<JournalEntry> = [entries, &neighbours].concat();
        all.sort_by_key(|entry| entry.seq);
        if !mistaught.is_empty() {
            ledger.retract(&callbacks(&neighbours)).await?;
            let times: HashSet<_> = all.iter().map(|entry| entry.record.received_at).collect();
            ledger.unlearn(&mistaught, &times).await?;
        }
        // A refusal of the account is old news by now: it pauses nothing again.
        let applied = self
            .apply_all(ledger, &self.read(&all, Some(precedents)), precedents)
            .await?;
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

    /// The other callbacks that told of these messages, as far as the journal still holds them.
    async fn find_neighbours(
        &self,
        ledger: &Ledger,
        entries: &[JournalEntry],
        messages: &[MessageId],
    ) -> Result<Vec<JournalEntry>, store::Error> {
        let mut neighbours = Vec::new();
        for callback in ledger.list_sources(messages).await? {
            if entries.iter().any(|entry| entry.record.id == callback) {
                continue;
            }
            neighbours.extend(self.journal.find(callback).await?);
        }
        Ok(neighbours)
    }
}

fn callbacks(entries: &[JournalEntry]) -> Vec<CallbackId> {
    entries.iter().map(|entry| entry.record.id).collect()
}

/// The ids that a callback teaches as it is read now.
fn lesson<'a>(read: &'a Read<'_>) -> Lesson<'a> {
    let ids: HashSet<&ProviderMessageId> =
        read.reports().flat_map(|(_, report)| &report.ids).collect();
    Lesson {
        account: &read.entry.record.account,
        received_at: read.entry.record.received_at,
        ids,
    }
}
