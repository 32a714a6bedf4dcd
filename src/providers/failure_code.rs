//! Codes of failures: in a field of their own, or inside a text.

use serde_json::Value;

use crate::domain::placeholder::is_not_reason;
use crate::providers::failure_detail::parse_nested_json;
use crate::providers::grouped_number::parse_grouped;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{items, parse_text};

const CODE_FIELDS: &[&str] = &[
    "errorCode",
    "error_code",
    "ErrorCode",
    "code",
    "failureCode",
    "failure_code",
    "reasonCode",
    "reason_code",
    "errCode",
    "err_code",
];
/// Marks that senders write around a number.
const MARKS: &[char] = &['\'', '"', '`', '[', ']', '<', '>', '(', ')', '{', '}'];
/// A number with fewer digits is kept as written: its zeros may belong to it.
const DIGITS: usize = 3;

/// A code in its own field: a number, a text, a text that contains it, or an object with one.
pub(super) fn parse_code(object: &Value) -> Option<String> {
    let mut values = CODE_FIELDS.iter().filter_map(|name| object.member(name));
    values.find_map(read_code)
}

fn read_code(value: &Value) -> Option<String> {
    if let Some(number) = parse_number(value) {
        return Some(number);
    }
    if let Some(nested) = value.as_str().and_then(parse_nested_json) {
        return match items(Some(&nested)) {
            [only] => parse_code(only),
            _ => None,
        };
    }
    if let Some(code) = parse_text(value) {
        return (code == "0" || !is_not_reason(&code)).then(|| code_in_text(&code).unwrap_or(code));
    }
    value.as_object().and_then(|_| parse_code(value))
}

/// A number of several digits, whatever its notation: `131026`, `'131026'`, `131,026`, `0131026`,
/// `1.31026E5`.
pub(super) fn parse_number(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => parse_text(other)?,
    };
    let bare = text.trim_matches(|c: char| c.is_whitespace() || MARKS.contains(&c));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = if is_number(bare) {
        bare.to_owned()
    } else if let Some(digits) = parse_grouped(bare, 1) {
        digits
    } else if bare.starts_with(|c: char| c.is_ascii_digit()) && bare.contains('.') {
        let number: f64 = bare.parse().ok()?;
        number.to_string()
    } else {
        return None;
    };
    let digits = digits.trim_start_matches('0');
    (is_number(digits) && digits.len() >= DIGITS).then(|| digits.to_owned())
}

/// A code inside a text: `(#131026) …`, or one of Meta's six-digit codes as a separate word.
pub(super) fn code_in_text(text: &str) -> Option<String> {
    let marked = text.split_once("(#").and_then(|(_, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty() && rest[digits.len()..].starts_with(')')).then_some(digits)
    });
    marked.or_else(|| {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .find(|word| {
                word.len() == 6
                    && word.starts_with("13")
                    && word.bytes().all(|byte| byte.is_ascii_digit())
            })
            .map(ToOwned::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_code_is_found_inside_a_text() {
        for (text, code) in [
            ("(#131026) Message undeliverable", Some("131026")),
            ("Error 131053: media", Some("131053")),
            ("(#4) Too many calls", Some("4")),
            ("order 131 of 2026", None),
            ("(#) nothing", None),
            ("call 13105312", None),
        ] {
            assert_eq!(code_in_text(text).as_deref(), code, "{text}");
        }
    }

    #[test]
    fn a_code_is_read_in_every_notation() {
        for value in [
            json!(131_026),
            json!(131_026.0),
            json!("131026"),
            json!("'131026'"),
            json!("[131026]"),
            json!("<131026>"),
            json!("{\"code\":131026}"),
            json!({"code": 131_026}),
            json!([131_026]),
            json!("131,026"),
            json!("0131026"),
            json!("1.31026E5"),
            json!("131026.0"),
            json!("(#131026)"),
        ] {
            for name in CODE_FIELDS {
                let status = json!({*name: value});
                assert_eq!(parse_code(&status).as_deref(), Some("131026"), "{status}");
            }
        }
        for (value, code) in [
            (json!("0"), Some("0")),
            (json!("007"), Some("007")),
            (json!("WAV2101"), Some("WAV2101")),
            (json!("1,2"), Some("1,2")),
            (json!("{{code}}"), None),
            (json!("<code>"), None),
            (json!(null), None),
        ] {
            assert_eq!(parse_code(&json!({"code": value})).as_deref(), code);
        }
    }
}
