//! Provenance of ids: from which callback a message got which id.
//!
//! An id or a claim stores the receive time of the first callback that named it. Account and time
//! identify that callback, or the few that arrived within the same millisecond.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::store::entities::id_conflict_row;
use crate::store::entities::provider_id_row::{self, IdSource};
use crate::store::ledger::message_ledger::Ledger;

/// The ids that a callback names, as it is parsed now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackIds<'a> {
    pub account: &'a AccountId,
    pub received_at: DateTime<Utc>,
    pub ids: HashSet<&'a ProviderMessageId>,
}

impl CallbackIds<'_> {
    /// Whether the id may have been learned from this callback and still would be. Never true for a
    /// claim: a callback names a claimed id in either case, so only reprocessing decides.
    pub fn includes(&self, learned: &LearnedId) -> bool {
        learned.relation == IdRelation::Holds
            && *self.account == learned.account
            && instant::to_millis(self.received_at) == learned.at
            && self.ids.iter().any(|id| id.as_str() == learned.provider_id)
    }
}

/// An id that a message holds or claims because a callback named it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LearnedId {
    pub(super) account: AccountId,
    /// The receive time of the callback, in milliseconds.
    pub(super) at: i64,
    provider_id: String,
    message: Uuid,
    relation: IdRelation,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum IdRelation {
    Holds,
    /// Another message holds it.
    Claims,
}

impl LearnedId {
    pub fn message(&self) -> MessageId {
        self.message.into()
    }
}

/// Selects rows learned from callbacks. The value is part of the SQL text: a partial index covers
/// it.
pub(super) fn is_from_callback() -> SimpleExpr {
    Expr::cust(format!("learned_from = '{}'", IdSource::Callback.as_str()))
}

impl Ledger {
    /// Ids and claims that were learned when one of these callbacks was received, and that none of
    /// them names now.
    pub async fn list_stale_ids(
        &self,
        callbacks: &[CallbackIds<'_>],
    ) -> Result<Vec<LearnedId>, Error> {
        let mut times: BTreeMap<&AccountId, BTreeSet<i64>> = BTreeMap::new();
        for callback in callbacks {
            let of_account = times.entry(callback.account).or_default();
            of_account.insert(instant::to_millis(callback.received_at));
        }
        let mut stale = Vec::new();
        for (account, times) in times {
            for chunk in Vec::from_iter(times).chunks(IDS_PER_QUERY) {
                let ids = provider_id_row::Column::Account
                    .eq(account)
                    .and(provider_id_row::Column::LearnedAt.is_in(chunk.iter().copied()));
                let claims = id_conflict_row::Column::Account
                    .eq(account)
                    .and(id_conflict_row::Column::SeenAt.is_in(chunk.iter().copied()));
                stale.extend(self.list_learned_ids(ids, claims).await?);
            }
        }
        stale.retain(|learned| !callbacks.iter().any(|callback| callback.includes(learned)));
        Ok(stale)
    }

    pub(super) async fn list_learned_ids(
        &self,
        ids: SimpleExpr,
        claims: SimpleExpr,
    ) -> Result<Vec<LearnedId>, Error> {
        let held = provider_id_row::Entity::find()
            .filter(is_from_callback())
            .filter(ids)
            .all(&self.transaction)
            .await?;
        let claimed = id_conflict_row::Entity::find()
            .filter(is_from_callback())
            .filter(claims)
            .all(&self.transaction)
            .await?;
        let held = held.into_iter().map(|row| LearnedId {
            account: row.account,
            at: row.learned_at,
            provider_id: row.provider_id,
            message: row.message,
            relation: IdRelation::Holds,
        });
        let claimed = claimed.into_iter().map(|row| LearnedId {
            account: row.account,
            at: row.seen_at,
            provider_id: row.provider_id,
            message: row.claimant,
            relation: IdRelation::Claims,
        });
        Ok(held.chain(claimed).collect())
    }
}
