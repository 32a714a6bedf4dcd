//! Rollups as they are kept, per quarter hour: the numbers from which statistics of any zone and period add up.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::latency::LatencyBucket;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::{latency_counts, message_counts};

/// Messages created from `from` until before `to`, to the quarter hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Period {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub to: DateTime<Utc>,
    /// Of one account only.
    pub account: Option<AccountId>,
}

/// Messages that were created in one quarter hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cohort {
    /// When the quarter hour began.
    pub created_at: DateTime<Utc>,
    /// Their account.
    pub account: AccountId,
    /// What was sent; unknown for some that were only observed.
    pub kind: Option<MediaKind>,
}

/// How many of a cohort stand where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Of which messages.
    pub cohort: Cohort,
    /// How we know of them.
    pub origin: Origin,
    /// Their state.
    pub state: DeliveryState,
    /// The failure's code, where there is one.
    pub code: Option<String>,
    /// The failure's class, where there is a failure.
    pub class: Option<FailureClass>,
    /// How many.
    pub messages: i64,
}

/// How many of a cohort took so long to a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Latency {
    /// Of which messages.
    pub cohort: Cohort,
    /// To which stage.
    pub stage: Stage,
    /// How long.
    pub latency: LatencyBucket,
    /// How many.
    pub messages: i64,
}

impl Store {
    /// Where the messages of a period stand.
    pub async fn list_standings(&self, period: &Period) -> Result<Vec<Standing>, Error> {
        use message_counts::Column;
        let mut query = message_counts::Entity::find()
            .filter(Column::Bucket.gte(instant::write(period.from)))
            .filter(Column::Bucket.lt(instant::write(period.to)))
            .filter(Column::Messages.ne(0));
        if let Some(account) = &period.account {
            query = query.filter(Column::Account.eq(account));
        }
        let rows = query.all(self.pools().reader()).await?;
        rows.into_iter().map(standing).collect()
    }

    /// How long the messages of a period took.
    pub async fn list_latencies(&self, period: &Period) -> Result<Vec<Latency>, Error> {
        use latency_counts::Column;
        let mut query = latency_counts::Entity::find()
            .filter(Column::Bucket.gte(instant::write(period.from)))
            .filter(Column::Bucket.lt(instant::write(period.to)))
            .filter(Column::Messages.ne(0));
        if let Some(account) = &period.account {
            query = query.filter(Column::Account.eq(account));
        }
        let rows = query.all(self.pools().reader()).await?;
        rows.into_iter().map(latency).collect()
    }
}

fn standing(row: message_counts::Model) -> Result<Standing, Error> {
    Ok(Standing {
        cohort: Cohort {
            created_at: instant::read("message_counts", "bucket", row.bucket)?,
            account: row.account,
            kind: row.kind.0,
        },
        origin: row.origin,
        state: row.state,
        class: row.class.0,
        code: Some(row.code).filter(|code| !code.is_empty()),
        messages: row.messages,
    })
}

fn latency(row: latency_counts::Model) -> Result<Latency, Error> {
    Ok(Latency {
        cohort: Cohort {
            created_at: instant::read("latency_counts", "bucket", row.bucket)?,
            account: row.account,
            kind: row.kind.0,
        },
        stage: row.stage,
        latency: LatencyBucket::from_number(row.latency),
        messages: row.messages,
    })
}
