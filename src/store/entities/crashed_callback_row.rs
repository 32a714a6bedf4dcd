//! Row of `crashed_callbacks`. A callback that is not processed, because the
//! process crashed twice while processing it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "crashed_callbacks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub callback: Uuid,
    /// The version of the program that crashed. Another version tries it again.
    pub program_version: String,
    pub crashed_at: i64,
}

without_relations!();
