//! The end of a ledger: fold what was touched, count the difference, write few large statements.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IdenStatic, IntoActiveModel, Iterable};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::delivery::fold;
use crate::domain::delivery_state::QueueState;
use crate::domain::message::Origin;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::receipt_limit;
use crate::store::entities::{id_conflict_row, message_row, provider_id_row, receipt_row};
use crate::store::ledger::id_binding::chief_id;
use crate::store::ledger::message_counts::Differences;
use crate::store::ledger::message_ledger::{Change, Ledger, LedgerEntry, UpdateTimes};
use crate::store::messages::fold_columns;
use crate::store::send_queue::leave_queue;
use crate::store::{callback_outcomes, receipts};

impl Ledger {
    pub(super) async fn flush(&mut self) -> Result<Vec<Change>, Error> {
        self.write_bindings().await?;
        self.write_conflicts().await?;
        let touched: Vec<Uuid> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.touched)
            .map(|(id, _)| *id)
            .collect();
        self.rename(&touched).await?;
        let facts = self.write_receipts(&touched).await?;
        let touched = self.remove_emptied(touched, &facts).await?;
        let mut differences = Differences::default();
        let mut changes = Vec::with_capacity(touched.len());
        for id in &touched {
            let Some(entry) = self.entries.get_mut(id) else {
                continue;
            };
            refold(&mut entry.row, facts.get(id).map_or(&[], Vec::as_slice))?;
            if entry.before.as_ref() == Some(&entry.row) {
                continue;
            }
            if self.times == UpdateTimes::Now {
                entry.row.updated_at = instant::write(self.now);
            }
            differences.note(entry.before.as_ref(), Some(&entry.row));
            if entry.row.origin != Origin::Orphan {
                changes.push(change(entry)?);
            }
        }
        self.write_messages(&touched).await?;
        differences.write(&self.transaction).await?;
        Ok(changes)
    }

    /// Calls messages whose ids changed by the best of all they have.
    async fn rename(&mut self, touched: &[Uuid]) -> Result<(), Error> {
        let renamed: Vec<Uuid> = touched
            .iter()
            .filter(|id| self.entries.get(id).is_some_and(|entry| entry.renamed))
            .copied()
            .collect();
        let by_message = provider_id_row::Column::Message;
        let rows =
            statements::find_by::<provider_id_row::Entity>(&self.transaction, by_message, &renamed)
                .await?;
        let mut ids: HashMap<Uuid, Vec<provider_id_row::Model>> = HashMap::new();
        for row in rows {
            ids.entry(row.message).or_default().push(row);
        }
        for id in &renamed {
            let chief = ids.get(id).and_then(|ids| chief_id(ids));
            if let Some(entry) = self.entries.get_mut(id) {
                entry.row.provider_id = chief;
            }
        }
        Ok(())
    }

    /// Of most messages only the fold changed; rewriting such a row whole would rewrite its entry in every index.
    async fn write_messages(&self, touched: &[Uuid]) -> Result<(), Error> {
        let changed = touched
            .iter()
            .filter_map(|id| self.entries.get(id))
            .filter(|entry| entry.before.as_ref() != Some(&entry.row));
        let (folded, others): (Vec<&LedgerEntry>, Vec<&LedgerEntry>) =
            changed.partition(|entry| entry.only_folded());
        let rows: Vec<&message_row::Model> = folded.iter().map(|entry| &entry.row).collect();
        let by_id = message_row::Column::Id;
        let updated = statements::update::<message_row::Entity>(
            &self.transaction,
            by_id,
            &fold_columns::FOLDED,
            &rows,
        )
        .await?;
        if updated != rows.len() as u64 {
            return Err(Error::UnexpectedRowCount {
                table: "messages",
                expected: rows.len() as u64,
                touched: updated,
            });
        }
        let rows: Vec<&message_row::Model> = others.iter().map(|entry| &entry.row).collect();
        let set: Vec<String> = message_row::Column::iter()
            .filter(|column| !matches!(column, message_row::Column::Id))
            .map(|column| format!("{0} = excluded.{0}", column.as_str()))
            .collect();
        let replace = format!("ON CONFLICT (id) DO UPDATE SET {}", set.join(", "));
        statements::insert::<message_row::Entity>(&self.transaction, &rows, &replace).await?;
        Ok(())
    }

    pub(super) async fn write_bindings(&mut self) -> Result<(), Error> {
        let rows: Vec<provider_id_row::Model> = self.bindings.drain(..).collect();
        let rows: Vec<&provider_id_row::Model> = rows.iter().collect();
        statements::insert::<provider_id_row::Entity>(&self.transaction, &rows, "").await?;
        Ok(())
    }

    pub(super) async fn write_conflicts(&mut self) -> Result<(), Error> {
        if self.conflicts.is_empty() {
            return Ok(());
        }
        let models = self
            .conflicts
            .drain(..)
            .map(IntoActiveModel::into_active_model);
        let key = [
            id_conflict_row::Column::Account,
            id_conflict_row::Column::ProviderId,
            id_conflict_row::Column::Claimant,
        ];
        // Every later callback with that id says it again; it was first seen then.
        let seen = OnConflict::columns(key).do_nothing_on(key).to_owned();
        id_conflict_row::Entity::insert_many(models)
            .on_conflict(seen)
            .exec_without_returning(&self.transaction)
            .await?;
        Ok(())
    }

    /// Writes what is new and returns every receipt of the messages that were touched. A receipt that is already there (the same source read twice) is left as it is.
    async fn write_receipts(
        &mut self,
        touched: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Receipt>>, Error> {
        let mut facts = receipts::find_of(&self.transaction, touched).await?;
        let mut rows = Vec::new();
        let (mut kept, mut left_out) = (HashSet::new(), HashSet::new());
        for (id, entry) in &mut self.entries {
            if entry.added.is_empty() {
                continue;
            }
            let known = facts.entry(*id).or_default();
            for receipt in entry.added.drain(..) {
                if receipt_limit::allows(known, &receipt) {
                    kept.insert(receipt.source);
                    rows.push(receipts::row((*id).into(), &receipt));
                    known.push(receipt);
                } else {
                    left_out.insert(receipt.source);
                }
            }
            receipts::sort(known);
        }
        let unheard: Vec<Uuid> = left_out.difference(&kept).copied().collect();
        callback_outcomes::mark_repeats(&self.transaction, &unheard).await?;
        let rows: Vec<&receipt_row::Model> = rows.iter().collect();
        let known = "ON CONFLICT (source, part) DO NOTHING";
        let written =
            statements::insert::<receipt_row::Entity>(&self.transaction, &rows, known).await?;
        if written == rows.len() as u64 {
            return Ok(facts);
        }
        receipts::find_of(&self.transaction, touched).await
    }
}

impl LedgerEntry {
    /// Whether a row that is there differs in nothing but what the fold says.
    fn only_folded(&self) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| fold_columns::differ_in_fold_only(before, &self.row))
    }
}

/// Writes what the receipts say into a row.
pub(crate) fn refold(row: &mut message_row::Model, receipts: &[Receipt]) -> Result<(), Error> {
    if row.queue == QueueState::Queued && receipts.iter().any(is_told_by_the_provider) {
        // Whoever reports on a message has it, whatever the answer to our call said: one more hand-over would be a second message.
        leave_queue(row, QueueState::Done);
    }
    let created_at = instant::read("messages", "created_at", row.created_at)?;
    let delivery = fold(
        row.queue,
        row.origin.is_ours().then_some(created_at),
        receipts,
    );
    let heard_at = receipts.iter().map(|receipt| receipt.received_at).max();
    fold_columns::apply(row, row.provider, &delivery, heard_at);
    Ok(())
}

fn is_told_by_the_provider(receipt: &Receipt) -> bool {
    receipt.source_kind == SourceKind::Callback && !matches!(receipt.event, ReceiptEvent::Other(_))
}

fn change(entry: &LedgerEntry) -> Result<Change, Error> {
    Ok(Change {
        message: entry.row.id.into(),
        account: entry.row.account.clone(),
        state: entry.row.state,
        updated_at: instant::read("messages", "updated_at", entry.row.updated_at)?,
    })
}
