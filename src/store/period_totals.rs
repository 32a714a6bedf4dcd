//! Messages sent by us in a period, summed per account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::ids::AccountId;
use crate::domain::latency::Histogram;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::entities::message_count_row;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountTotals {
    pub states: BTreeMap<DeliveryState, i64>,
    /// Time from acceptance to `delivered`.
    pub time_to_delivered: Histogram,
}

impl AccountTotals {
    pub fn in_state(&self, state: DeliveryState) -> i64 {
        self.states.get(&state).copied().unwrap_or_default()
    }

    pub fn messages(&self) -> i64 {
        self.states.values().sum()
    }

    /// Messages of which at least one submission began.
    pub fn attempted(&self) -> i64 {
        self.messages()
            - self.in_state(DeliveryState::Queued)
            - self.in_state(DeliveryState::Cancelled)
    }

    pub fn add_states(&mut self, other: &Self) {
        for (state, messages) in &other.states {
            *self.states.entry(*state).or_default() += messages;
        }
    }

    pub fn failed(&self) -> i64 {
        self.in_state(DeliveryState::Failed)
    }
}

impl Store {
    /// Sums the quarter hours that begin in `from..to`.
    pub async fn sum_by_account(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<BTreeMap<AccountId, AccountTotals>, Error> {
        use message_count_row::Column as Count;
        let period = Period {
            from,
            to,
            account: None,
            limit: AccountLimit::default(),
        };
        let (from, to) = (instant::to_millis(from), instant::to_millis(to));
        let rows: Vec<(AccountId, DeliveryState, i64)> = message_count_row::Entity::find()
            .select_only()
            .column(Count::Account)
            .column(Count::State)
            .column_as(sum(Count::Messages), "messages")
            .filter(Count::Bucket.gte(from))
            .filter(Count::Bucket.lt(to))
            .filter(Count::Origin.eq(Origin::Api))
            .group_by(Count::Account)
            .group_by(Count::State)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let mut totals: BTreeMap<AccountId, AccountTotals> = BTreeMap::new();
        for (account, state, messages) in rows {
            totals
                .entry(account)
                .or_default()
                .states
                .insert(state, messages);
        }
        for sum in self.sum_latencies(&period, &[Stage::Delivered]).await? {
            let totals = totals.entry(sum.account).or_default();
            totals.time_to_delivered.add(sum.latency, sum.messages);
        }
        Ok(totals)
    }

    /// Submitted messages without any report, by account and quarter hour, from `since` on.
    pub async fn count_unanswered(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<(AccountId, DateTime<Utc>, i64)>, Error> {
        use message_count_row::Column;
        let rows: Vec<(AccountId, i64, i64)> = message_count_row::Entity::find()
            .select_only()
            .column(Column::Account)
            .column(Column::Bucket)
            .column_as(sum(Column::Messages), "messages")
            .filter(Column::Bucket.gte(instant::to_millis(since)))
            .filter(Column::Origin.eq(Origin::Api))
            .filter(Column::State.eq(DeliveryState::Submitted))
            .group_by(Column::Account)
            .group_by(Column::Bucket)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|(account, bucket, messages)| {
                let at = instant::from_millis("message_counts", "bucket", bucket)?;
                Ok((account, at, messages))
            })
            .collect()
    }
}

fn sum(column: impl ColumnTrait) -> Expr {
    Expr::expr(Func::sum(Expr::col(column))).cast_as("bigint")
}
