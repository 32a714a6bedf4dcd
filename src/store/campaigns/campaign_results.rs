//! Results of the messages of a campaign: by state, by failure, and by delivery time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect, Select,
};

use crate::db::{Error, instant};
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::failure_codes;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::page_counts::CountsByState;

/// The delivery time in milliseconds, rounded down more coarsely the longer it is, so that there
/// are few groups.
const ROUNDED_TIME: &str = "CASE WHEN delivered_at - submitted_at < 10000 THEN (delivered_at - submitted_at) / 100 * 100 \
    WHEN delivered_at - submitted_at < 600000 THEN (delivered_at - submitted_at) / 1000 * 1000 \
    ELSE (delivered_at - submitted_at) / 60000 * 60000 END";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureGroup {
    pub class: Option<FailureClass>,
    pub code: Option<String>,
    pub messages: u64,
}

/// Messages by the time from the submission to the delivery, in milliseconds, rounded down.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeliveryTimes(BTreeMap<i64, u64>);

impl DeliveryTimes {
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// Messages that took less than `millis`.
    pub fn below(&self, millis: i64) -> u64 {
        self.0.range(..millis).map(|(_, messages)| messages).sum()
    }

    /// In milliseconds; absent without a delivery.
    pub fn percentile(&self, percent: u64) -> Option<i64> {
        let wanted = Ord::max((self.count() * percent).div_ceil(100), 1);
        let mut seen = 0;
        self.0.iter().find_map(|(millis, messages)| {
            seen += messages;
            (seen >= wanted).then_some(*millis)
        })
    }
}

impl Store {
    pub async fn count_campaign_states(&self, id: &CampaignId) -> Result<CountsByState, Error> {
        let rows: Vec<(DeliveryState, i64)> = Entity::find()
            .select_only()
            .column(Column::State)
            .column_as(Column::Id.count(), "messages")
            .filter(Column::Campaign.eq(id))
            .group_by(Column::State)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// Messages that failed in the queue, without an attempt.
    pub async fn count_failed_in_queue(&self, id: &CampaignId) -> Result<u64, Error> {
        let failed = Entity::find()
            .filter(Column::Campaign.eq(id))
            .filter(Column::State.eq(DeliveryState::Failed))
            .filter(Column::FailureCode.is_in(failure_codes::QUEUE_CODES));
        Ok(failed.count(self.pools().reader()).await?)
    }

    /// Most frequent first.
    pub async fn count_campaign_failures(
        &self,
        id: &CampaignId,
    ) -> Result<Vec<FailureGroup>, Error> {
        let rows: Vec<(Option<FailureClass>, Option<String>, i64)> = Entity::find()
            .select_only()
            .column(Column::FailureClass)
            .column(Column::FailureCode)
            .column_as(Column::Id.count(), "messages")
            .filter(Column::Campaign.eq(id))
            .filter(Column::State.eq(DeliveryState::Failed))
            .group_by(Column::FailureClass)
            .group_by(Column::FailureCode)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let mut groups: Vec<FailureGroup> = rows
            .into_iter()
            .map(|(class, code, messages)| FailureGroup {
                class,
                code,
                messages: u64::try_from(messages).unwrap_or_default(),
            })
            .collect();
        groups.sort_by(|one, other| {
            let by_number = other.messages.cmp(&one.messages);
            by_number.then_with(|| one.code.cmp(&other.code))
        });
        Ok(groups)
    }

    pub async fn list_delivery_times(&self, id: &CampaignId) -> Result<DeliveryTimes, Error> {
        let rows: Vec<(i64, i64)> = Entity::find()
            .select_only()
            .column_as(Expr::cust(ROUNDED_TIME), "millis")
            .column_as(Column::Id.count(), "messages")
            .filter(Column::Campaign.eq(id))
            .filter(Column::DeliveredAt.is_not_null())
            .filter(Column::SubmittedAt.is_not_null())
            .group_by(Expr::cust(ROUNDED_TIME))
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let mut times = DeliveryTimes::default();
        for (millis, messages) in rows {
            let messages = u64::try_from(messages).unwrap_or_default();
            *times.0.entry(Ord::max(millis, 0)).or_default() += messages;
        }
        Ok(times)
    }

    /// Messages created at or after `since` that have left the queue.
    pub async fn count_submitted_since(
        &self,
        id: &CampaignId,
        since: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let waiting = [DeliveryState::Queued, DeliveryState::Sending];
        let submitted: Select<Entity> = Entity::find()
            .filter(Column::Campaign.eq(id))
            .filter(Column::Origin.ne(Origin::DryRun))
            .filter(Column::CreatedAt.gte(instant::to_millis(since)))
            .filter(Column::State.is_in(waiting).not());
        Ok(submitted.count(self.pools().reader()).await?)
    }
}
