//! Row of `put_aside`. A message or callback that an operator has seen and does not want listed as a problem any more.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "put_aside")]
pub struct Model {
    /// The message, or the callback in quarantine.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: Uuid,
    /// How many facts the message had then; with more it needs a person again.
    pub facts: i32,
    pub put_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
