//! Forgets ids learned from callbacks, for replay, unmatch and rebuild.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, IntoColumnRef};
use sea_orm::{Condition, EntityTrait, ExprTrait, QueryFilter};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::callback_record::JournalPosition;
use crate::domain::ids::MessageId;
use crate::domain::message::MatchedBy;
use crate::store::entities::{id_conflict_row, provider_id_row};
use crate::store::ledger::learned_ids::is_from_callback;
use crate::store::ledger::message_ledger::Ledger;

/// The first `seq` of a journal from which nothing was purged.
pub(super) const FIRST_SEQ: i64 = 1;

/// Which learned ids are forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) enum ForgetScope<'a> {
    /// Those of these messages that were learned at these times.
    Messages(&'a [Uuid], &'a HashSet<i64>),
    /// Those from callbacks that the journal still holds.
    Since(JournalPosition),
}

impl ForgetScope<'_> {
    fn condition(self, message: impl IntoColumnRef, at: impl IntoColumnRef) -> Condition {
        let (message, at) = (Expr::col(message), Expr::col(at));
        match self {
            Self::Messages(messages, times) => Condition::all()
                .add(message.is_in(messages.iter().copied()))
                .add(at.is_in(times.iter().copied())),
            Self::Since(start) => {
                let first = instant::to_millis(start.received_at);
                // A purged callback may have arrived within the same millisecond as the first kept.
                Condition::all().add(if start.seq == FIRST_SEQ {
                    at.gte(first)
                } else {
                    at.gt(first)
                })
            }
        }
    }
}

impl Ledger {
    /// Deletes ids and claims learned from callbacks. Those from replies and registrations stay.
    pub(super) async fn forget_ids(&mut self, scope: ForgetScope<'_>) -> Result<(), Error> {
        self.write_bindings().await?;
        self.write_conflicts().await?;
        provider_id_row::Entity::delete_many()
            .filter(is_from_callback())
            .filter(scope.condition(
                provider_id_row::Column::Message,
                provider_id_row::Column::LearnedAt,
            ))
            .exec(&self.transaction)
            .await?;
        id_conflict_row::Entity::delete_many()
            .filter(is_from_callback())
            .filter(scope.condition(
                id_conflict_row::Column::Claimant,
                id_conflict_row::Column::SeenAt,
            ))
            .exec(&self.transaction)
            .await?;
        self.holders.clear();
        self.uncertain_ids.clear();
        Ok(())
    }

    /// Forgets what messages learned from callbacks received at these times, and that they were
    /// matched by recipient.
    pub async fn forget_learned_ids(
        &mut self,
        messages: &[MessageId],
        times: &HashSet<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.load(messages).await?;
        let times: HashSet<i64> = times.iter().copied().map(instant::to_millis).collect();
        let ids: Vec<Uuid> = messages.iter().map(|id| id.uuid()).collect();
        for chunk in ids.chunks(IDS_PER_QUERY) {
            self.forget_ids(ForgetScope::Messages(chunk, &times))
                .await?;
        }
        for id in ids {
            self.id_counts.remove(&id);
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            entry.mark_ids_changed();
            if entry.row.matched_by == Some(MatchedBy::Recipient) {
                entry.row.matched_by = None;
            }
        }
        Ok(())
    }

    /// Removes how a loaded message was matched.
    pub fn forget_match(&mut self, id: MessageId) -> Result<(), Error> {
        self.edit(id, |row| row.matched_by = None)
    }
}
