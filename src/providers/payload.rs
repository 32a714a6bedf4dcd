//! Converts a callback of any format to one JSON value, and extracts loosely typed values from it.
//! Field names of providers are in their files.

use serde_json::{Map, Value};

use crate::domain::ids::ProviderMessageId;
use crate::domain::message::PROVIDER_IDS_LIMIT;
use crate::domain::phone::PhoneNumber;
use crate::providers::protocol::{Callback, CallbackPart};
use crate::providers::xml;

/// In characters.
const RECIPIENT_LIMIT: usize = 128;

/// Parses the body as JSON, XML, form fields or lines of `name: value`; without a body, the query
/// string as form fields. The error is a reason without personal data.
pub(super) fn parse(callback: &Callback) -> Result<Value, String> {
    let body = callback
        .body
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(&callback.body)
        .trim_ascii();
    if body.is_empty() {
        return match fields(callback.query.as_bytes()) {
            Some(fields) => Ok(fields),
            None => Err("neither a body nor a query string".to_owned()),
        };
    }
    let text = str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let is_form = callback
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("form-urlencoded"));
    match body.first() {
        Some(b'{' | b'[') => parse_json(text),
        Some(b'<') => xml::parse(text),
        _ if !is_form && text.lines().count() > 1 => lines(text),
        _ if is_form || text.contains('=') => {
            fields(body).ok_or_else(|| "an empty form".to_owned())
        }
        _ => parse_json(text),
    }
}

/// Tolerates a comma before a closing bracket, as in hand-written callback templates.
fn parse_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .or_else(|error| serde_json::from_str(&without_trailing_commas(text)).map_err(|_| error))
        .map_err(|error| {
            let what = if error.is_eof() {
                "it ends too early"
            } else {
                "it goes wrong"
            };
            format!(
                "not JSON: {what} at line {}, column {}",
                error.line(),
                error.column()
            )
        })
}

fn without_trailing_commas(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        let closes_next = || text[at + 1..].trim_start().starts_with(['}', ']']);
        if !quoted && c == ',' && closes_next() {
            continue;
        }
        kept.push(c);
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
    kept
}

fn fields(encoded: &[u8]) -> Option<Value> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        add_field(&mut fields, &name, &value);
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

/// Plain text of a callback profile: lines of `name: value` or `name=value`.
fn lines(text: &str) -> Result<Value, String> {
    let mut fields = Map::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once([':', '='])) {
        add_field(&mut fields, name.trim(), value.trim());
    }
    if fields.is_empty() {
        return Err("text without names and values".to_owned());
    }
    Ok(Value::Object(fields))
}

/// Of a repeated name, the first value that is not empty stays.
fn add_field(fields: &mut Map<String, Value>, name: &str, value: &str) {
    let has_value = fields.get(name).and_then(text).is_some();
    if !has_value {
        fields.insert(name.to_owned(), Value::from(value));
    }
}

/// A text, or an integer as text. Empty texts, unfilled `<placeholders>` and inexact numbers are
/// absent.
///
/// NUL becomes its symbol, because PostgreSQL does not store it in texts.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let unfilled = text.len() > 2 && text.starts_with('<') && text.ends_with('>');
            (!text.is_empty() && !unfilled).then(|| text.replace('\0', "␀"))
        }
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// The text of the first of these fields that has one.
pub(super) fn first(object: &Value, names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| object.get(name).and_then(text))
}

/// One value, or a list of values, as a list.
pub(super) fn items(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(single) => std::slice::from_ref(single),
    }
}

/// Adds a valid id, unless it is already present.
pub(super) fn add_id(ids: &mut Vec<ProviderMessageId>, text: Option<String>) {
    let Some(id) = text.and_then(|text| ProviderMessageId::parse(&text).ok()) else {
        return;
    };
    if ids.len() < PROVIDER_IDS_LIMIT && !ids.contains(&id) {
        ids.push(id);
    }
}

/// A recipient: a phone number becomes its digits, anything else is unchanged.
pub(super) fn recipient(text: &str) -> Option<String> {
    let text = text.trim();
    let bare = text.strip_prefix("whatsapp:").unwrap_or(text);
    let bare = bare.split_once('@').map_or(bare, |(number, _)| number);
    let international = format!("+{}", bare.trim_start_matches('+').trim_start());
    match PhoneNumber::parse(&international) {
        Ok(number) => Some(number.digits().to_owned()),
        Err(_) if text.is_empty() || text.chars().count() > RECIPIENT_LIMIT => None,
        Err(_) => Some(text.to_owned()),
    }
}

/// Replaces reports without id and tag by [`CallbackPart::Unparseable`], and an empty list by one.
pub(super) fn require_ids(parts: Vec<CallbackPart>) -> Vec<CallbackPart> {
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|part| match part {
            CallbackPart::Report(report) if report.ids.is_empty() && report.tag.is_none() => {
                CallbackPart::unparseable("a status without a valid id")
            }
            other => other,
        })
        .collect();
    if parts.is_empty() {
        parts.push(CallbackPart::unparseable("an empty callback"));
    }
    parts
}

/// A provider's word that is safe to show: at most 60 letters, digits, spaces and `. _ -`.
pub(super) fn plain_word(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ' '))
        .take(60)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn trailing_commas_are_dropped_only_outside_of_texts() {
        assert_eq!(
            parse_json("{\"a\": \"x,]\\\",}\", \"b\": [1, 2, ],\n}").unwrap(),
            json!({"a": "x,]\",}", "b": [1, 2]})
        );
        assert!(parse_json("{\"a\" 1}").is_err());
        let cut = parse_json("{\"a\": ").unwrap_err();
        assert!(cut.starts_with("not JSON: it ends too early"), "{cut}");
    }

    #[test]
    fn unfilled_placeholders_and_inexact_numbers_are_absent() {
        assert_eq!(text(&json!("<message_id>")), None);
        assert_eq!(text(&json!("  ")), None);
        assert_eq!(text(&json!(1e30)), None);
        assert_eq!(text(&json!(true)), None);
        assert_eq!(text(&json!("a\0b")).as_deref(), Some("a␀b"));
        assert_eq!(
            text(&json!(9_007_199_254_740_993_u64)).as_deref(),
            Some("9007199254740993")
        );
    }

    #[test]
    fn a_number_in_any_format_becomes_its_digits() {
        for text in [
            "919970123456",
            "+91 99701 23456",
            "whatsapp:+919970123456",
            "919970123456@s.whatsapp.net",
            " 919970123456",
        ] {
            assert_eq!(recipient(text).as_deref(), Some("919970123456"));
        }
        assert_eq!(
            recipient("US.13491208655").as_deref(),
            Some("US.13491208655")
        );
    }
}
