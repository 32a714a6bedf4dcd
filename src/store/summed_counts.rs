//! Stored counts of messages by state, summed by the database over a period.

use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};

use crate::db::Error;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::message_count_row;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateSum {
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
    pub campaign: Option<CampaignId>,
    pub origin: Origin,
    pub state: DeliveryState,
    /// Of a failure; empty without one.
    pub code: String,
    pub messages: i64,
}

type StateTuple = (
    AccountId,
    OrEmpty<MediaKind>,
    OrEmpty<CampaignId>,
    Origin,
    DeliveryState,
    String,
    i64,
);

impl Store {
    /// The messages of a period by state and failure code, to the quarter hour.
    pub async fn sum_states(&self, period: &Period) -> Result<Vec<StateSum>, Error> {
        use message_count_row::Column;
        let columns = [
            Column::Account,
            Column::Kind,
            Column::Campaign,
            Column::Origin,
            Column::State,
            Column::Code,
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
        let counted = rows.into_iter().filter(|row| row.6 != 0);
        Ok(counted
            .map(
                |(account, kind, campaign, origin, state, code, messages)| StateSum {
                    account,
                    kind: kind.0,
                    campaign: campaign.0,
                    origin,
                    state,
                    code,
                    messages,
                },
            )
            .collect())
    }
}
