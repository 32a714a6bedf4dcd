//! The body of an error: RFC 9457, with a code and the invalid fields.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub const PROBLEM_JSON: &str = "application/problem+json";
/// Bytes of JSON of all listed errors together, so that every response stays below 4 KB.
const ERRORS_LIMIT: usize = 2_000;
/// Bytes of JSON of one field's name or message.
const TEXT_LIMIT: usize = 500;
/// Bytes of JSON of the detail.
const DETAIL_LIMIT: usize = 1_000;

/// Length of `{"field":"","message":""},`.
const FRAME_BYTES: usize = 26;

/// An error in one field of the body or one parameter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// As the caller wrote it: `media.url`, `created_after`.
    pub field: String,
    /// What is wrong, to be read after the name of the field.
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
            length += FRAME_BYTES + escaped_len(&error.field) + escaped_len(&error.message);
            length <= ERRORS_LIMIT
        })
        .collect()
}

pub(super) fn shorten_detail(text: &str) -> String {
    shorten_to(text, DETAIL_LIMIT)
}

fn shorten_text(text: &str) -> String {
    shorten_to(text, TEXT_LIMIT)
}

fn shorten_to(text: &str, limit: usize) -> String {
    let mut length = 0;
    let end = text.char_indices().find(|(_, character)| {
        length += escaped_char_len(*character);
        length > limit
    });
    match end {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn escaped_len(text: &str) -> usize {
    text.chars().map(escaped_char_len).sum()
}

/// Upper bound: a control character takes at most six bytes (`\u001f`).
fn escaped_char_len(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        character if character.is_control() => 6,
        character => character.len_utf8(),
    }
}

/// An error of the API. Also stored in the response's extensions, from which `page_errors` renders
/// the HTML page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`; `code` distinguishes the kinds of errors.
    #[serde(rename = "type")]
    pub type_uri: &'static str,
    /// The reason phrase of the status.
    pub title: &'static str,
    pub status: u16,
    /// See `ProblemCode`.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn problem_json_stays_below_4_kb(
            fields in prop::collection::vec(("\\PC{0,900}|[\\x00-\\x1f\"]{0,900}", "\\PC{0,900}"), 0..50),
            detail in "\\PC{0,3000}|[\\x00-\\x1f\"]{0,3000}",
        ) {
            let errors: Vec<FieldError> = fields
                .into_iter()
                .map(|(field, message)| FieldError::new(field, message))
                .collect();
            let problem = Problem {
                type_uri: "about:blank",
                title: "Request Header Fields Too Large",
                status: 431,
                code: "idempotency-key-reused",
                detail: shorten_detail(&detail),
                errors: shorten(&errors),
                request_id: Some(Uuid::max()),
            };
            prop_assert!(serde_json::to_string(&problem).unwrap().len() < 3_600);
        }
    }
}
