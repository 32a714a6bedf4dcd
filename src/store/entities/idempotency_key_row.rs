//! Row of `idempotency_keys`.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub request_hash: String,
    pub message: Uuid,
    pub created_at: i64,
    /// Of the first reply, as JSON; absent for keys of earlier versions.
    pub warnings: Option<String>,
}

without_relations!();
