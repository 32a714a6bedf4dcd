//! Row of `id_conflicts`. A provider id that two sent messages claim.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;
use crate::store::entities::provider_id_row::IdSource;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "id_conflicts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider_id: String,
    /// The message that holds the id.
    pub message: Uuid,
    /// The other message that claims it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub claimant: Uuid,
    pub learned_from: IdSource,
    pub seen_at: i64,
    /// Whether the id is known from a reply, a registration, or a callback that names the message
    /// by report URL or tag.
    pub certain: bool,
}

without_relations!();
