//! The numbers of the dashboard: read from rollups and narrow indexes, never from the whole table.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use crate::db::{Error, instant};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::callbacks::Outcome;
use crate::store::entities::{accounts, callback_outcomes, message_counts, messages, quarantine};
use crate::store::messages::in_conflict;
use crate::store::put_aside::{callback_is_aside, message_is_aside};

/// Messages of one account by state.
pub type CountsByState = BTreeMap<DeliveryState, i64>;

/// What the overview counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Sent by us, per account and state.
    pub sent: BTreeMap<AccountId, CountsByState>,
    /// Accepted in dry-run and never handed over, per account and state.
    pub dry_run: BTreeMap<AccountId, CountsByState>,
    /// Sent elsewhere and observed, per account and state.
    pub observed: BTreeMap<AccountId, CountsByState>,
    /// Failures of what was sent by us, by account and code; the code is empty where none was given.
    pub failures: BTreeMap<(AccountId, String), i64>,
}

/// How many things need a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    /// Reports that match no message.
    pub orphans: u64,
    /// On the phone and reported as failed.
    pub conflicts: u64,
    /// Ids that two sent messages claim.
    pub id_conflicts: u64,
    /// Handed over, and silence since.
    pub overdue: u64,
    /// Handed over, outcome unknown.
    pub uncertain: u64,
    /// Callbacks that could not be understood, in whole or in part.
    pub quarantine: u64,
    /// Callbacks that failed authentication.
    pub unverified: u64,
    /// Accounts that do not send.
    pub paused_accounts: u64,
}

impl Store {
    /// Counts of messages created at or after `since`, to the quarter hour.
    pub async fn count_messages(&self, since: DateTime<Utc>) -> Result<Counts, Error> {
        let rows: Vec<(AccountId, Origin, DeliveryState, String, i64)> =
            message_counts::Entity::find()
                .select_only()
                .column(message_counts::Column::Account)
                .column(message_counts::Column::Origin)
                .column(message_counts::Column::State)
                .column(message_counts::Column::Code)
                .column_as(
                    Expr::col(message_counts::Column::Messages)
                        .sum()
                        .cast_as("bigint"),
                    "messages",
                )
                .filter(message_counts::Column::Bucket.gte(instant::write(since)))
                .group_by(message_counts::Column::Account)
                .group_by(message_counts::Column::Origin)
                .group_by(message_counts::Column::State)
                .group_by(message_counts::Column::Code)
                .order_by_asc(message_counts::Column::Account)
                .into_tuple()
                .all(self.pools().reader())
                .await?;
        let mut counts = Counts::default();
        for (account, origin, state, code, number) in rows {
            let column = match origin {
                Origin::Api => &mut counts.sent,
                Origin::Observed => &mut counts.observed,
                Origin::DryRun => &mut counts.dry_run,
                Origin::Orphan => continue,
            };
            *column
                .entry(account.clone())
                .or_default()
                .entry(state)
                .or_default() += number;
            if state == DeliveryState::Failed && origin == Origin::Api {
                *counts.failures.entry((account, code)).or_default() += number;
            }
        }
        Ok(counts)
    }

    /// Accounts that have messages of which nothing was heard in time.
    pub async fn list_silent_accounts(
        &self,
        now: DateTime<Utc>,
    ) -> Result<BTreeSet<AccountId>, Error> {
        let accounts: Vec<AccountId> = overdue(now)
            .select_only()
            .column(messages::Column::Account)
            .distinct()
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(accounts.into_iter().collect())
    }

    /// Counts of what needs a person.
    pub async fn count_problems(&self, now: DateTime<Utc>) -> Result<Problems, Error> {
        let reader = self.pools().reader();
        let outcome = |outcome: Outcome| {
            callback_outcomes::Entity::find().filter(callback_outcomes::Column::Outcome.eq(outcome))
        };
        Ok(Problems {
            orphans: provisional()
                .filter(message_is_aside().not())
                .count(reader)
                .await?,
            conflicts: conflicts()
                .filter(message_is_aside().not())
                .count(reader)
                .await?,
            id_conflicts: self.count_id_conflicts().await?,
            overdue: overdue(now).count(reader).await?,
            uncertain: uncertain().count(reader).await?,
            quarantine: quarantine::Entity::find()
                .filter(callback_is_aside().not())
                .select_only()
                .column(quarantine::Column::Callback)
                .distinct()
                .count(reader)
                .await?,
            unverified: outcome(Outcome::Unverified).count(reader).await?,
            paused_accounts: accounts::Entity::find()
                .filter(accounts::Column::PausedAt.is_not_null())
                .count(reader)
                .await?,
        })
    }
}

/// What was sent again is settled: it keeps its truth and needs nobody.
fn open() -> Select<messages::Entity> {
    messages::Entity::find()
        .filter(messages::Column::Origin.ne(Origin::Orphan))
        .filter(messages::Column::ResentAs.is_null())
}

/// Reports that match no message.
pub(crate) fn provisional() -> Select<messages::Entity> {
    messages::Entity::find().filter(messages::Column::Origin.eq(Origin::Orphan))
}

/// On the phone and reported as failed.
pub(crate) fn conflicts() -> Select<messages::Entity> {
    open().filter(in_conflict())
}

/// Handed over, and silence since.
pub(crate) fn overdue(now: DateTime<Utc>) -> Select<messages::Entity> {
    open().filter(messages::Column::DueAt.lte(instant::write(now)))
}

/// Handed over by us, outcome unknown, and not sent again. Of what was sent elsewhere nothing left us.
pub(crate) fn uncertain() -> Select<messages::Entity> {
    open()
        .filter(messages::Column::Origin.eq(Origin::Api))
        .filter(messages::Column::State.eq(DeliveryState::Uncertain))
}
