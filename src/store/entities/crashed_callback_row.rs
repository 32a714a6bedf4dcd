//! Row of `crashed_callbacks`. A callback that is not processed, because the process died on it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "crashed_callbacks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub callback: Uuid,
    /// The version of the program that died. Another one may try it again.
    pub program_version: String,
    pub crashed_at: i64,
}

without_relations!();
