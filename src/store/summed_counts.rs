//! Stored counts of messages, summed by the database over a period.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};

use crate::db::Error;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::ids::AccountId;
use crate::domain::latency::LatencyBucket;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::{latency_count_row, message_count_row};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateSum {
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
    pub campaign: Option<CampaignId>,
    pub origin: Origin,
    pub state: DeliveryState,
    pub messages: i64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LatencySum {
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
    pub stage: Stage,
    pub latency: LatencyBucket,
    pub messages: i64,
}

type StateTuple = (
    AccountId,
    OrEmpty<MediaKind>,
    OrEmpty<CampaignId>,
    Origin,
    DeliveryState,
    i64,
);

impl Store {
    /// The messages of a period by state, to the quarter hour.
    pub async fn sum_states(&self, period: &Period) -> Result<Vec<StateSum>, Error> {
        use message_count_row::Column;
        let columns = [
            Column::Account,
            Column::Kind,
            Column::Campaign,
            Column::Origin,
            Column::State,
        ];
        let query = message_count_row::Entity::find()
            .select_only()
            .columns(columns)
            .column_as(Column::Messages.sum().cast_as("bigint"), "messages")
            .filter(period.includes(Column::Bucket, Column::Account));
        let rows: Vec<StateTuple> = columns
            .into_iter()
            .fold(query, Select::group_by)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let counted = rows.into_iter().filter(|row| row.5 != 0);
        Ok(counted
            .map(
                |(account, kind, campaign, origin, state, messages)| StateSum {
                    account,
                    kind: kind.0,
                    campaign: campaign.0,
                    origin,
                    state,
                    messages,
                },
            )
            .collect())
    }

    /// The messages of a period by the time they took to a stage, to the quarter hour.
    pub async fn sum_latencies(&self, period: &Period) -> Result<Vec<LatencySum>, Error> {
        use latency_count_row::Column;
        let columns = [
            Column::Account,
            Column::Kind,
            Column::Stage,
            Column::Latency,
        ];
        let query = latency_count_row::Entity::find()
            .select_only()
            .columns(columns)
            .column_as(
                Expr::col(Column::Messages).sum().cast_as("bigint"),
                "messages",
            )
            .filter(period.includes(Column::Bucket, Column::Account));
        let rows: Vec<(AccountId, OrEmpty<MediaKind>, Stage, i64, i64)> = columns
            .into_iter()
            .fold(query, Select::group_by)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let counted = rows.into_iter().filter(|row| row.4 != 0);
        Ok(counted
            .map(|(account, kind, stage, latency, messages)| LatencySum {
                account,
                kind: kind.0,
                stage,
                latency: LatencyBucket::from_number(latency),
                messages,
            })
            .collect())
    }
}
