//! Row of `sessions`. A session of a user, by the hash of its secret.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub hash: Vec<u8>,
    pub user_id: Uuid,
    pub started_at: i64,
    pub used_at: i64,
    /// The IP address at sign-in.
    pub address: Option<String>,
    /// The `User-Agent` at sign-in, shortened.
    pub browser: Option<String>,
}

without_relations!();
