//! Row of `put_aside`. A problem that an operator dismissed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "put_aside")]
pub struct Model {
    /// A message or a quarantined callback.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: Uuid,
    /// The message's number of receipts when it was dismissed; with more, it needs attention again.
    #[sea_orm(column_name = "facts")]
    pub receipts: i32,
    #[sea_orm(column_name = "put_at")]
    pub dismissed_at: i64,
}

without_relations!();
