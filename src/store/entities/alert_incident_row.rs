//! Row of `alert_incidents`.

use sea_orm::entity::prelude::*;

use crate::domain::alert::AlertKind;
use crate::domain::ids::AccountId;
use crate::store::entities::column_types::OrEmpty;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "alert_incidents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The key of its rule.
    pub rule: String,
    pub kind: AlertKind,
    /// Empty for incidents of all accounts together.
    pub account: OrEmpty<AccountId>,
    pub summary: String,
    pub opened_at: i64,
    pub closed_at: Option<i64>,
}

without_relations!();
