//! Removes receipts so that their callbacks can be applied again, and deletes messages that are
//! left without any.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::receipt::{Receipt, SourceKind};
use crate::store::entities::{
    account_event_row, id_conflict_row, merged_message_row, message_row, provider_id_row,
    quarantined_part_row, receipt_row,
};
use crate::store::ledger::count_sums;
use crate::store::ledger::ledger_entry::LedgerEntry;
use crate::store::ledger::message_change::StateChange;
use crate::store::ledger::message_counts::Differences;
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// Deletes the receipts, quarantined parts and account events of these callbacks. The flush
    /// folds their messages again.
    pub async fn retract(&mut self, callbacks: &[CallbackId]) -> Result<(), Error> {
        for chunk in callbacks.chunks(IDS_PER_QUERY) {
            let sources: Vec<Uuid> = chunk.iter().map(|id| id.uuid()).collect();
            let of_these = receipt_row::Column::Source
                .is_in(sources.iter().copied())
                .and(receipt_row::Column::SourceKind.eq(SourceKind::Callback));
            let touched: Vec<Uuid> = receipt_row::Entity::find()
                .select_only()
                .column(receipt_row::Column::Message)
                .distinct()
                .filter(of_these.clone())
                .into_tuple()
                .all(&self.transaction)
                .await?;
            receipt_row::Entity::delete_many()
                .filter(of_these)
                .exec(&self.transaction)
                .await?;
            quarantined_part_row::Entity::delete_many()
                .filter(quarantined_part_row::Column::Callback.is_in(sources.iter().copied()))
                .exec(&self.transaction)
                .await?;
            account_event_row::Entity::delete_many()
                .filter(account_event_row::Column::Callback.is_in(sources))
                .exec(&self.transaction)
                .await?;
            let ids: Vec<MessageId> = touched.iter().copied().map(MessageId::from).collect();
            self.load(&ids).await?;
            for id in &touched {
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.touched = true;
                    entry.receipts_removed = true;
                }
            }
        }
        Ok(())
    }

    /// Flushes the changes made so far and unloads all messages, so that a long transaction needs
    /// little memory. Returns the changed states.
    pub async fn flush_and_unload(&mut self) -> Result<Vec<StateChange>, Error> {
        let merged: Vec<Uuid> = self.merges.iter().map(|(gone, _)| *gone).collect();
        let changes = self.flush().await?;
        self.changes.extend(changes);
        let mut differences = Vec::new();
        let mut removed: HashMap<MessageId, DeliveryState> =
            std::mem::take(&mut self.removed).into_iter().collect();
        for entry in std::mem::take(&mut self.entries).into_values() {
            let before = match &entry.before {
                Some(row) => Some(row.state),
                // It was deleted and created again.
                None => removed.remove(&entry.row.id.into()),
            };
            let after = Some(entry.row.state);
            if before != after {
                differences.push(StateChange {
                    message: entry.row.id.into(),
                    before,
                    after,
                });
            }
        }
        differences.extend(removed.into_iter().map(|(message, before)| StateChange {
            message,
            before: Some(before),
            after: None,
        }));
        differences
            .retain(|change| change.before.is_some() || !merged.contains(&change.message.uuid()));
        self.absent.clear();
        self.id_counts.clear();
        self.holders.clear();
        self.uncertain_ids.clear();
        self.merges.clear();
        Ok(differences)
    }

    /// Deletes orphans and observed messages without receipts, except registered ones; returns the
    /// other touched messages.
    pub(super) async fn remove_unreported(
        &mut self,
        touched: Vec<Uuid>,
        receipts: &HashMap<Uuid, Vec<Receipt>>,
    ) -> Result<Vec<Uuid>, Error> {
        let is_unreported = |id: &Uuid| {
            receipts.get(id).is_none_or(Vec::is_empty)
                && self.entries.get(id).is_some_and(LedgerEntry::is_unreported)
        };
        let candidates: Vec<Uuid> = touched
            .iter()
            .filter(|id| is_unreported(id))
            .copied()
            .collect();
        if candidates.is_empty() {
            return Ok(touched);
        }
        let mut gone = Vec::new();
        for id in candidates {
            if !self.is_registered(id.into()).await? {
                self.remove(id).await?;
                gone.push(id);
            }
        }
        Ok(touched
            .into_iter()
            .filter(|id| !gone.contains(id))
            .collect())
    }

    async fn remove(&mut self, id: Uuid) -> Result<(), Error> {
        let Some(entry) = self.entries.remove(&id) else {
            return Ok(());
        };
        self.absent.insert(id);
        self.id_counts.remove(&id);
        self.count_removal(id, entry.before.as_ref()).await?;
        let transaction = &self.transaction;
        provider_id_row::Entity::delete_many()
            .filter(provider_id_row::Column::Message.eq(id))
            .exec(transaction)
            .await?;
        id_conflict_row::Entity::delete_many()
            .filter(
                id_conflict_row::Column::Message
                    .eq(id)
                    .or(id_conflict_row::Column::Claimant.eq(id)),
            )
            .exec(transaction)
            .await?;
        merged_message_row::Entity::delete_many()
            .filter(merged_message_row::Column::Survivor.eq(id))
            .exec(transaction)
            .await?;
        message_row::Entity::delete_by_id(id)
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Subtracts a deleted or merged message from the counts, and records its stored state. Does
    /// nothing for one that this ledger created.
    pub(super) async fn count_removal(
        &mut self,
        id: Uuid,
        before: Option<&message_row::Model>,
    ) -> Result<(), Error> {
        let Some(before) = before else {
            return Ok(());
        };
        self.removed.push((id.into(), before.state));
        let mut differences = Differences::default();
        differences.note(Some(before), None);
        count_sums::write(&self.transaction, differences).await
    }
}
