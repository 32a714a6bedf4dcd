//! Row of `accounts`.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;
use crate::domain::paused_by::PausedBy;
use crate::domain::provider::ProviderId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    pub provider: ProviderId,
    pub generation: i32,
    pub paused_at: Option<i64>,
    pub pause_reason: Option<String>,
    pub paused_by: Option<PausedBy>,
    pub last_callback_at: Option<i64>,
    pub old_address_at: Option<i64>,
    pub url_space_at: Option<i64>,
    pub url_slash_at: Option<i64>,
    pub constant_id: Option<String>,
    pub constant_id_at: Option<i64>,
    pub long_id_at: Option<i64>,
    pub last_inbound_at: Option<i64>,
    pub first_seen_at: i64,
}

without_relations!();
