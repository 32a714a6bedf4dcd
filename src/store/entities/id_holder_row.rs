//! The columns of `provider_ids` that the index `provider_ids_holder` covers. A separate entity, so
//! that looking up the holder of an id reads only the index.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

use crate::domain::ids::AccountId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "provider_ids")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider_id: String,
    pub message: Uuid,
    pub certain: bool,
}

without_relations!();
