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
            query = query.filter(Column::Account.eq(account.as_str()));
        }
        let rows = query.all(self.pools().reader()).await?;
        rows.iter().map(standing).collect()
    }

    /// How long the messages of a period took.
    pub async fn list_latencies(&self, period: &Period) -> Result<Vec<Latency>, Error> {
        use latency_counts::Column;
        let mut query = latency_counts::Entity::find()
            .filter(Column::Bucket.gte(instant::write(period.from)))
            .filter(Column::Bucket.lt(instant::write(period.to)))
            .filter(Column::Messages.ne(0));
        if let Some(account) = &period.account {
            query = query.filter(Column::Account.eq(account.as_str()));
        }
        let rows = query.all(self.pools().reader()).await?;
        rows.iter().map(latency).collect()
    }
}

fn standing(row: &message_counts::Model) -> Result<Standing, Error> {
    const TABLE: &str = "message_counts";
    let cohort = cohort(TABLE, row.bucket, &row.account, &row.kind)?;
    let bad = |column| Error::inconsistent(TABLE, column, row.bucket);
    Ok(Standing {
        cohort,
        origin: row.origin.parse().map_err(|_| bad("origin"))?,
        state: row.state.parse().map_err(|_| bad("state"))?,
        class: known(&row.class)
            .map(str::parse)
            .transpose()
            .map_err(|_| bad("class"))?,
        code: known(&row.code).map(ToOwned::to_owned),
        messages: row.messages,
    })
}

fn latency(row: &latency_counts::Model) -> Result<Latency, Error> {
    const TABLE: &str = "latency_counts";
    let bad = |column| Error::inconsistent(TABLE, column, row.bucket);
    Ok(Latency {
        cohort: cohort(TABLE, row.bucket, &row.account, &row.kind)?,
        stage: row.stage.parse().map_err(|_| bad("stage"))?,
        latency: LatencyBucket::from_number(row.latency),
        messages: row.messages,
    })
}

fn cohort(table: &'static str, bucket: i64, account: &str, kind: &str) -> Result<Cohort, Error> {
    let bad = |column| Error::inconsistent(table, column, bucket);
    Ok(Cohort {
        created_at: instant::read(table, "bucket", bucket)?,
        account: account.parse().map_err(|_| bad("account"))?,
        kind: known(kind)
            .map(str::parse)
            .transpose()
            .map_err(|_| bad("kind"))?,
    })
}

/// Keys of rollups are never null: what does not exist is empty.
fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
