//! Row of `alert_notifications`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "alert_notifications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The key of its rule.
    pub rule: String,
    pub body: String,
    pub created_at: i64,
    pub tries: i64,
    /// Absent once it was delivered, or failed too often.
    pub next_try_at: Option<i64>,
    pub delivered_at: Option<i64>,
    pub last_error: Option<String>,
    /// Its notifications are delivered in order; absent in rows of earlier versions.
    pub incident: Option<Uuid>,
}

without_relations!();
