//! Extracts loosely typed values from a payload. Field names of providers are in their files.

use serde_json::{Map, Value};

use crate::domain::ids::ProviderMessageId;
use crate::domain::message::PROVIDER_IDS_LIMIT;
use crate::domain::phone::{self, PhoneNumber};
use crate::domain::placeholder::is_placeholder;
use crate::providers::json_member::JsonMember;
use crate::providers::protocol::{CallbackPart, PARTS_LIMIT};

/// Below this, a double represents every integer exactly.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
/// In characters.
const RECIPIENT_LIMIT: usize = 128;

/// A text, or a number as text; it may also be the only element of a list, or in an object that
/// names its type. Empty texts, unfilled `<placeholders>` and inexact numbers are absent.
///
/// NUL becomes its symbol, because PostgreSQL does not store it in texts.
pub(super) fn parse_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            // Programs in C may send the end of a text with it.
            let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
            let inner = text
                .strip_prefix('<')
                .and_then(|rest| rest.strip_suffix('>'));
            let is_unfilled =
                inner.is_some_and(|name| !name.is_empty() && !name.contains(['<', '>']));
            (!text.is_empty() && !is_unfilled).then(|| text.replace('\0', "␀"))
        }
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        // Times with a fraction, and integers of languages that have only doubles.
        Value::Number(number) => number
            .as_f64()
            .filter(|double| double.abs() < EXACT_BELOW)
            .map(|double| double.to_string()),
        Value::Array(list) => match list.as_slice() {
            [only] if !only.is_array() => parse_text(only),
            _ => None,
        },
        Value::Object(object) => typed_value(object),
        Value::Null | Value::Bool(_) => None,
    }
}

/// The value of `{"$numberLong": "1"}` and similar objects, `{"seconds": 1, "nanos": 0}`, and PHP's
/// `{"date": "…", "timezone_type": 3, "timezone": "Asia/Kolkata"}`.
fn typed_value(object: &Map<String, Value>) -> Option<String> {
    if let (1, Some((name, value))) = (object.len(), object.iter().next())
        && name.starts_with('$')
    {
        return parse_text(value);
    }
    if let (Some(date), Some(_)) = (object.member("date"), object.member("timezone_type")) {
        let zone = object.member("timezone").and_then(parse_text);
        return Some(format!(
            "{} {}",
            parse_text(date)?,
            zone.unwrap_or_default()
        ));
    }
    let seconds = object
        .member("seconds")
        .or_else(|| object.member("_seconds"))?;
    let is_part = |name: &String| name.contains("seconds") || name == "nanos";
    parse_text(seconds).filter(|_| object.keys().all(is_part))
}

/// The text of the first of these fields that has one.
pub(super) fn first_text(object: &Value, names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| object.member(name).and_then(parse_text))
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
pub(super) fn parse_recipient(text: &str) -> Option<String> {
    let text = text.trim();
    // As nearly all are written.
    if is_digits_only(text) {
        return Some(text.to_owned());
    }
    if is_placeholder(text) {
        return None;
    }
    let bare = text.strip_prefix("whatsapp:").unwrap_or(text);
    let bare = bare.split_once('@').map_or(bare, |(number, _)| number);
    let international = format!("+{}", bare.trim_start_matches('+').trim_start());
    match PhoneNumber::parse(&international) {
        Ok(number) => Some(number.digits().to_owned()),
        Err(_) if text.is_empty() || text.chars().count() > RECIPIENT_LIMIT => None,
        Err(_) => Some(text.to_owned()),
    }
}

/// Whether a text is an international number as WhatsApp writes it.
fn is_digits_only(text: &str) -> bool {
    phone::are_digits(text) && !text.starts_with('0')
}

/// Collects parts: at most one more than are applied, to show that there are more.
pub(super) fn collect_parts(parts: impl IntoIterator<Item = CallbackPart>) -> Vec<CallbackPart> {
    parts.into_iter().take(PARTS_LIMIT + 1).collect()
}

/// Replaces reports without id and tag, except notices, by [`CallbackPart::Unparseable`], and an
/// empty list by one.
pub(super) fn require_ids(parts: Vec<CallbackPart>) -> Vec<CallbackPart> {
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|part| match part {
            CallbackPart::Report(report)
                if report.ids.is_empty() && report.tag.is_none() && !report.is_notice() =>
            {
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
    fn unfilled_placeholders_and_inexact_numbers_are_absent() {
        assert_eq!(parse_text(&json!("<message_id>")), None);
        assert_eq!(parse_text(&json!("<p>x</p>")).as_deref(), Some("<p>x</p>"));
        assert_eq!(parse_text(&json!("  ")), None);
        assert_eq!(parse_text(&json!(1e30)), None);
        assert_eq!(
            parse_text(&json!(1_692_947_519_000.0)).as_deref(),
            Some("1692947519000")
        );
        assert_eq!(
            parse_text(&json!(1_487_700_692.414_47)).as_deref(),
            Some("1487700692.41447")
        );
        assert_eq!(parse_text(&json!(["read"])).as_deref(), Some("read"));
        assert_eq!(parse_text(&json!(["read", "sent"])), None);
        assert_eq!(parse_text(&json!(true)), None);
        for (value, text) in [
            (json!({"$numberLong": "1692947519000"}), "1692947519000"),
            (
                json!({"$date": {"$numberLong": "1692947519000"}}),
                "1692947519000",
            ),
            (
                json!({"_seconds": 1_692_947_519, "_nanoseconds": 0}),
                "1692947519",
            ),
            (
                json!({"date": "2026-11-29 14:32:07.000000", "timezone_type": 3, "timezone": "UTC"}),
                "2026-11-29 14:32:07.000000 UTC",
            ),
        ] {
            assert_eq!(parse_text(&value).as_deref(), Some(text));
        }
        assert_eq!(parse_text(&json!({"id": "x"})), None);
        assert_eq!(parse_text(&json!("a\0")).as_deref(), Some("a"));
        assert_eq!(parse_text(&json!("a\0b")).as_deref(), Some("a␀b"));
        assert_eq!(
            parse_text(&json!(9_007_199_254_740_993_u64)).as_deref(),
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
            assert_eq!(parse_recipient(text).as_deref(), Some("919970123456"));
        }
        assert_eq!(
            parse_recipient("US.13491208655").as_deref(),
            Some("US.13491208655")
        );
    }
}
