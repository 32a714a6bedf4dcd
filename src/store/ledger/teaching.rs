//! Which callbacks told what is known of messages: facts, ids, and claims on ids that other messages hold.
//!
//! An id or a claim bears the time at which the callback that told it first was received; that time and the account lead back to the callback.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, CallbackId, MessageId, ProviderMessageId};
use crate::domain::receipt::SourceKind;
use crate::store::callbacks::first_callback_at;
use crate::store::entities::{callback_outcomes, id_conflicts, provider_ids, receipts};
use crate::store::ledger::{LearnedFrom, Ledger};

/// Instants in one query, each a range of ids: SQLite bounds how deep a condition may be.
const INSTANTS_PER_QUERY: usize = 100;

/// What a callback teaches as it is read now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lesson<'a> {
    /// Its account.
    pub account: &'a AccountId,
    /// When it was received: what it taught first bears this time.
    pub received_at: DateTime<Utc>,
    /// The ids that it names.
    pub ids: HashSet<&'a ProviderMessageId>,
}

impl Lesson<'_> {
    /// Whether it is one that may have taught this first, and still does. Of a claim only reading it again tells: it names the id in either case.
    pub fn teaches(&self, taught: &Taught) -> bool {
        taught.hold == Hold::Held
            && self.account.as_str() == taught.account
            && instant::write(self.received_at) == taught.at
            && self.ids.iter().any(|id| id.as_str() == taught.provider_id)
    }
}

/// That a message holds or claims an id, as a callback told it first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Taught {
    account: String,
    at: i64,
    provider_id: String,
    message: Uuid,
    hold: Hold,
}

/// What an id is to a message that was told to have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Hold {
    Held,
    /// Another message holds it.
    Claimed,
}

impl Taught {
    /// The message.
    pub fn message(&self) -> MessageId {
        self.message.into()
    }
}

/// The callbacks behind what is known of messages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// Those that told facts.
    pub told: BTreeSet<CallbackId>,
    /// Those received when an id or a claim was told first.
    pub may_have_taught: BTreeSet<CallbackId>,
    /// Whether something was told by a callback of which nothing is known any more.
    pub some_forgotten: bool,
}

impl Sources {
    /// Each once, in the order in which they came.
    pub fn all(&self) -> Vec<CallbackId> {
        self.told.union(&self.may_have_taught).copied().collect()
    }
}

/// Only what callbacks taught. Written out rather than bound: the index of what they taught is found by it.
pub(super) fn by_callback() -> SimpleExpr {
    Expr::cust(format!("learned_from = '{}'", LearnedFrom::CALLBACK))
}

impl Ledger {
    /// What callbacks of these times taught and none of these lessons teaches now.
    pub async fn list_untaught(&self, lessons: &[Lesson<'_>]) -> Result<Vec<Taught>, Error> {
        let mut times: BTreeMap<&AccountId, BTreeSet<i64>> = BTreeMap::new();
        for lesson in lessons {
            let of_account = times.entry(lesson.account).or_default();
            of_account.insert(instant::write(lesson.received_at));
        }
        let mut untaught = Vec::new();
        for (account, times) in times {
            for chunk in Vec::from_iter(times).chunks(IDS_PER_QUERY) {
                let ids = provider_ids::Column::Account
                    .eq(account.as_str())
                    .and(provider_ids::Column::LearnedAt.is_in(chunk.iter().copied()));
                let claims = id_conflicts::Column::Account
                    .eq(account.as_str())
                    .and(id_conflicts::Column::SeenAt.is_in(chunk.iter().copied()));
                untaught.extend(self.list_taught(ids, claims).await?);
            }
        }
        untaught.retain(|taught| !lessons.iter().any(|lesson| lesson.teaches(taught)));
        Ok(untaught)
    }

    /// The callbacks that told what is known of these messages, and those that may have.
    pub async fn list_sources(&self, messages: &[MessageId]) -> Result<Sources, Error> {
        let mut sources = Sources::default();
        for chunk in messages.chunks(IDS_PER_QUERY) {
            let ids = || chunk.iter().map(|id| id.uuid());
            let told: Vec<Uuid> = receipts::Entity::find()
                .select_only()
                .column(receipts::Column::Source)
                .distinct()
                .filter(receipts::Column::Message.is_in(ids()))
                .filter(receipts::Column::SourceKind.eq(SourceKind::Callback.as_str()))
                .into_tuple()
                .all(&self.transaction)
                .await?;
            let taught = self
                .list_taught(
                    provider_ids::Column::Message.is_in(ids()),
                    id_conflicts::Column::Claimant.is_in(ids()),
                )
                .await?;
            let teachers = self.list_teachers(&taught).await?;
            sources.some_forgotten |= teachers.some_forgotten;
            sources.may_have_taught.extend(teachers.may_have_taught);
            sources.told.extend(told.into_iter().map(CallbackId::from));
        }
        Ok(sources)
    }

    /// The callbacks that may have taught this: those of the account that were received at that time.
    pub async fn list_teachers(&self, taught: &[Taught]) -> Result<Sources, Error> {
        let moments: BTreeSet<(&str, i64)> = taught
            .iter()
            .map(|taught| (taught.account.as_str(), taught.at))
            .collect();
        let mut sources = Sources::default();
        let mut found: HashSet<(String, i64)> = HashSet::new();
        for chunk in moments
            .iter()
            .copied()
            .collect::<Vec<_>>()
            .chunks(INSTANTS_PER_QUERY)
        {
            let mut received_then = Condition::any();
            for (account, at) in chunk {
                let at = instant::read("provider_ids", "learned_at", *at)?;
                let next = at + TimeDelta::milliseconds(1);
                received_then = received_then.add(
                    callback_outcomes::Column::Callback
                        .gte(first_callback_at(at))
                        .and(callback_outcomes::Column::Callback.lt(first_callback_at(next)))
                        .and(callback_outcomes::Column::Account.eq(*account)),
                );
            }
            let rows: Vec<(Uuid, String, i64)> = callback_outcomes::Entity::find()
                .select_only()
                .columns([
                    callback_outcomes::Column::Callback,
                    callback_outcomes::Column::Account,
                    callback_outcomes::Column::ReceivedAt,
                ])
                .filter(received_then)
                .into_tuple()
                .all(&self.transaction)
                .await?;
            for (callback, account, at) in rows {
                sources.may_have_taught.insert(callback.into());
                found.insert((account, at));
            }
        }
        sources.some_forgotten = moments
            .into_iter()
            .any(|(account, at)| !found.contains(&(account.to_owned(), at)));
        Ok(sources)
    }

    /// Ids and claims that callbacks taught, as far as these conditions go.
    async fn list_taught(&self, ids: SimpleExpr, claims: SimpleExpr) -> Result<Vec<Taught>, Error> {
        let held: Vec<(String, i64, String, Uuid)> = provider_ids::Entity::find()
            .select_only()
            .columns([
                provider_ids::Column::Account,
                provider_ids::Column::LearnedAt,
                provider_ids::Column::ProviderId,
                provider_ids::Column::Message,
            ])
            .filter(by_callback())
            .filter(ids)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let claimed: Vec<(String, i64, String, Uuid)> = id_conflicts::Entity::find()
            .select_only()
            .columns([
                id_conflicts::Column::Account,
                id_conflicts::Column::SeenAt,
                id_conflicts::Column::ProviderId,
                id_conflicts::Column::Claimant,
            ])
            .filter(by_callback())
            .filter(claims)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let held = held.into_iter().map(|row| (row, Hold::Held));
        let claimed = claimed.into_iter().map(|row| (row, Hold::Claimed));
        Ok(held
            .chain(claimed)
            .map(|((account, at, provider_id, message), hold)| Taught {
                account,
                at,
                provider_id,
                message,
                hold,
            })
            .collect())
    }
}
