//! Row of `provider_ids`. An id that a provider uses for a message.

use sea_orm::entity::prelude::*;
use serde::Deserialize;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::AccountId;

/// Where an id was learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum IdSource {
    /// The provider's reply to a submission.
    Reply,
    Callback,
    /// The caller registered it.
    Registration,
    /// It is not an id: callbacks carried it for two messages.
    Constant,
}
enum_words!(IdSource, "a source of ids");

/// The message of a constant id.
pub const NO_MESSAGE: Uuid = Uuid::nil();

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "provider_ids")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider_id: String,
    pub message: Uuid,
    pub learned_from: IdSource,
    pub learned_at: i64,
    /// Whether the id is known from a reply, a registration, or a callback that names the message
    /// by report URL or tag.
    pub certain: bool,
}

without_relations!();
