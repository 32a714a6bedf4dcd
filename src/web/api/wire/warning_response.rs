//! The JSON of a warning about a message.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Object;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::domain::message_warning::{MessageWarning, WarningCode};

/// A probable mistake in a message that was accepted.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct WarningResponse {
    /// Stable. More may be added.
    #[schema(schema_with = list_codes)]
    pub(crate) code: &'static str,
    /// What is probably wrong, and what follows from it.
    pub(crate) message: String,
}

fn list_codes() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(WarningCode::ALL.map(WarningCode::as_str)))
        .build()
}

impl From<MessageWarning> for WarningResponse {
    fn from(warning: MessageWarning) -> Self {
        Self {
            code: warning.code.as_str(),
            message: warning.message,
        }
    }
}
