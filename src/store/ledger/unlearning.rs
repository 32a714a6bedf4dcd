//! Ids that callbacks taught and, read again, do not teach any more: which messages they tied together, and how those come apart.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::domain::delivery::SourceKind;
use crate::domain::ids::{AccountId, CallbackId, MessageId, ProviderMessageId};
use crate::domain::message::MatchedBy;
use crate::store::entities::{id_conflicts, merged_messages, provider_ids, receipts};
use crate::store::ledger::{LearnedFrom, Ledger};
use crate::store::receipts::IDS_PER_QUERY;
use crate::store::{Error, instant};

/// What a callback teaches as it is read now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lesson<'a> {
    /// Its account.
    pub account: &'a AccountId,
    /// When it was received: ids that it taught first bear this time.
    pub received_at: DateTime<Utc>,
    /// The ids that it names.
    pub ids: HashSet<&'a ProviderMessageId>,
}

impl Lesson<'_> {
    /// Whether it may be the one that taught an id first.
    fn may_have_taught(&self, row: &provider_ids::Model) -> bool {
        row.account == self.account.as_str() && row.learned_at == instant::write(self.received_at)
    }

    fn teaches(&self, row: &provider_ids::Model) -> bool {
        self.ids.iter().any(|id| id.as_str() == row.provider_id)
    }
}

impl Ledger {
    /// Of the messages whose facts were just retracted, those that hold an id which its teacher does not teach any more.
    pub async fn list_mistaught(&self, lessons: &[Lesson<'_>]) -> Result<Vec<MessageId>, Error> {
        let stripped: Vec<Uuid> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.stripped)
            .map(|(id, _)| *id)
            .collect();
        let mut mistaught = Vec::new();
        for chunk in stripped.chunks(IDS_PER_QUERY) {
            let rows = self.taught(chunk).await?;
            mistaught.extend(
                rows.iter()
                    .filter(|row| {
                        let mut teachers = lessons
                            .iter()
                            .filter(|lesson| lesson.may_have_taught(row))
                            .peekable();
                        teachers.peek().is_some() && !teachers.any(|lesson| lesson.teaches(row))
                    })
                    .map(|row| MessageId::from(row.message)),
            );
        }
        mistaught.sort();
        mistaught.dedup();
        Ok(mistaught)
    }

    /// The callbacks that told facts of these messages, in the order in which they came.
    pub async fn list_sources(&self, messages: &[MessageId]) -> Result<Vec<CallbackId>, Error> {
        let mut sources = Vec::new();
        for chunk in messages.chunks(IDS_PER_QUERY) {
            let rows: Vec<Uuid> = receipts::Entity::find()
                .select_only()
                .column(receipts::Column::Source)
                .distinct()
                .filter(receipts::Column::Message.is_in(chunk.iter().map(|id| id.uuid())))
                .filter(receipts::Column::SourceKind.eq(SourceKind::Callback.as_str()))
                .order_by_asc(receipts::Column::Source)
                .into_tuple()
                .all(&self.transaction)
                .await?;
            sources.extend(rows.into_iter().map(CallbackId::from));
        }
        Ok(sources)
    }

    /// Forgets the ids that callbacks received at these times taught of loaded messages, so that reading them again teaches what is right.
    pub async fn unlearn(
        &mut self,
        messages: &[MessageId],
        times: &HashSet<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.write_bindings().await?;
        let times: HashSet<i64> = times.iter().copied().map(instant::write).collect();
        let ids: Vec<Uuid> = messages.iter().map(|id| id.uuid()).collect();
        for chunk in ids.chunks(IDS_PER_QUERY) {
            for row in self.taught(chunk).await? {
                if times.contains(&row.learned_at) {
                    self.forget(&row).await?;
                }
            }
        }
        for id in ids {
            self.id_counts.remove(&id);
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            entry.touched = true;
            entry.renamed = true;
            if entry.row.matched_by.as_deref() == Some(MatchedBy::Recipient.as_str()) {
                entry.row.matched_by = None;
            }
        }
        self.holders.clear();
        Ok(())
    }

    /// Messages made now are no longer what they were merged into.
    pub async fn part_from_the_merged(&self) -> Result<(), Error> {
        let made: Vec<Uuid> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.before.is_none())
            .map(|(id, _)| *id)
            .collect();
        for chunk in made.chunks(IDS_PER_QUERY) {
            merged_messages::Entity::delete_many()
                .filter(merged_messages::Column::Id.is_in(chunk.iter().copied()))
                .exec(&self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Ids of these messages that callbacks taught.
    async fn taught(&self, messages: &[Uuid]) -> Result<Vec<provider_ids::Model>, Error> {
        let by_callback = LearnedFrom::Callback(self.now).as_str();
        Ok(provider_ids::Entity::find()
            .filter(provider_ids::Column::Message.is_in(messages.iter().copied()))
            .filter(provider_ids::Column::LearnedFrom.eq(by_callback))
            .all(&self.transaction)
            .await?)
    }

    async fn forget(&self, row: &provider_ids::Model) -> Result<(), Error> {
        provider_ids::Entity::delete_by_id((row.account.clone(), row.provider_id.clone()))
            .exec(&self.transaction)
            .await?;
        id_conflicts::Entity::delete_many()
            .filter(id_conflicts::Column::Account.eq(&row.account))
            .filter(id_conflicts::Column::ProviderId.eq(&row.provider_id))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }
}
