//! Flushes a ledger: folds the touched messages, counts the differences and writes everything in a
//! few large statements.

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
use crate::store::entities::{id_conflict_row, message_row, provider_id_row};
use crate::store::ledger::count_sums;
use crate::store::ledger::id_binding::preferred_id;
use crate::store::ledger::ledger_entry::LedgerEntry;
use crate::store::ledger::message_change::FeedChange;
use crate::store::ledger::message_counts::Differences;
use crate::store::ledger::message_ledger::{Ledger, UpdateTimes};
use crate::store::messages::fold_columns;
use crate::store::{callback_outcomes, receipts};

impl Ledger {
    pub(super) async fn flush(&mut self) -> Result<Vec<FeedChange>, Error> {
        self.write_bindings().await?;
        self.write_conflicts().await?;
        let touched: Vec<Uuid> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.touched)
            .map(|(id, _)| *id)
            .collect();
        self.choose_provider_ids(&touched).await?;
        let receipts = self.write_receipts(&touched).await?;
        let touched = self.remove_unreported(touched, &receipts).await?;
        let mut differences = Differences::default();
        let mut changes = Vec::with_capacity(touched.len());
        for id in &touched {
            let Some(entry) = self.entries.get_mut(id) else {
                continue;
            };
            refold(&mut entry.row, receipts.get(id).map_or(&[], Vec::as_slice))?;
            if !entry.is_changed() {
                continue;
            }
            if self.times == UpdateTimes::Now {
                entry.row.updated_at = instant::to_millis(self.now);
            }
            differences.note(entry.before.as_ref(), Some(&entry.row));
            if entry.row.origin != Origin::Orphan {
                changes.push(FeedChange::of(&entry.row)?);
            }
        }
        self.write_messages(&touched).await?;
        count_sums::write(&self.transaction, differences).await?;
        Ok(changes)
    }

    /// Sets `provider_id` of the messages whose ids changed.
    async fn choose_provider_ids(&mut self, touched: &[Uuid]) -> Result<(), Error> {
        let changed: Vec<Uuid> = touched
            .iter()
            .filter(|id| self.entries.get(id).is_some_and(|entry| entry.ids_changed))
            .copied()
            .collect();
        let by_message = provider_id_row::Column::Message;
        let rows =
            statements::find_by::<provider_id_row::Entity>(&self.transaction, by_message, &changed)
                .await?;
        let mut ids: HashMap<Uuid, Vec<provider_id_row::Model>> = HashMap::new();
        for row in rows {
            ids.entry(row.message).or_default().push(row);
        }
        for id in &changed {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.row.provider_id = ids.get(id).and_then(|ids| preferred_id(ids));
            }
        }
        Ok(())
    }

    /// Most messages change only in some columns of the fold, in all of them, or in those and the ones
    /// of their submission. Writing the whole row would rewrite its entry in every index.
    async fn write_messages(&self, touched: &[Uuid]) -> Result<(), Error> {
        let changed = touched
            .iter()
            .filter_map(|id| self.entries.get(id))
            .filter(|entry| entry.is_changed());
        let (progressed, others): (Vec<&LedgerEntry>, Vec<&LedgerEntry>) =
            changed.partition(|entry| entry.changed_only_in_progress());
        let (folded, others): (Vec<&LedgerEntry>, Vec<&LedgerEntry>) = others
            .into_iter()
            .partition(|entry| entry.changed_only_by_fold());
        let (submitted, others): (Vec<&LedgerEntry>, Vec<&LedgerEntry>) = others
            .into_iter()
            .partition(|entry| entry.changed_only_by_submission());
        self.update_messages(&fold_columns::PROGRESS_COLUMNS, &progressed)
            .await?;
        self.update_messages(&fold_columns::FOLD_COLUMNS, &folded)
            .await?;
        self.update_messages(&fold_columns::submission_columns(), &submitted)
            .await?;
        let rows: Vec<&message_row::Model> = others.iter().map(|entry| &entry.row).collect();
        let set: Vec<String> = message_row::Column::iter()
            .filter(|column| !matches!(column, message_row::Column::Id))
            .map(|column| format!("{0} = excluded.{0}", column.as_str()))
            .collect();
        let replace = format!("ON CONFLICT (id) DO UPDATE SET {}", set.join(", "));
        statements::insert::<message_row::Entity>(&self.transaction, &rows, &replace).await?;
        Ok(())
    }

    async fn update_messages(
        &self,
        columns: &[message_row::Column],
        entries: &[&LedgerEntry],
    ) -> Result<(), Error> {
        let rows: Vec<&message_row::Model> = entries.iter().map(|entry| &entry.row).collect();
        let by_id = message_row::Column::Id;
        let updated =
            statements::update::<message_row::Entity>(&self.transaction, by_id, columns, &rows)
                .await?;
        if updated == rows.len() as u64 {
            Ok(())
        } else {
            Err(Error::UnexpectedRowCount {
                table: "messages",
                expected: rows.len() as u64,
                touched: updated,
            })
        }
    }

    pub(super) async fn write_bindings(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.bindings);
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
        // Later callbacks with the same id change nothing: `seen_at` is the first time.
        let keep_first = OnConflict::columns(key).do_nothing_on(key).to_owned();
        id_conflict_row::Entity::insert_many(models)
            .on_conflict(keep_first)
            .exec_without_returning(&self.transaction)
            .await?;
        Ok(())
    }

    /// Writes the new receipts; returns all receipts of the touched messages.
    async fn write_receipts(
        &mut self,
        touched: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Receipt>>, Error> {
        let mut receipts = receipts::find_of(&self.transaction, touched).await?;
        let mut rows = Vec::new();
        let mut left_out = HashSet::new();
        for (id, entry) in &mut self.entries {
            if entry.new_receipts.is_empty() {
                continue;
            }
            let existing = receipts.entry(*id).or_default();
            for receipt in entry.new_receipts.drain(..) {
                if receipt_limit::allows(existing, &receipt) {
                    rows.push(receipts::row((*id).into(), &receipt));
                    existing.push(receipt);
                } else {
                    left_out.insert(receipt.source);
                }
            }
            receipts::sort(existing);
        }
        // Other parts of the same source may be kept.
        for row in &rows {
            left_out.remove(&row.source);
        }
        let without_receipt: Vec<Uuid> = left_out.into_iter().collect();
        callback_outcomes::mark_repeats(&self.transaction, &without_receipt).await?;
        let written = receipts::insert(&self.transaction, &rows).await?;
        if written == rows.len() as u64 {
            // Reading what was just written would cost a query per batch.
            return Ok(receipts);
        }
        receipts::find_of(&self.transaction, touched).await
    }
}

/// Sets the columns of the fold.
pub(crate) fn refold(row: &mut message_row::Model, receipts: &[Receipt]) -> Result<(), Error> {
    if row.queue == QueueState::Queued && receipts.iter().any(is_provider_report) {
        // The provider has the message, whatever the send reply was; another attempt would send it
        // twice.
        row.leave_queue(QueueState::Done);
    }
    let created_at = instant::from_millis("messages", "created_at", row.created_at)?;
    let delivery = fold(
        row.queue,
        row.origin.is_ours().then_some(created_at),
        receipts,
    );
    let last_receipt_at = receipts
        .iter()
        .filter(|receipt| receipt.is_status())
        .map(|receipt| receipt.received_at)
        .max();
    fold_columns::apply(row, row.provider, &delivery, last_receipt_at);
    Ok(())
}

fn is_provider_report(receipt: &Receipt) -> bool {
    receipt.source_kind == SourceKind::Callback
        && matches!(
            receipt.event,
            ReceiptEvent::Stage(_) | ReceiptEvent::Failure(_)
        )
}
