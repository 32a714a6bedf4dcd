//! Counts for the dashboard, from `message_counts` and partial indexes, never from the whole table.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect, Select,
};

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_outcome::Outcome;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::dismissals::{callback_is_dismissed, message_is_dismissed};
use crate::store::entities::{
    account_row, callback_outcome_row, message_row, quarantined_part_row, send_flow_row,
};
use crate::store::messages::list_query::in_conflict;
use crate::store::summed_counts::SumDetail;

pub type CountsByState = BTreeMap<DeliveryState, i64>;

/// The counts of the overview.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Sent by us.
    pub sent: BTreeMap<AccountId, CountsByState>,
    /// Accepted in dry-run and never submitted.
    pub dry_run: BTreeMap<AccountId, CountsByState>,
    /// Sent elsewhere.
    pub observed: BTreeMap<AccountId, CountsByState>,
    /// Failures of messages sent by us, by account and code. A missing code is empty.
    pub failures: BTreeMap<(AccountId, String), i64>,
}

/// What needs attention.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    /// Reports without a message.
    pub orphans: u64,
    /// Delivered and reported as failed.
    pub conflicts: u64,
    /// Provider ids that two sent messages claim.
    pub id_conflicts: u64,
    /// Submitted, with no report within the deadline.
    pub overdue: u64,
    pub uncertain: u64,
    /// Callbacks with an unparsed part.
    pub quarantine: u64,
    pub unverified: u64,
    pub paused_accounts: u64,
    pub tripped_accounts: u64,
}

impl Store {
    /// Counts messages whose `counted_at` is at or after `since`, to the quarter hour.
    pub async fn count_messages(&self, since: DateTime<Utc>) -> Result<Counts, Error> {
        self.count_messages_within(since, DateTime::<Utc>::MAX_UTC)
            .await
    }

    /// Counts messages whose `counted_at` is in `since..until`, to the quarter hour.
    pub async fn count_messages_within(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Counts, Error> {
        let period = Period {
            from: since,
            to: until,
            account: None,
            limit: AccountLimit::default(),
        };
        let mut counts = Counts::default();
        for sum in self
            .sum_states(&period, &[since], SumDetail::Totals)
            .await?
        {
            let (account, origin, state, number) =
                (sum.account, sum.origin, sum.state, sum.messages);
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
                *counts.failures.entry((account, sum.code)).or_default() += number;
            }
        }
        Ok(counts)
    }

    pub async fn list_overdue_accounts(
        &self,
        now: DateTime<Utc>,
    ) -> Result<BTreeSet<AccountId>, Error> {
        let accounts: Vec<AccountId> = overdue(now)
            .select_only()
            .column(message_row::Column::Account)
            .distinct()
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(accounts.into_iter().collect())
    }

    pub async fn count_problems(&self, now: DateTime<Utc>) -> Result<Problems, Error> {
        let reader = self.pools().reader();
        Ok(Problems {
            orphans: orphans()
                .filter(message_is_dismissed().not())
                .count(reader)
                .await?,
            conflicts: conflicts()
                .filter(message_is_dismissed().not())
                .count(reader)
                .await?,
            id_conflicts: self.count_id_conflicts().await?,
            overdue: overdue(now).count(reader).await?,
            uncertain: uncertain().count(reader).await?,
            quarantine: self.count_quarantined().await?,
            unverified: callback_outcome_row::Entity::find()
                .filter(callback_outcome_row::Column::Outcome.eq(Outcome::Unverified))
                .count(reader)
                .await?,
            paused_accounts: account_row::Entity::find()
                .filter(account_row::Column::PausedAt.is_not_null())
                .count(reader)
                .await?,
            tripped_accounts: send_flow_row::Entity::find()
                .filter(send_flow_row::Column::TrippedAt.is_not_null())
                .count(reader)
                .await?,
        })
    }

    /// Callbacks with parts that could not be parsed and that no operator has dismissed.
    pub async fn count_quarantined(&self) -> Result<u64, Error> {
        let parts = quarantined_part_row::Entity::find()
            .filter(callback_is_dismissed().not())
            .select_only()
            .column(quarantined_part_row::Column::Callback)
            .distinct();
        Ok(parts.count(self.pools().reader()).await?)
    }
}

/// Messages that may need attention: not orphans, and not resent.
fn unresolved() -> Select<message_row::Entity> {
    message_row::Entity::find()
        .filter(message_row::Column::Origin.ne(Origin::Orphan))
        .filter(message_row::Column::ResentAs.is_null())
}

fn orphans() -> Select<message_row::Entity> {
    message_row::Entity::find().filter(message_row::Column::Origin.eq(Origin::Orphan))
}

fn conflicts() -> Select<message_row::Entity> {
    unresolved().filter(in_conflict())
}

fn overdue(now: DateTime<Utc>) -> Select<message_row::Entity> {
    unresolved().filter(message_row::Column::DueAt.lte(instant::to_millis(now)))
}

fn uncertain() -> Select<message_row::Entity> {
    unresolved()
        .filter(message_row::Column::Origin.eq(Origin::Api))
        .filter(message_row::Column::State.eq(DeliveryState::Uncertain))
}
