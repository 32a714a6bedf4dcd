//! Provenance of ids: from which callback a message got which id.
//!
//! An id or a claim stores the receive time of the first callback that named it. Account and time
//! lead back to that callback, or to the few that arrived within the same millisecond.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, CallbackId, MessageId, ProviderMessageId};
use crate::domain::receipt::SourceKind;
use crate::store::callback_outcomes::first_callback_at;
use crate::store::entities::provider_id_row::IdSource;
use crate::store::entities::{callback_outcome_row, id_conflict_row, provider_id_row, receipt_row};
use crate::store::ledger::message_ledger::Ledger;

/// Instants per query; each is a range of ids, and SQLite limits the depth of a condition.
const INSTANTS_PER_QUERY: usize = 100;

/// The ids that a callback names, as it is parsed now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackIds<'a> {
    pub account: &'a AccountId,
    pub received_at: DateTime<Utc>,
    pub ids: HashSet<&'a ProviderMessageId>,
}

impl CallbackIds<'_> {
    /// Whether the id may have been learned from this callback and still would be. Never true of a
    /// claim: a callback names a claimed id in either case, so only reprocessing decides.
    pub fn includes(&self, learned: &LearnedId) -> bool {
        learned.relation == IdRelation::Holds
            && *self.account == learned.account
            && instant::write(self.received_at) == learned.at
            && self.ids.iter().any(|id| id.as_str() == learned.provider_id)
    }
}

/// An id that a message holds or claims because a callback named it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LearnedId {
    account: AccountId,
    at: i64,
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

/// The callbacks from which messages got their receipts and ids.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageSources {
    /// Those with receipts.
    pub reporting: BTreeSet<CallbackId>,
    /// Those received when an id or a claim was learned.
    pub learned_from_candidates: BTreeSet<CallbackId>,
    /// Whether an id was learned from a callback whose outcome is not kept any more.
    pub some_missing: bool,
}

impl MessageSources {
    /// Each once, in the order in which they were received.
    pub fn all(&self) -> Vec<CallbackId> {
        self.reporting
            .union(&self.learned_from_candidates)
            .copied()
            .collect()
    }
}

/// Selects rows learned from callbacks. The word is part of the SQL text: a partial index covers it.
pub(super) fn is_from_callback() -> SimpleExpr {
    Expr::cust(format!("learned_from = '{}'", IdSource::Callback.as_str()))
}

impl Ledger {
    /// Ids and claims learned when one of these callbacks was received, and named by none of them
    /// now.
    pub async fn list_stale_ids(
        &self,
        callbacks: &[CallbackIds<'_>],
    ) -> Result<Vec<LearnedId>, Error> {
        let mut times: BTreeMap<&AccountId, BTreeSet<i64>> = BTreeMap::new();
        for callback in callbacks {
            let of_account = times.entry(callback.account).or_default();
            of_account.insert(instant::write(callback.received_at));
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

    /// The callbacks from which these messages got receipts, ids and claims.
    pub async fn list_sources(&self, messages: &[MessageId]) -> Result<MessageSources, Error> {
        let mut sources = MessageSources::default();
        for chunk in messages.chunks(IDS_PER_QUERY) {
            let ids = || chunk.iter().map(|id| id.uuid());
            let reporting: Vec<Uuid> = receipt_row::Entity::find()
                .select_only()
                .column(receipt_row::Column::Source)
                .distinct()
                .filter(receipt_row::Column::Message.is_in(ids()))
                .filter(receipt_row::Column::SourceKind.eq(SourceKind::Callback))
                .into_tuple()
                .all(&self.transaction)
                .await?;
            let learned = self
                .list_learned_ids(
                    provider_id_row::Column::Message.is_in(ids()),
                    id_conflict_row::Column::Claimant.is_in(ids()),
                )
                .await?;
            let candidates = self.list_learning_callbacks(&learned).await?;
            sources.some_missing |= candidates.some_missing;
            sources
                .learned_from_candidates
                .extend(candidates.learned_from_candidates);
            sources
                .reporting
                .extend(reporting.into_iter().map(CallbackId::from));
        }
        Ok(sources)
    }

    /// The callbacks from which these ids may have been learned: those of the account that were
    /// received at that time.
    pub async fn list_learning_callbacks(
        &self,
        learned: &[LearnedId],
    ) -> Result<MessageSources, Error> {
        let moments: BTreeSet<(&AccountId, i64)> = learned
            .iter()
            .map(|learned| (&learned.account, learned.at))
            .collect();
        let moments = Vec::from_iter(moments);
        let mut sources = MessageSources::default();
        let mut found: HashSet<(AccountId, i64)> = HashSet::new();
        for chunk in moments.chunks(INSTANTS_PER_QUERY) {
            let mut received_then = Condition::any();
            for (account, at) in chunk {
                let at = instant::read("provider_ids", "learned_at", *at)?;
                let next = at + TimeDelta::milliseconds(1);
                received_then = received_then.add(
                    callback_outcome_row::Column::Callback
                        .gte(first_callback_at(at))
                        .and(callback_outcome_row::Column::Callback.lt(first_callback_at(next)))
                        .and(callback_outcome_row::Column::Account.eq(*account)),
                );
            }
            let rows: Vec<(Uuid, AccountId, i64)> = callback_outcome_row::Entity::find()
                .select_only()
                .columns([
                    callback_outcome_row::Column::Callback,
                    callback_outcome_row::Column::Account,
                    callback_outcome_row::Column::ReceivedAt,
                ])
                .filter(received_then)
                .into_tuple()
                .all(&self.transaction)
                .await?;
            for (callback, account, at) in rows {
                sources.learned_from_candidates.insert(callback.into());
                found.insert((account, at));
            }
        }
        sources.some_missing = moments
            .into_iter()
            .any(|(account, at)| !found.contains(&(account.clone(), at)));
        Ok(sources)
    }

    async fn list_learned_ids(
        &self,
        ids: SimpleExpr,
        claims: SimpleExpr,
    ) -> Result<Vec<LearnedId>, Error> {
        let held: Vec<(AccountId, i64, String, Uuid)> = provider_id_row::Entity::find()
            .select_only()
            .columns([
                provider_id_row::Column::Account,
                provider_id_row::Column::LearnedAt,
                provider_id_row::Column::ProviderId,
                provider_id_row::Column::Message,
            ])
            .filter(is_from_callback())
            .filter(ids)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let claimed: Vec<(AccountId, i64, String, Uuid)> = id_conflict_row::Entity::find()
            .select_only()
            .columns([
                id_conflict_row::Column::Account,
                id_conflict_row::Column::SeenAt,
                id_conflict_row::Column::ProviderId,
                id_conflict_row::Column::Claimant,
            ])
            .filter(is_from_callback())
            .filter(claims)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let held = held.into_iter().map(|row| (row, IdRelation::Holds));
        let claimed = claimed.into_iter().map(|row| (row, IdRelation::Claims));
        Ok(held
            .chain(claimed)
            .map(
                |((account, at, provider_id, message), relation)| LearnedId {
                    account,
                    at,
                    provider_id,
                    message,
                    relation,
                },
            )
            .collect())
    }

    /// The loaded messages that got receipts from these callbacks in this ledger.
    pub fn list_reported(&self, callbacks: &BTreeSet<CallbackId>) -> Vec<MessageId> {
        self.entries
            .iter()
            .filter(|(_, entry)| {
                entry.added.iter().any(|receipt| {
                    receipt.source_kind == SourceKind::Callback
                        && callbacks.contains(&receipt.source.into())
                })
            })
            .map(|(id, _)| (*id).into())
            .collect()
    }
}
