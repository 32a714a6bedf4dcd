//! Converts a callback of any format to one JSON value.

use serde_json::{Map, Value};

use crate::providers::protocol::Callback;
use crate::providers::reading_budget::ReadingLimit;
use crate::providers::{form, json, xml};

/// Parses the body as JSON, XML, form fields or lines of `name: value`; without a body, the query
/// string as form fields. The error is a reason without personal data.
pub(super) fn parse(callback: &Callback) -> Result<Value, String> {
    let body = callback
        .body
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(&callback.body)
        .trim_ascii();
    if body.is_empty() {
        return parse_query(&callback.query);
    }
    let text = str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let is_form = callback
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("form-urlencoded"));
    match body.first() {
        Some(b'{' | b'[') => json::parse(text),
        Some(b'<') => xml::parse(text),
        _ if !is_form && text.lines().nth(1).is_some() => {
            object(form::parse_lines(text), "text without names and values")
        }
        _ if is_form || text.contains('=') => object(form::parse(body), "an empty form"),
        _ => json::parse(text),
    }
}

/// Parses the query string as form fields.
pub(super) fn parse_query(query: &str) -> Result<Value, String> {
    object(
        form::parse(query.as_bytes()),
        "neither a body nor a query string",
    )
}

fn object(
    fields: Result<Map<String, Value>, ReadingLimit>,
    reason_if_empty: &str,
) -> Result<Value, String> {
    match fields {
        Ok(fields) if fields.is_empty() => Err(reason_if_empty.to_owned()),
        Ok(fields) => Ok(Value::Object(fields)),
        Err(limit) => Err(limit.into()),
    }
}
