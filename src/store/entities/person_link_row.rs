//! Row of `person_links`. Two ids of one customer.

use sea_orm::entity::prelude::*;

use crate::domain::ids::AccountId;
use crate::domain::person::LinkKind;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "person_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub identity: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub other: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: LinkKind,
    pub first_at: i64,
    pub last_at: i64,
}

without_relations!();
