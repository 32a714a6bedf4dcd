//! Parses the errors of a report in Meta's shapes, and codes and texts in fields next to its
//! status.

use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::placeholder::is_not_reason;
use crate::providers::json_in_text::begins_json;
use crate::providers::payload::{first_text, items, parse_text};
use crate::providers::reading_budget::shorten;

/// Maximum number of errors read per report; a batch may repeat thousands of them for each report.
const ERRORS_LIMIT: usize = 16;
/// Maximum bytes kept of a title and of a detail.
const FAILURE_TEXT_LIMIT: usize = 1024;
/// Maximum number of texts joined from an error without any known field, and maximum bytes of each.
const JOINED_TEXTS: usize = 4;
const JOINED_LIMIT: usize = 256;
/// Maximum bytes kept of a code.
const FAILURE_CODE_LIMIT: usize = 64;
/// Maximum bytes of a text that is searched for JSON: a value needs many times the memory of its
/// text.
const NESTED_JSON_LIMIT: usize = 16 * 1024;
const ERROR_FIELDS: &[&str] = &["errors", "error", "error_data", "err", "failure"];
/// Fields of the status itself, with a code and with a text.
const CODE_FIELDS: &[&str] = &["errorCode", "error_code", "ErrorCode", "code"];
const REASON_FIELDS: &[&str] = &[
    "reason",
    "remark",
    "errorMessage",
    "error_message",
    "ErrorMessage",
    "errorDescription",
    "error_description",
    "errorReason",
    "error_reason",
    "failureReason",
    "failure_reason",
    "description",
    "title",
];
const TITLE_FIELDS: &[&str] = &["title", "message", "reason", "description"];
const DETAIL_FIELDS: &[&str] = &["details", "detail", "message"];
/// A longer text is not a code.
const CODE_BYTES_LIMIT: usize = 32;

/// The failure of the first object that has one, under any known name.
pub(super) fn parse_failure(places: &[&Value]) -> Failure {
    let named = places.iter().find_map(|place| {
        let errors = ERROR_FIELDS.iter().flat_map(|name| items(place.get(name)));
        let reasons = REASON_FIELDS.iter().filter_map(|name| place.get(name));
        let reasons = reasons.filter(|reason| reason.is_object() || reason.is_array());
        parse_errors(errors.chain(reasons.flat_map(|reason| items(Some(reason)))))
    });
    let found = named.or_else(|| {
        places
            .iter()
            .map(|place| parse_flat_failure(place))
            .find(|failure| *failure != Failure::default())
    });
    found.map_or_else(Failure::default, shorten_texts)
}

fn shorten_texts(failure: Failure) -> Failure {
    let text = |text: String| shorten(readable(text), FAILURE_TEXT_LIMIT);
    Failure {
        code: failure.code.map(|code| shorten(code, FAILURE_CODE_LIMIT)),
        title: failure.title.map(text),
        detail: failure.detail.map(text),
        key: failure.key,
    }
}

/// The first error of a report is its failure; further errors are appended to its detail.
fn parse_errors<'e>(errors: impl Iterator<Item = &'e Value>) -> Option<Failure> {
    let mut errors = errors
        .take(ERRORS_LIMIT)
        .map(parse_error)
        .filter(|failure| *failure != Failure::default());
    errors.next().map(|first| append_errors(first, errors))
}

/// The object or list that a text contains. The reader of a callback has already unwrapped one
/// level of such texts.
fn parse_nested_json(text: &str) -> Option<Value> {
    let begins_text = text.trim_start().starts_with('"');
    if text.len() > NESTED_JSON_LIMIT || (!begins_text && !begins_json(text)) {
        return None;
    }
    match serde_json::from_str(text).ok()? {
        Value::String(inner) => parse_nested_json(&inner),
        value => Some(value),
    }
}

fn parse_nested_errors(text: &str) -> Option<Failure> {
    let nested = parse_nested_json(text)?;
    parse_errors(items(Some(&nested)).iter())
}

/// Replaces JSON that contains an error by the text of the error.
fn readable(text: String) -> String {
    match parse_nested_errors(&text) {
        Some(failure) => failure.one_line(),
        None => text,
    }
}

fn append_errors(first: Failure, further: impl Iterator<Item = Failure>) -> Failure {
    let mut others: Vec<String> = Vec::new();
    for error in further.filter(|error| *error != first) {
        let words = error.one_line();
        if !others.contains(&words) {
            others.push(words);
        }
    }
    if others.is_empty() {
        return first;
    }
    let others = format!("(also reported: {})", others.join("; "));
    Failure {
        detail: Some(match &first.detail {
            Some(detail) => format!("{detail} {others}"),
            None => others,
        }),
        ..first
    }
}

/// Parses one error: `{code, title, message, error_data: {details}}`, the older form with
/// `details`, `error_data` as a text, texts under other names, or only a text.
pub(super) fn parse_error(error: &Value) -> Failure {
    if let Some(failure) = error.as_str().and_then(parse_nested_errors) {
        return failure;
    }
    if let Some(text) = parse_text(error) {
        if is_not_reason(&text) {
            return Failure::default();
        }
        let code = code_in_text(&text);
        return Failure {
            title: Some(text).filter(|text| code.as_ref() != Some(text)),
            code,
            ..Failure::default()
        };
    }
    if let Some(inner) = error.get("error").filter(|inner| inner.is_object())
        && error.get("code").is_none()
    {
        return parse_flat_error(inner);
    }
    parse_flat_error(error)
}

fn parse_flat_error(error: &Value) -> Failure {
    let loose = parse_flat_failure(error);
    let title = first_text(error, TITLE_FIELDS).or_else(|| loose.title.clone());
    let details = error
        .get("error_data")
        .and_then(parse_details)
        .or_else(|| first_text(error, DETAIL_FIELDS))
        .or_else(|| title.is_none().then(|| join_texts(error)).flatten());
    let words = title.as_deref().or(details.as_deref());
    Failure {
        code: parse_code(error, CODE_FIELDS).or_else(|| code_in_text(words?)),
        detail: details.filter(|detail| Some(detail) != title.as_ref()),
        title,
        key: None,
    }
}

/// An object, a list of them, or a text, which may hold either.
fn parse_details(data: &Value) -> Option<String> {
    let nested = data.as_str().and_then(parse_nested_json);
    let words = |data: &Value| {
        parse_text(data)
            .or_else(|| first_text(data, DETAIL_FIELDS))
            .or_else(|| first_text(data, TITLE_FIELDS))
    };
    items(Some(nested.as_ref().unwrap_or(data)))
        .iter()
        .find_map(words)
}

/// `name: text; …` of an object without any known name.
fn join_texts(error: &Value) -> Option<String> {
    let is_known = |name: &str| {
        matches!(name, "code" | "href" | "error_data") || DETAIL_FIELDS.contains(&name)
    };
    let texts = error.as_object()?.iter();
    let texts: Vec<String> = texts
        .filter(|(name, _)| !is_known(name) && name.len() <= FAILURE_CODE_LIMIT)
        .filter_map(|(name, value)| Some((name, shorten(parse_text(value)?, JOINED_LIMIT))))
        .map(|(name, words)| format!("{name}: {words}"))
        .take(JOINED_TEXTS)
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// The code and the text in fields of the status itself.
fn parse_flat_failure(object: &Value) -> Failure {
    let words = REASON_FIELDS
        .iter()
        .filter_map(|name| first_text(object, &[name]));
    let mut words = words.filter(|text| !is_not_reason(text));
    let title = words.next();
    let detail = words.find(|text| Some(text) != title.as_ref());
    Failure {
        code: parse_code(object, CODE_FIELDS).or_else(|| code_in_text(title.as_deref()?)),
        title,
        detail,
        key: None,
    }
}

/// A code in its own field: a number, a text, or a text that contains it.
fn parse_code(object: &Value, names: &[&str]) -> Option<String> {
    let code = first_text(object, names).filter(|code| code == "0" || !is_not_reason(code))?;
    Some(code_in_text(&code).unwrap_or(code))
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

/// A code (`131053`, `WAV2101`), a text that may contain one, or an error object.
pub(super) fn parse_any_error(value: &Value) -> Option<Failure> {
    let words = parse_text(value).filter(|words| parse_nested_json(words).is_none());
    let Some(words) = words else {
        let failure = parse_failure(&[&serde_json::json!({ "error": value })]);
        return (failure != Failure::default()).then_some(failure);
    };
    let is_code = words.len() <= CODE_BYTES_LIMIT
        && words.contains(|c: char| c.is_ascii_digit())
        && !words.contains(char::is_whitespace);
    Some(if is_code {
        Failure {
            code: Some(words),
            ..Failure::default()
        }
    } else {
        Failure {
            code: code_in_text(&words),
            title: Some(shorten(words, FAILURE_TEXT_LIMIT)),
            ..Failure::default()
        }
    })
}

#[cfg(test)]
mod tests {
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
    fn a_reason_is_read_in_every_known_shape() {
        for (status, words) in [
            (
                serde_json::json!({"errors": [{"code": 131_026, "title": "Undeliverable", "error_data": "Not on WhatsApp"}]}),
                "131026: Undeliverable: Not on WhatsApp",
            ),
            (
                serde_json::json!({"error_data": {"details": "(#131053) too large"}}),
                "131053: (#131053) too large",
            ),
            (
                serde_json::json!({"errors": "131026: Undeliverable"}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"errors": ["Blocked", "Again"]}),
                "Blocked: (also reported: Again)",
            ),
            (
                serde_json::json!({"errors": {"to": "invalid", "name": "empty"}}),
                "to: invalid; name: empty",
            ),
            (serde_json::json!({"errors": 131_026}), "131026"),
            (
                serde_json::json!({"errors": [{"code": 131_026, "title": "Undeliverable", "error_data": [{"details": "Not on WhatsApp"}]}]}),
                "131026: Undeliverable: Not on WhatsApp",
            ),
            (
                serde_json::json!({"error": "null", "reason": "131026: Undeliverable"}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"error": "{{error}}", "errors": [null, {"code": 131_026}]}),
                "131026",
            ),
            (
                serde_json::json!({"reason": {"code": 131_026, "description": "Undeliverable"}}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"errors": [{"error": {"code": 131_026, "message": "Undeliverable"}}]}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"errors": [{"error_code": 131_026, "error_message": "Undeliverable"}]}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"ErrorCode": "131026", "ErrorMessage": "Undeliverable"}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"errors": "<p>131026: Undeliverable</p>"}),
                "131026: <p>131026: Undeliverable</p>",
            ),
        ] {
            assert_eq!(parse_failure(&[&status]).one_line(), words, "{status}");
        }
    }

    #[test]
    fn a_reason_is_read_in_json_nested_in_texts() {
        let data = serde_json::json!({"details": "Not on WhatsApp"}).to_string();
        let twice = serde_json::json!(data).to_string();
        let error = |data: &str| serde_json::json!({"code": 131_026, "title": "Undeliverable", "error_data": data});
        let words = "131026: Undeliverable: Not on WhatsApp";
        for (status, words) in [
            (serde_json::json!({"errors": [error(&data)]}), words),
            (serde_json::json!({"errors": [error(&twice)]}), words),
            (
                serde_json::json!({"errors": error(&data).to_string()}),
                words,
            ),
            (
                serde_json::json!({"errors": serde_json::json!([error(&twice)]).to_string()}),
                words,
            ),
            (
                serde_json::json!({"errors": [{"code": 131_026, "message": error(&data).to_string()}]}),
                words,
            ),
            (
                serde_json::json!({"reason": error(&data).to_string()}),
                words,
            ),
            (
                serde_json::json!({"error": "\"Blocked\" by them"}),
                "\"Blocked\" by them",
            ),
            (serde_json::json!({"error": "{\"cut"}), "{\"cut"),
            (
                serde_json::json!({"errors": [error(&data).to_string(), "Blocked"]}),
                "131026: Undeliverable: Not on WhatsApp (also reported: Blocked)",
            ),
        ] {
            assert_eq!(parse_failure(&[&status]).one_line(), words, "{status}");
        }
        let failure = parse_any_error(&serde_json::json!(error(&data).to_string()));
        assert_eq!(
            failure.map(|failure| failure.one_line()).as_deref(),
            Some(words)
        );
    }

    #[test]
    fn every_error_of_a_report_is_kept() {
        let status = serde_json::json!({"status": "failed", "errors": [
            {"code": 131_026, "title": "Message undeliverable"},
            {"code": 131_053, "title": "Media upload error", "error_data": {"details": "404"}},
            {"code": 131_053, "title": "Media upload error", "error_data": {"details": "404"}},
        ]});
        let failure = parse_failure(&[&status]);
        assert_eq!(failure.code.as_deref(), Some("131026"));
        assert_eq!(
            failure.detail.as_deref(),
            Some("(also reported: 131053: Media upload error: 404)")
        );
    }
}
