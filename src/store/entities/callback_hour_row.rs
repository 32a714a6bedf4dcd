//! Row of `callback_hours`. Callbacks of one account and hour.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;
use crate::store::entities::column_types::OrEmpty;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "callback_hours")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: OrEmpty<AccountId>,
    pub callbacks: i64,
    pub bytes: i64,
    pub receipts: i64,
    /// Created in this hour.
    pub orphans: i64,
    /// Orphans that became observed messages.
    pub adopted: i64,
}

without_relations!();
