//! Row of `callback_outcomes`.

use sea_orm::entity::prelude::*;

use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "callback_outcomes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub callback: Uuid,
    pub seq: i64,
    pub account: AccountId,
    pub received_at: i64,
    pub outcome: Outcome,
    pub detail: Option<String>,
}

without_relations!();
