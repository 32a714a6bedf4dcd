//! Row of `windows`. Last inbound message of each customer; opens WhatsApp's 24-hour customer
//! service window (domain/window.rs).

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "windows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub phone: String,
    pub last_inbound_at: i64,
}

without_relations!();
