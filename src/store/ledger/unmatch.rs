//! Taking back what a match taught a message, so that its callbacks can be read again without it.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::domain::delivery::SourceKind;
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::entities::{merged_messages, provider_ids};
use crate::store::ledger::{Entry, LearnedFrom, Ledger};
use crate::store::receipts::IDS_PER_QUERY;
use crate::store::{Error, instant};

impl Ledger {
    /// Forgets that a loaded message was matched, and the ids it learned from callbacks received at these instants.
    pub async fn forget_match(
        &mut self,
        id: MessageId,
        received: &[DateTime<Utc>],
    ) -> Result<(), Error> {
        let from_callback = LearnedFrom::Callback(self.now).as_str();
        for chunk in received.chunks(IDS_PER_QUERY) {
            let instants = chunk.iter().copied().map(instant::write);
            provider_ids::Entity::delete_many()
                .filter(provider_ids::Column::Message.eq(id.uuid()))
                .filter(provider_ids::Column::LearnedFrom.eq(from_callback))
                .filter(provider_ids::Column::LearnedAt.is_in(instants))
                .exec(&self.transaction)
                .await?;
        }
        let entry = self.entry(id)?;
        entry.row.matched_by = None;
        entry.touched = true;
        entry.renamed = true;
        Ok(())
    }

    /// Messages that lived on in this one answer for themselves again where they are heard of again; those that were `parted` from it lead here no more in any case.
    pub async fn release_merged(
        &mut self,
        survivor: MessageId,
        parted: &[MessageId],
    ) -> Result<(), Error> {
        let merged = merged_messages::Entity::find()
            .filter(merged_messages::Column::Survivor.eq(survivor.uuid()))
            .all(&self.transaction)
            .await?;
        let back = merged
            .into_iter()
            .map(|row| row.id)
            .filter(|id| self.entries.contains_key(id) || parted.contains(&(*id).into()));
        merged_messages::Entity::delete_many()
            .filter(merged_messages::Column::Id.is_in(back))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }

    /// The loaded messages that these callbacks told of as they were read now.
    pub fn list_told(&self, callbacks: &[CallbackId]) -> Vec<MessageId> {
        let told = |entry: &Entry| {
            entry.added.iter().any(|receipt| {
                receipt.source_kind == SourceKind::Callback
                    && callbacks.contains(&receipt.source.into())
            })
        };
        self.entries
            .iter()
            .filter(|(_, entry)| told(entry))
            .map(|(id, _)| (*id).into())
            .collect()
    }
}
