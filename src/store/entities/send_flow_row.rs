//! Row of `send_flows`.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "send_flows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    /// Microseconds since the epoch.
    pub next_slot_us: Option<i64>,
    pub slowed_at: Option<i64>,
    /// Messages per million seconds.
    pub slowed_rate: Option<i64>,
    pub slowed_reason: Option<String>,
    pub slow_down_requests: i32,
    pub hold_until: Option<i64>,
    pub counted_since: Option<i64>,
    pub accepted: i32,
    pub accepted_before: i32,
    pub streak_kind: Option<String>,
    pub streak_count: i32,
    /// Separated by commas.
    pub streak_recipients: String,
    pub tripped_at: Option<i64>,
    pub trip_reason: Option<String>,
    pub trip_reply: Option<String>,
    pub next_probe_at: Option<i64>,
    /// Milliseconds.
    pub probe_wait: i64,
    /// See `Trip::failed_messages`.
    #[sea_orm(column_name = "spent")]
    pub failed_messages: i32,
}

without_relations!();
