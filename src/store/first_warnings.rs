//! Warnings of the first reply to a request with an idempotency key, as JSON in a column.

use serde_json::{Value, json};

use crate::domain::message_warning::MessageWarning;

pub(super) fn write(warnings: &[MessageWarning]) -> String {
    warnings
        .iter()
        .map(|warning| json!({ "code": warning.code.as_str(), "message": warning.message }))
        .collect::<Value>()
        .to_string()
}

/// A code of a later version is left out.
pub(super) fn read(text: &str) -> Vec<MessageWarning> {
    let written: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    written
        .iter()
        .filter_map(|warning| {
            Some(MessageWarning {
                code: warning.get("code")?.as_str()?.parse().ok()?,
                message: warning.get("message")?.as_str()?.to_owned(),
            })
        })
        .collect()
}
