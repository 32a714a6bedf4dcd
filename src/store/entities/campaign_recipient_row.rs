//! Row of `campaign_recipients`: who is to get a message of a campaign, and who got one.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

use crate::domain::campaign::CampaignId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "campaign_recipients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub campaign: CampaignId,
    /// In the order of the file.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// A hash of the client reference, else of the phone number: a recipient occurs once.
    pub row_key: String,
    /// JSON; absent once there is a message.
    pub content: Option<String>,
}

without_relations!();
