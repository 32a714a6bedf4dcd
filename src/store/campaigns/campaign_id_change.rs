//! Changes the id of an ended campaign in every table, because the id names an erased customer.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::Error;
use crate::domain::campaign::{CampaignId, CampaignState};
use crate::store::Store;
use crate::store::entities::campaign_row::{Column, Entity};
use crate::store::purge_statements::execute;

/// The tables and columns with ids of campaigns. Messages come before their counts: every change of
/// a message locks the message first and then its counts.
const CAMPAIGN_ID_COLUMNS: [(&str, &str); 7] = [
    ("campaigns", "id"),
    ("campaign_recipients", "campaign"),
    ("messages", "campaign"),
    ("message_counts", "campaign"),
    ("message_sums", "campaign"),
    ("charge_counts", "campaign"),
    ("charge_sums", "campaign"),
];

impl Store {
    /// The ids of campaigns that are done or cancelled.
    pub async fn list_ended_campaigns(&self) -> Result<Vec<CampaignId>, Error> {
        let ended = [CampaignState::Done, CampaignState::Cancelled];
        Ok(Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::State.is_in(ended))
            .order_by_asc(Column::Id)
            .into_tuple()
            .all(self.pools().reader())
            .await?)
    }

    pub async fn change_campaign_id(
        &self,
        old: &CampaignId,
        new: &CampaignId,
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                for (table, column) in CAMPAIGN_ID_COLUMNS {
                    let sql = format!("UPDATE {table} SET {column} = $1 WHERE {column} = $2");
                    let values = [new, old].map(|id| id.as_str().into());
                    execute(transaction, &sql, values.to_vec()).await?;
                }
                Ok(())
            })
            .await
    }
}
