//! Stored counts per quarter hour, from which statistics of any time zone and period are summed.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::latency::LatencyBucket;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::{latency_count_row, message_count_row};

/// The resolution of all counts.
pub const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// Messages that count in `from..to`, to the quarter hour: by their first attempt, or by their creation
/// while there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Period {
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
    pub account: Option<AccountId>,
    /// Of the caller.
    pub limit: AccountLimit,
}

impl Period {
    /// The condition on the columns of a table of counts.
    pub(super) fn includes<C: ColumnTrait>(&self, bucket: C, account: C) -> Condition {
        Condition::all()
            .add(bucket.gte(instant::to_millis(self.from)))
            .add(bucket.lt(instant::to_millis(self.to)))
            .add_option(self.account.as_ref().map(|only| account.eq(only)))
            .add_option(self.limit.accounts().map(|allowed| account.is_in(allowed)))
    }
}

/// Messages that count in one quarter hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cohort {
    /// Of the quarter hour.
    pub start: DateTime<Utc>,
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
}

/// The number of messages of a cohort with this origin, state and failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CohortStateCount {
    pub cohort: Cohort,
    pub origin: Origin,
    pub state: DeliveryState,
    pub code: Option<String>,
    pub class: Option<FailureClass>,
    pub campaign: Option<CampaignId>,
    pub messages: i64,
}

/// The number of messages of a cohort that took this long to reach a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CohortLatencyCount {
    pub cohort: Cohort,
    pub stage: Stage,
    pub latency: LatencyBucket,
    pub messages: i64,
}

impl Store {
    pub async fn list_state_counts(&self, period: &Period) -> Result<Vec<CohortStateCount>, Error> {
        use message_count_row::Column;
        let rows = message_count_row::Entity::find()
            .filter(period.includes(Column::Bucket, Column::Account))
            .filter(Column::Messages.ne(0))
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(state_count).collect()
    }

    pub async fn list_latency_counts(
        &self,
        period: &Period,
    ) -> Result<Vec<CohortLatencyCount>, Error> {
        use latency_count_row::Column;
        let rows = latency_count_row::Entity::find()
            .filter(period.includes(Column::Bucket, Column::Account))
            .filter(Column::Messages.ne(0))
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .filter_map(|row| {
                let stage = row.stage.stage_since_acceptance()?;
                Some(latency_count(row, stage))
            })
            .collect()
    }
}

fn state_count(row: message_count_row::Model) -> Result<CohortStateCount, Error> {
    Ok(CohortStateCount {
        cohort: Cohort {
            start: instant::from_millis("message_counts", "bucket", row.bucket)?,
            account: row.account,
            kind: row.kind.0,
        },
        origin: row.origin,
        state: row.state,
        class: row.class.0,
        campaign: row.campaign.0,
        code: Some(row.code).filter(|code| !code.is_empty()),
        messages: row.messages,
    })
}

fn latency_count(row: latency_count_row::Model, stage: Stage) -> Result<CohortLatencyCount, Error> {
    Ok(CohortLatencyCount {
        cohort: Cohort {
            start: instant::from_millis("latency_counts", "bucket", row.bucket)?,
            account: row.account,
            kind: row.kind.0,
        },
        stage,
        latency: LatencyBucket::from_number(row.latency),
        messages: row.messages,
    })
}
