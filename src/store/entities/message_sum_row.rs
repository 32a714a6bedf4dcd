//! Row of `message_sums`. The rows of `message_counts`, summed by hour and by day in UTC.

use sea_orm::entity::prelude::*;

use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::entities::column_types::OrEmpty;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "message_sums")]
pub struct Model {
    /// The length of the summed period, in milliseconds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub width: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub start: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: OrEmpty<MediaKind>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub origin: Origin,
    #[sea_orm(primary_key, auto_increment = false)]
    pub state: DeliveryState,
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub class: OrEmpty<FailureClass>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub campaign: OrEmpty<CampaignId>,
    pub messages: i64,
}

without_relations!();
