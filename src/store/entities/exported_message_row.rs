//! The columns of `messages` that an export needs; see [`super::message_row`].

use sea_orm::entity::prelude::*;
use serde::Deserialize;

use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub account: AccountId,
    pub provider: ProviderId,
    pub origin: Origin,
    pub sender: Option<String>,
    pub recipient: Option<String>,
    pub recipient_name: Option<String>,
    pub kind: Option<MediaKind>,
    pub reference: Option<String>,
    pub reference1: Option<String>,
    pub reference2: Option<String>,
    pub client_reference: Option<String>,
    pub state: DeliveryState,
    pub conflict: bool,
    pub due_at: Option<i64>,
    pub submitted_at: Option<i64>,
    pub sent_at: Option<i64>,
    pub delivered_at: Option<i64>,
    pub read_at: Option<i64>,
    pub failed_at: Option<i64>,
    pub failure_code: Option<String>,
    pub failure_title: Option<String>,
    pub failure_detail: Option<String>,
    pub failure_class: Option<FailureClass>,
    pub billable: Option<bool>,
    pub pricing_category: Option<String>,
    pub price: Option<String>,
    pub pricing_type: Option<String>,
    pub price_currency: Option<String>,
    pub deliveries: i64,
    pub provider_id: Option<String>,
    pub created_at: i64,
    pub counted_at: Option<i64>,
    pub campaign: Option<CampaignId>,
    pub template_name: Option<String>,
    pub erased_country: Option<String>,
}

without_relations!();
