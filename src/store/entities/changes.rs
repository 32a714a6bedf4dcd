//! Row of `changes`. What a process did to a message, for the live feeds of the others.

use sea_orm::entity::prelude::*;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "changes")]
pub struct Model {
    /// Rises in the order of the commits: it is drawn under the writer's lock.
    #[sea_orm(primary_key)]
    pub seq: i64,
    pub writer: Uuid,
    pub message: Uuid,
    pub account: AccountId,
    pub state: DeliveryState,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
