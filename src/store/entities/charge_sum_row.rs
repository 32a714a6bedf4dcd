//! Row of `charge_sums`. The rows of `charge_counts`, summed by hour and by day in UTC.

use sea_orm::entity::prelude::*;

use crate::domain::campaign::CampaignId;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::store::entities::column_types::OrEmpty;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "charge_sums")]
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
    pub campaign: OrEmpty<CampaignId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sender: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub country: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub category: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub pricing_type: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub free: bool,
    #[sea_orm(primary_key, auto_increment = false)]
    pub price: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency: String,
    pub deliveries: i64,
}

without_relations!();
