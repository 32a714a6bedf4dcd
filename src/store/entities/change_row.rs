//! Row of `changes`. A changed message, for the live feeds of other processes.

use sea_orm::entity::prelude::*;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "changes")]
pub struct Model {
    /// In commit order, because it is assigned under the writer's lock.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// The process that changed the message.
    #[sea_orm(column_name = "writer")]
    pub process: Uuid,
    pub message: Uuid,
    pub account: AccountId,
    pub state: DeliveryState,
    pub updated_at: i64,
}

without_relations!();
