//! Row of `tokens`. An API token, by its hash.

use sea_orm::entity::prelude::*;

use crate::domain::account_limit::AccountLimit;
use crate::domain::scope::Scopes;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub hash: Vec<u8>,
    pub scopes: Scopes,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub expires_at: Option<i64>,
    /// Account ids, separated by commas; null for all.
    pub accounts: Option<AccountLimit>,
}

without_relations!();
