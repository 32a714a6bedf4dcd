//! Row of `account_events`. What a callback reports about its account.

use sea_orm::entity::prelude::*;

use crate::domain::account_event::AccountEventKind;
use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "account_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub callback: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: i32,
    pub account: AccountId,
    pub happened_at: i64,
    pub kind: AccountEventKind,
    pub title: String,
    pub previous: Option<String>,
    pub current: Option<String>,
    pub template: Option<String>,
    pub sender: Option<String>,
    pub detail: Option<String>,
}

without_relations!();
