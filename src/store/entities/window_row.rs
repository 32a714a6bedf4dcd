//! Row of `windows`. The last inbound message of each customer, which opens WhatsApp's 24-hour
//! customer service window (domain/window.rs).

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "windows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false, column_name = "phone")]
    /// Digits of a phone number, or a user id.
    pub customer: String,
    pub last_inbound_at: i64,
}

without_relations!();
