//! The body of an error: RFC 9457, with a code and the invalid fields.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub const PROBLEM_JSON: &str = "application/problem+json";
/// Characters of all listed errors together: a long query must not have a much longer response.
const ERRORS_LIMIT: usize = 3_000;
/// Characters of one field's name or message.
const TEXT_LIMIT: usize = 500;

/// An error in one field of the body or one parameter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// As the caller wrote it: `media.url`, `created_after`.
    pub field: String,
    /// Continues the name.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// As many errors as fit into a response, with shortened texts.
pub(super) fn shorten(errors: &[FieldError]) -> Vec<FieldError> {
    let mut length = 0;
    errors
        .iter()
        .map(|error| FieldError {
            field: shorten_text(&error.field),
            message: shorten_text(&error.message),
        })
        .take_while(|error| {
            length += error.field.chars().count() + error.message.chars().count();
            length <= ERRORS_LIMIT
        })
        .collect()
}

fn shorten_text(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An error of the API. Also in the extensions of the response, for `page_errors`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`; `code` is the kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The name of the status.
    pub title: &'static str,
    pub status: u16,
    /// One of a closed set.
    pub code: &'static str,
    /// A sentence about this case.
    pub detail: String,
    /// The invalid fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Also in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Uuid>,
}
