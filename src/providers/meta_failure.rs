//! Parses the errors of a report in Meta's shapes, and codes and texts in fields next to its
//! status.

use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::placeholder::is_not_reason;
use crate::providers::failure_code::{code_in_text, parse_code, parse_number};
use crate::providers::failure_detail::{
    DETAIL_FIELDS, TITLE_FIELDS, join_texts, parse_details, parse_nested_json, parse_own_details,
};
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{first_text, items, parse_text};
use crate::providers::reading_budget::shorten;

/// Maximum number of errors read per report; a batch may repeat thousands of them for each report.
const ERRORS_LIMIT: usize = 16;
/// Maximum bytes kept of a title and of a detail.
const FAILURE_TEXT_LIMIT: usize = 1024;
/// Maximum bytes kept of a code.
const FAILURE_CODE_LIMIT: usize = 64;
const ERROR_FIELDS: &[&str] = &["errors", "error", "error_data", "err", "failure"];
/// Fields of the status itself with a text.
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
/// A longer text is not a code.
const CODE_BYTES_LIMIT: usize = 32;

/// The failure of the first object that has one, under any known name.
pub(super) fn parse_failure(places: &[&Value]) -> Failure {
    let named = places.iter().find_map(|place| {
        let errors = ERROR_FIELDS
            .iter()
            .flat_map(|name| items(place.member(name)));
        let reasons = REASON_FIELDS.iter().filter_map(|name| place.member(name));
        let reasons = reasons.filter(|reason| reason.is_object() || reason.is_array());
        let failure = parse_errors(errors.chain(reasons.flat_map(|reason| items(Some(reason)))))?;
        Some(complete(failure, place))
    });
    let found = named.or_else(|| {
        places
            .iter()
            .map(|place| parse_flat_failure(place))
            .find(|failure| *failure != Failure::default())
    });
    found.map_or_else(Failure::default, shorten_texts)
}

/// Adds what the error lacks from the fields of the status beside it. An HTTP status of success
/// there is no code of the failure.
fn complete(failure: Failure, status: &Value) -> Failure {
    if failure.code.is_some() && failure.title.is_some() {
        return failure;
    }
    let beside = parse_flat_failure(status);
    let is_success = |code: &String| matches!(code.parse::<u32>(), Ok(200..300));
    let title = beside
        .title
        .filter(|title| failure.detail.as_ref() != Some(title));
    Failure {
        code: failure
            .code
            .or_else(|| beside.code.filter(|code| !is_success(code))),
        detail: match (&failure.title, failure.detail) {
            (None, None) => beside.detail,
            (_, detail) => detail,
        },
        title: failure.title.or(title),
        key: failure.key,
    }
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
    if let Some(code) = parse_number(error) {
        return Failure {
            code: Some(code),
            ..Failure::default()
        };
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
    if let Some(inner) = error.member("error").filter(|inner| inner.is_object())
        && error.member("code").is_none()
    {
        return parse_flat_error(inner);
    }
    parse_flat_error(error)
}

fn parse_flat_error(error: &Value) -> Failure {
    let loose = parse_flat_failure(error);
    let title = first_text(error, TITLE_FIELDS).or_else(|| loose.title.clone());
    let details = error
        .member("error_data")
        .and_then(parse_details)
        .or_else(|| first_text(error, DETAIL_FIELDS))
        .or_else(|| loose.detail.clone())
        .or_else(|| title.is_none().then(|| join_texts(error)).flatten());
    let words = title.as_deref().or(details.as_deref());
    Failure {
        code: parse_code(error).or_else(|| code_in_text(words?)),
        detail: details.filter(|detail| Some(detail) != title.as_ref()),
        title,
        key: None,
    }
}

/// The code and the text in fields of the status itself.
fn parse_flat_failure(object: &Value) -> Failure {
    let words = REASON_FIELDS
        .iter()
        .filter_map(|name| first_text(object, &[name]));
    let mut words = words.filter(|text| !is_not_reason(text));
    let code = parse_code(object);
    // Without a code, it may be a customer's text.
    let message = || first_text(object, &["message"]).filter(|text| !is_not_reason(text));
    let title = words
        .next()
        .or_else(|| code.as_ref().and_then(|_| message()));
    let detail = words
        .chain(parse_own_details(object).filter(|text| !is_not_reason(text)))
        .find(|text| Some(text) != title.as_ref());
    Failure {
        code: code.or_else(|| code_in_text(title.as_deref()?)),
        title,
        detail,
        key: None,
    }
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
            code: Some(parse_number(value).unwrap_or(words)),
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
                serde_json::json!({"code": 131_026, "error_data": "Not on WhatsApp"}),
                "131026: Not on WhatsApp",
            ),
            (
                serde_json::json!({"code": 200, "error_data": "Not on WhatsApp"}),
                "Not on WhatsApp",
            ),
            (
                serde_json::json!({"errors": 131_026, "reason": "Undeliverable"}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"errors": [131_026], "reason": "Undeliverable"}),
                "131026: Undeliverable",
            ),
            (
                serde_json::json!({"code": 131_026, "message": "Undeliverable"}),
                "131026: Undeliverable",
            ),
            (serde_json::json!({"message": "Your order"}), ""),
            (
                serde_json::json!({"errors": [{"code": 131_026, "title": "Undeliverable", "details": {"info": "Not on WhatsApp"}}]}),
                "131026: Undeliverable: info: Not on WhatsApp",
            ),
            (
                serde_json::json!({"code": 131_026, "reason": "Undeliverable", "details": ["Blocked", "Old"]}),
                "131026: Undeliverable: Blocked; Old",
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
