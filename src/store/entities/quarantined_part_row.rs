//! Row of `quarantine`. An unparsed part of a callback, with a copy of the body.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quarantine")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub callback: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: i32,
    pub account: AccountId,
    pub reason: String,
    pub content: Vec<u8>,
    pub quarantined_at: i64,
}

without_relations!();
