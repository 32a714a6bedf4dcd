//! Taking facts back so that their source can be read again, and telling what a ledger would change.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::message::Origin;
use crate::domain::receipt::{Receipt, SourceKind};
use crate::store::entities::{
    id_conflict_row, merged_message_row, message_row, provider_id_row, quarantined_part_row,
    receipt_row,
};
use crate::store::ledger::message_ledger::{Ledger, LedgerEntry};

/// What a ledger made of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateChange {
    /// The message.
    pub message: MessageId,
    /// Its state before; absent when it did not exist.
    pub before: Option<DeliveryState>,
    /// Its state after; absent when it is gone.
    pub after: Option<DeliveryState>,
}

impl Ledger {
    /// Takes back every fact that these callbacks told, and what was kept of their unreadable parts; the messages are folded anew at the flush.
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
                .filter(quarantined_part_row::Column::Callback.is_in(sources))
                .exec(&self.transaction)
                .await?;
            let ids: Vec<MessageId> = touched.iter().copied().map(MessageId::from).collect();
            self.load(&ids).await?;
            for id in &touched {
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.touched = true;
                    entry.stripped = true;
                }
            }
        }
        Ok(())
    }

    /// Flushes what was done so far and forgets the rows, so that a long ledger holds little; tells which states changed.
    pub async fn settle(&mut self) -> Result<Vec<StateChange>, Error> {
        let merged: Vec<Uuid> = self.merges.iter().map(|(gone, _)| *gone).collect();
        let changes = self.flush().await?;
        self.changes.extend(changes);
        let mut differences = Vec::new();
        let mut removed: HashMap<MessageId, DeliveryState> =
            std::mem::take(&mut self.removed).into_iter().collect();
        for entry in std::mem::take(&mut self.entries).into_values() {
            let before = match &entry.before {
                Some(row) => Some(row.state),
                // It went and came again.
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
        for (id, before) in removed {
            differences.push(StateChange {
                message: id,
                before: Some(before),
                after: None,
            });
        }
        differences.retain(|one| one.before.is_some() || !merged.contains(&one.message.uuid()));
        self.absent.clear();
        self.id_counts.clear();
        self.holders.clear();
        self.merges.clear();
        Ok(differences)
    }

    /// Removes messages known only from callbacks that were left without any fact.
    pub(super) async fn remove_emptied(
        &mut self,
        touched: Vec<Uuid>,
        facts: &HashMap<Uuid, Vec<Receipt>>,
    ) -> Result<Vec<Uuid>, Error> {
        let emptied = |id: &Uuid| {
            facts.get(id).is_none_or(Vec::is_empty)
                && self.entries.get(id).is_some_and(LedgerEntry::is_left_over)
        };
        let candidates: Vec<Uuid> = touched.iter().filter(|id| emptied(id)).copied().collect();
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
        self.count_removal(entry.before.as_ref()).await?;
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
        self.note_removed(id, entry.before.as_ref());
        Ok(())
    }

    /// Records the last state of a deleted message, unless this ledger created it.
    pub(super) fn note_removed(&mut self, id: Uuid, before: Option<&message_row::Model>) {
        if let Some(before) = before {
            self.removed.push((id.into(), before.state));
        }
    }
}

impl LedgerEntry {
    /// Known only from callbacks, and robbed of facts.
    fn is_left_over(&self) -> bool {
        let heard_of = [Origin::Orphan, Origin::Observed];
        self.stripped && heard_of.contains(&self.row.origin)
    }
}
