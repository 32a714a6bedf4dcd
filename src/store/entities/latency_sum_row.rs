//! Row of `latency_sums`. How long messages took, by quarter hour, hour and day in UTC, account, kind
//! and what was timed: a whole histogram in one text.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;
use crate::domain::latency::LatencySpan;
use crate::domain::media::MediaKind;
use crate::store::entities::column_types::OrEmpty;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "latency_sums")]
pub struct Model {
    /// The length of the summed period, in milliseconds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub width: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub start: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: OrEmpty<MediaKind>,
    #[sea_orm(primary_key, auto_increment = false, column_name = "stage")]
    pub span: LatencySpan,
    /// `latency:messages ` for each bucket with messages.
    pub histogram: String,
}

without_relations!();
