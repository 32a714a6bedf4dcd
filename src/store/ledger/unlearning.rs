//! Forgetting what callbacks taught, so that reading them again teaches what is right: the one way for a replay, an undone match and a rebuild.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, IntoColumnRef};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::callback_record::JournalPosition;
use crate::domain::ids::MessageId;
use crate::domain::message::MatchedBy;
use crate::store::entities::{id_conflicts, merged_messages, provider_ids};
use crate::store::ledger::Ledger;
use crate::store::ledger::rebuild::FIRST_SEQ;
use crate::store::ledger::teaching::by_callback;

/// Which of what callbacks taught is forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lapse<'a> {
    /// Of these messages, what callbacks received at these times taught.
    Of(&'a [Uuid], &'a HashSet<i64>),
    /// Whatever came from callbacks that the journal still holds.
    Since(JournalPosition),
}

impl Lapse<'_> {
    fn condition(self, message: impl IntoColumnRef, at: impl IntoColumnRef) -> Condition {
        let (message, at) = (Expr::col(message), Expr::col(at));
        match self {
            Self::Of(messages, times) => Condition::all()
                .add(message.is_in(messages.iter().copied()))
                .add(at.is_in(times.iter().copied())),
            Self::Since(start) => {
                let horizon = instant::write(start.received_at);
                // A callback that was purged may have come within the same millisecond as the first that was not.
                Condition::all().add(if start.seq == FIRST_SEQ {
                    at.gte(horizon)
                } else {
                    at.gt(horizon)
                })
            }
        }
    }
}

impl Ledger {
    /// Forgets ids and claims that callbacks taught. What replies and registrations taught stays.
    pub(super) async fn forget(&mut self, lapse: Lapse<'_>) -> Result<(), Error> {
        self.write_bindings().await?;
        self.write_conflicts().await?;
        let (ids, claims) = (
            lapse.condition(
                provider_ids::Column::Message,
                provider_ids::Column::LearnedAt,
            ),
            lapse.condition(id_conflicts::Column::Claimant, id_conflicts::Column::SeenAt),
        );
        provider_ids::Entity::delete_many()
            .filter(by_callback())
            .filter(ids)
            .exec(&self.transaction)
            .await?;
        id_conflicts::Entity::delete_many()
            .filter(by_callback())
            .filter(claims)
            .exec(&self.transaction)
            .await?;
        self.holders.clear();
        Ok(())
    }

    /// Forgets what callbacks received at these times taught of messages, and that their recipient matched them.
    pub async fn unlearn(
        &mut self,
        messages: &[MessageId],
        times: &HashSet<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.load(messages).await?;
        let times: HashSet<i64> = times.iter().copied().map(instant::write).collect();
        let ids: Vec<Uuid> = messages.iter().map(|id| id.uuid()).collect();
        for chunk in ids.chunks(IDS_PER_QUERY) {
            self.forget(Lapse::Of(chunk, &times)).await?;
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
}
