//! Row of `message_counts`. Numbers of messages per quarter hour and grouping column.

use sea_orm::entity::prelude::*;

use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::entities::column_types::OrEmpty;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "message_counts")]
pub struct Model {
    /// Start of the quarter hour, in milliseconds since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: OrEmpty<MediaKind>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub origin: Origin,
    #[sea_orm(primary_key, auto_increment = false)]
    pub state: DeliveryState,
    /// Failure code; empty if the message did not fail or its failure has no code.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub class: OrEmpty<FailureClass>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub campaign: OrEmpty<CampaignId>,
    pub messages: i64,
}

without_relations!();
