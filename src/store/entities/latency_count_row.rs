//! Row of `latency_counts`. Messages by quarter hour, account, kind, what was timed, and how long
//! it took.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;
use crate::domain::latency::LatencySpan;
use crate::domain::media::MediaKind;
use crate::store::entities::column_types::OrEmpty;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "latency_counts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: OrEmpty<MediaKind>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub stage: LatencySpan,
    #[sea_orm(primary_key, auto_increment = false)]
    pub latency: i64,
    pub messages: i64,
}

without_relations!();
