//! The callbacks from which messages got their receipts and ids.

use std::collections::{BTreeSet, HashSet};

use chrono::TimeDelta;
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::receipt::SourceKind;
use crate::store::entities::{callback_outcome_row, id_conflict_row, provider_id_row, receipt_row};
use crate::store::ledger::learned_ids::LearnedId;
use crate::store::ledger::message_ledger::Ledger;

/// Instants per query; each is a range of ids, and SQLite limits the depth of a condition.
const INSTANTS_PER_QUERY: usize = 100;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageSources {
    /// Callbacks that produced receipts.
    pub reporting: BTreeSet<CallbackId>,
    /// Callbacks that were received when an id or a claim was learned.
    pub learned_from_candidates: BTreeSet<CallbackId>,
    /// Whether an id was learned from a callback whose outcome is no longer stored.
    pub some_missing: bool,
}

impl MessageSources {
    /// All callbacks, each once, in the order in which they were received.
    pub fn all(&self) -> Vec<CallbackId> {
        self.reporting
            .union(&self.learned_from_candidates)
            .copied()
            .collect()
    }
}

impl Ledger {
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
        let instants: BTreeSet<(&AccountId, i64)> = learned
            .iter()
            .map(|learned| (&learned.account, learned.at))
            .collect();
        let instants = Vec::from_iter(instants);
        let mut sources = MessageSources::default();
        let mut found: HashSet<(AccountId, i64)> = HashSet::new();
        for chunk in instants.chunks(INSTANTS_PER_QUERY) {
            let mut received_then = Condition::any();
            for (account, at) in chunk {
                let at = instant::from_millis("provider_ids", "learned_at", *at)?;
                let next = at + TimeDelta::milliseconds(1);
                received_then = received_then.add(
                    callback_outcome_row::Column::Callback
                        .gte(CallbackId::first_at(at).uuid())
                        .and(
                            callback_outcome_row::Column::Callback
                                .lt(CallbackId::first_at(next).uuid()),
                        )
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
        sources.some_missing = instants
            .into_iter()
            .any(|(account, at)| !found.contains(&(account.clone(), at)));
        Ok(sources)
    }

    /// The loaded messages that got receipts from these callbacks in this ledger.
    pub fn list_reported(&self, callbacks: &BTreeSet<CallbackId>) -> Vec<MessageId> {
        self.entries
            .iter()
            .filter(|(_, entry)| {
                entry.new_receipts.iter().any(|receipt| {
                    receipt.source_kind == SourceKind::Callback
                        && callbacks.contains(&receipt.source.into())
                })
            })
            .map(|(id, _)| (*id).into())
            .collect()
    }
}
