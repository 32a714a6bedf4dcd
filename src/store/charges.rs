//! Counts of deliveries by what their cost depends on, and the messages whose deliveries need a
//! rate.

use std::ops::Range;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Order, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::campaign::CampaignId;
use crate::domain::charge::Charge;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::bucket_counts::{Period, interval_of};
use crate::store::entities::charge_count_row::{Column, Entity, Model};
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::message_row;
use crate::store::ledger::charge_counts;
use crate::store::ledger::message_counts::BUCKET_MILLIS;
use crate::store::period_parts;

/// Messages per query.
const PAGE_SIZE: u64 = 1000;

/// Deliveries that cost the same on one day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChargeCount {
    /// Absent for some observed messages.
    pub kind: Option<MediaKind>,
    pub campaign: Option<CampaignId>,
    pub charge: Charge,
    pub deliveries: i64,
}

/// The deliveries of one sender that need a rate, in one quarter hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuarterHourCount {
    /// Start of the quarter hour.
    pub start: DateTime<Utc>,
    pub deliveries: i64,
}

/// A message whose deliveries need a rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChargedMessage {
    pub id: MessageId,
    pub counted_at: DateTime<Utc>,
    pub kind: Option<MediaKind>,
    pub campaign: Option<CampaignId>,
    pub charge: Charge,
    pub deliveries: i64,
}

impl Store {
    /// Sums deliveries per interval and the columns of a charge. Intervals begin at `starts`, which
    /// are sorted quarter hours.
    pub async fn sum_charges(
        &self,
        period: &Period,
        starts: &[DateTime<Utc>],
        campaign: Option<&CampaignId>,
    ) -> Result<Vec<(usize, ChargeCount)>, Error> {
        let reader = self.pools().reader();
        let backend = reader.get_database_backend();
        let mut parts = period_parts::query(backend, period, starts);
        let names = "account, kind, campaign, sender, country, category, pricing_type, free, price, currency";
        let columns = format!("{names}, deliveries");
        let rows = match campaign {
            None => period_parts::sums_and_quarters("charge_sums", "charge_counts", &columns),
            Some(campaign) => {
                let parameter = parts.bind(campaign.into());
                // The condition of the partial index, which has quarter hours only.
                format!(
                    "SELECT interval_index, {columns} FROM parts CROSS JOIN charge_counts \
                     WHERE campaign = {parameter} AND campaign <> '' AND bucket >= since AND bucket < ending"
                )
            }
        };
        let sql = format!(
            "SELECT interval_index, CAST(0 AS bigint) AS bucket, {names}, CAST(SUM(deliveries) AS bigint) AS deliveries \
             FROM ({rows}) AS counted WHERE {} GROUP BY interval_index, {names} HAVING SUM(deliveries) <> 0 \
             ORDER BY interval_index, {names}",
            parts.accounts,
        );
        let rows = parts.run(reader, &sql).await?;
        rows.iter()
            .map(|row| {
                let count = charge_count(Model::from_query_result(row, "")?);
                Ok((interval_of(row)?, count))
            })
            .collect()
    }

    /// The senders of an account with deliveries that need a rate.
    pub async fn list_charged_senders(
        &self,
        period: &Period,
    ) -> Result<Vec<(AccountId, String)>, Error> {
        Ok(needing_rate(period)
            .select_only()
            .columns([Column::Account, Column::Sender])
            .distinct()
            .into_tuple()
            .all(self.pools().reader())
            .await?)
    }

    /// Oldest first.
    pub async fn list_charged_quarter_hours(
        &self,
        period: &Period,
        sender: &str,
    ) -> Result<Vec<QuarterHourCount>, Error> {
        let sum = Expr::col(Column::Deliveries).sum().cast_as("bigint");
        let rows: Vec<(i64, i64)> = needing_rate(period)
            .select_only()
            .column(Column::Bucket)
            .column_as(sum, "deliveries")
            .filter(Column::Sender.eq(sender))
            .group_by(Column::Bucket)
            .order_by_asc(Column::Bucket)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|(bucket, deliveries)| {
                Ok(QuarterHourCount {
                    start: instant::from_millis("charge_counts", "bucket", bucket)?,
                    deliveries,
                })
            })
            .collect()
    }

    /// The messages of one sender in the quarter hour that begins at `start` whose deliveries need
    /// a rate, oldest first, until they have `deliveries` deliveries.
    pub async fn list_charged_messages(
        &self,
        account: &AccountId,
        sender: &str,
        start: DateTime<Utc>,
        deliveries: i64,
    ) -> Result<Vec<ChargedMessage>, Error> {
        use message_row::Column;
        let first = instant::to_millis(start);
        let mut after = (first, Uuid::nil());
        let (mut charged, mut remaining) = (Vec::new(), deliveries);
        loop {
            let last = Expr::tuple([Expr::value(after.0), Expr::value(after.1)]);
            let rows = message_row::Entity::find()
                .filter(Column::Account.eq(account))
                .filter(is_counted_in(first..first + BUCKET_MILLIS))
                .filter(Expr::tuple([counted_at(), Expr::col(Column::Id)]).gt(last))
                .order_by(counted_at(), Order::Asc)
                .order_by_asc(Column::Id)
                .limit(PAGE_SIZE)
                .all(self.pools().reader())
                .await?;
            let Some(last) = rows.last() else {
                return Ok(charged);
            };
            after = (last.counted_at.unwrap_or(last.created_at), last.id);
            for row in rows {
                let charge = charge_counts::charge_of(&row);
                let needs_rate = row.origin != Origin::Orphan
                    && row.deliveries > 0
                    && charge.sender == sender
                    && charge.needs_rate();
                if !needs_rate {
                    continue;
                }
                remaining -= row.deliveries;
                charged.push(ChargedMessage {
                    id: row.id.into(),
                    counted_at: instant::from_millis(
                        "messages",
                        "counted_at",
                        row.counted_at.unwrap_or(row.created_at),
                    )?,
                    kind: row.kind,
                    campaign: row.campaign,
                    charge,
                    deliveries: row.deliveries,
                });
                if remaining <= 0 {
                    return Ok(charged);
                }
            }
        }
    }
}

/// The time at which statistics count a message.
fn counted_at() -> SimpleExpr {
    Expr::cust("COALESCE(counted_at, created_at)")
}

/// Two ranges, so that each uses its index.
fn is_counted_in(range: Range<i64>) -> Condition {
    use message_row::Column::{CountedAt, CreatedAt};
    let by_creation = CountedAt
        .is_null()
        .and(CreatedAt.gte(range.start))
        .and(CreatedAt.lt(range.end));
    let by_attempt = CountedAt.gte(range.start).and(CountedAt.lt(range.end));
    Condition::any().add(by_creation).add(by_attempt)
}

fn needing_rate(period: &Period) -> Select<Entity> {
    Entity::find()
        .filter(period.includes(Column::Bucket, Column::Account))
        .filter(Column::Free.eq(false))
        .filter(Column::Price.eq(""))
        .filter(Column::Deliveries.gt(0))
}

fn charge_count(row: Model) -> ChargeCount {
    let deliveries = row.deliveries;
    let ((_, _, OrEmpty(kind)), OrEmpty(campaign), charge) = charge_counts::key(row);
    ChargeCount {
        kind,
        campaign,
        charge,
        deliveries,
    }
}
