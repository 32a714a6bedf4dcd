//! Row of `actions`. An operator action.

use sea_orm::entity::prelude::*;

use crate::domain::audit_action::ActionKind;
use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "actions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub message: Option<Uuid>,
    pub account: Option<AccountId>,
    pub actor: String,
    #[sea_orm(column_name = "verb")]
    pub kind: ActionKind,
    pub detail: Option<String>,
    pub happened_at: i64,
    pub address: Option<String>,
}

without_relations!();
