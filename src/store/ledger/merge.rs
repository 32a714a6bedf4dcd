//! Merges two messages that turn out to be one.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::ids::MessageId;
use crate::store::entities::{merged_message_row, message_row, provider_id_row, receipt_row};
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// Merges a loaded message into another one. From now on the id of `gone` redirects to the
    /// survivor.
    pub async fn merge_into(&mut self, gone: MessageId, survivor: MessageId) -> Result<(), Error> {
        let (gone, survivor) = (gone.uuid(), survivor.uuid());
        self.write_bindings().await?;
        let transaction = &self.transaction;
        receipt_row::Entity::update_many()
            .col_expr(receipt_row::Column::Message, survivor.into())
            .filter(receipt_row::Column::Message.eq(gone))
            .exec(transaction)
            .await?;
        provider_id_row::Entity::update_many()
            .col_expr(provider_id_row::Column::Message, survivor.into())
            .filter(provider_id_row::Column::Message.eq(gone))
            .exec(transaction)
            .await?;
        merged_message_row::Entity::update_many()
            .col_expr(merged_message_row::Column::Survivor, survivor.into())
            .filter(merged_message_row::Column::Survivor.eq(gone))
            .exec(transaction)
            .await?;
        let record = merged_message_row::Model {
            id: gone,
            survivor,
            merged_at: instant::to_millis(self.now),
        };
        let on_second_merge = OnConflict::column(merged_message_row::Column::Id)
            .update_columns([
                merged_message_row::Column::Survivor,
                merged_message_row::Column::MergedAt,
            ])
            .to_owned();
        merged_message_row::Entity::insert(record.into_active_model())
            .on_conflict(on_second_merge)
            .exec_without_returning(transaction)
            .await?;
        message_row::Entity::delete_by_id(gone)
            .exec(transaction)
            .await?;
        self.absent.insert(gone);
        // The next binding counts the survivor's ids again.
        self.id_counts.remove(&gone);
        self.id_counts.remove(&survivor);
        for holder in self.holders.values_mut().flat_map(HashMap::values_mut) {
            if *holder == Some(gone) {
                *holder = Some(survivor);
            }
        }
        let Some(merged) = self.entries.remove(&gone) else {
            return Ok(());
        };
        self.merges.push((gone, survivor));
        self.count_removal(gone, merged.before.as_ref()).await?;
        let entry = self.entry(survivor.into())?;
        entry.mark_ids_changed();
        entry.new_receipts.extend(merged.new_receipts);
        if entry.row.recipient.is_none() {
            entry.row.recipient = merged.row.recipient;
            entry.row.recipient_reversed = merged.row.recipient_reversed;
        }
        Ok(())
    }

    /// The message itself, or the one that this ledger merged it into.
    pub fn current(&self, id: MessageId) -> MessageId {
        let mut current = id.uuid();
        for (gone, survivor) in &self.merges {
            if *gone == current {
                current = *survivor;
            }
        }
        current.into()
    }

    /// The message that this one was merged into.
    pub async fn survivor(&self, id: MessageId) -> Result<Option<MessageId>, Error> {
        survivor(&self.transaction, id).await
    }

    /// Removes the redirects of merged messages that this ledger created again.
    pub async fn unmerge_recreated(&self) -> Result<(), Error> {
        let created: Vec<Uuid> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.before.is_none())
            .map(|(id, _)| *id)
            .collect();
        for chunk in created.chunks(IDS_PER_QUERY) {
            merged_message_row::Entity::delete_many()
                .filter(merged_message_row::Column::Id.is_in(chunk.iter().copied()))
                .exec(&self.transaction)
                .await?;
        }
        Ok(())
    }
}

/// See [`Ledger::survivor`].
pub(crate) async fn survivor(
    connection: &impl ConnectionTrait,
    id: MessageId,
) -> Result<Option<MessageId>, Error> {
    let row = merged_message_row::Entity::find_by_id(id.uuid())
        .one(connection)
        .await?;
    Ok(row.map(|row| row.survivor.into()))
}
