//! Messages sent by us in a period, summed per account.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::latency::{Histogram, LatencySpan};
use crate::domain::message::Origin;
use crate::domain::state_totals::StateTotals;
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::entities::{message_count_row, message_row};
use crate::store::summed_counts::SumDetail;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountTotals {
    pub states: StateTotals,
    /// The time from acceptance to `delivered`.
    pub time_to_delivered: Histogram,
    /// The time from submission to `delivered`, without the time in our queue.
    pub delivery_time: Histogram,
}

impl Store {
    /// Sums the quarter hours that begin in `from..to`.
    pub async fn sum_by_account(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<BTreeMap<AccountId, AccountTotals>, Error> {
        let period = Period {
            from,
            to,
            account: None,
            limit: AccountLimit::default(),
        };
        let mut totals: BTreeMap<AccountId, AccountTotals> = BTreeMap::new();
        for sum in self.sum_states(&period, &[from], SumDetail::Totals).await? {
            if sum.origin == Origin::Api {
                let of_account = totals.entry(sum.account).or_default();
                of_account.states.add(sum.state, &sum.code, sum.messages);
            }
        }
        let spans = [LatencySpan::Delivered, LatencySpan::SubmittedToDelivered];
        for sum in self.sum_latencies(&period, &[from], &spans).await? {
            let totals = totals.entry(sum.account).or_default();
            let times = match sum.span {
                LatencySpan::SubmittedToDelivered => &mut totals.delivery_time,
                _ => &mut totals.time_to_delivered,
            };
            times.add_all(&sum.histogram);
        }
        Ok(totals)
    }

    /// Whether a message of the account that was created in the period is submitted, without any
    /// report.
    pub async fn has_unreported(
        &self,
        account: &AccountId,
        period: Range<DateTime<Utc>>,
    ) -> Result<bool, Error> {
        use message_row::Column;
        let unreported = message_row::Entity::find()
            .filter(Column::Account.eq(account))
            .filter(Column::State.eq(DeliveryState::Submitted))
            .filter(Column::CreatedAt.gte(instant::to_millis(period.start)))
            .filter(Column::CreatedAt.lt(instant::to_millis(period.end)))
            .filter(Column::Origin.eq(Origin::Api));
        Ok(unreported.one(self.pools().reader()).await?.is_some())
    }

    /// Submitted messages without any report, by account and quarter hour, from `since` on.
    pub async fn count_unreported(
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
