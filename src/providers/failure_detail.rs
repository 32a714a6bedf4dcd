//! Details of a failure: texts in objects and lists, which may be JSON in a text.

use serde_json::Value;

use crate::providers::json_in_text::begins_json;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{first_text, items, parse_text};
use crate::providers::reading_budget::shorten;

/// Maximum number of texts joined from an error without any known field, and maximum bytes of each.
const JOINED_TEXTS: usize = 4;
const JOINED_LIMIT: usize = 256;
/// Maximum number of details that are searched for texts.
const DETAILS_LIMIT: usize = 16;
/// Maximum bytes of the name of a joined text.
const NAME_LIMIT: usize = 64;
/// Maximum bytes of a text that is searched for JSON: a value needs many times the memory of its
/// text.
const NESTED_JSON_LIMIT: usize = 16 * 1024;
pub(super) const TITLE_FIELDS: &[&str] = &["title", "message", "reason", "description"];
pub(super) const DETAIL_FIELDS: &[&str] = &["details", "detail", "message"];
/// Like [`DETAIL_FIELDS`], but never a customer's text.
const OWN_DETAIL_FIELDS: &[&str] = &["details", "detail"];

/// The object or list that a text contains. The reader of a callback has already unwrapped one
/// level of such texts.
pub(super) fn parse_nested_json(text: &str) -> Option<Value> {
    let begins_text = text.trim_start().starts_with('"');
    if text.len() > NESTED_JSON_LIMIT || (!begins_text && !begins_json(text)) {
        return None;
    }
    match serde_json::from_str(text).ok()? {
        Value::String(inner) => parse_nested_json(&inner),
        value => Some(value),
    }
}

/// An object, a list of them, or a text, which may hold either.
pub(super) fn parse_details(data: &Value) -> Option<String> {
    let nested = data.as_str().and_then(parse_nested_json);
    let words = |data: &Value| {
        parse_text(data)
            .or_else(|| first_text(data, DETAIL_FIELDS))
            .or_else(|| first_text(data, TITLE_FIELDS))
    };
    let found: Vec<String> = items(Some(nested.as_ref().unwrap_or(data)))
        .iter()
        .take(DETAILS_LIMIT)
        .filter_map(words)
        .take(JOINED_TEXTS)
        .collect();
    (!found.is_empty()).then(|| found.join("; "))
}

/// The details in fields of the object itself.
pub(super) fn parse_own_details(object: &Value) -> Option<String> {
    let mut details = OWN_DETAIL_FIELDS
        .iter()
        .filter_map(|name| object.member(name));
    details.find_map(|details| parse_details(details).or_else(|| join_texts(details)))
}

/// `name: text; …` of an object without any known name.
pub(super) fn join_texts(error: &Value) -> Option<String> {
    let is_known = |name: &str| {
        matches!(name, "code" | "href" | "error_data") || DETAIL_FIELDS.contains(&name)
    };
    let texts = error.as_object()?.iter();
    let texts: Vec<String> = texts
        .filter(|(name, _)| !is_known(name) && name.len() <= NAME_LIMIT)
        .filter_map(|(name, value)| Some((name, shorten(parse_text(value)?, JOINED_LIMIT))))
        .map(|(name, words)| format!("{name}: {words}"))
        .take(JOINED_TEXTS)
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}
