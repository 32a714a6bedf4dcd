//! Row of `message_warnings`. The warnings with which a message was accepted; most have none.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "message_warnings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub message: Uuid,
    /// As JSON.
    pub warnings: String,
}

without_relations!();
