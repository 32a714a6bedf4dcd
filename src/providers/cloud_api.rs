//! Parses Meta's webhook shapes, which several providers embed in whole or in part: entries,
//! changes, values, statuses.
//!
//! Documentation:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status/>,
//! read on 2026-11-20. What a provider wraps around these shapes is parsed in the provider's file.

use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::failure::Failure;
use crate::domain::receipt::Pricing;
use crate::providers::payload::{add_id, first, items, plain_word, recipient, text};
use crate::providers::vocabulary::{self, Meaning, parse_time};
use crate::providers::{CallbackPart, Inbound, Report};

/// Parses a payload in one of Meta's shapes, in order; `None` if it has none of them.
///
/// Accepts the whole envelope, a list of changes, one change, one value, one bare status, and lists
/// of these. A report may lack ids: a provider's wrapper can still name the message.
pub(super) fn parse(payload: &Value) -> Option<Vec<CallbackPart>> {
    let parts = match payload {
        Value::Array(elements) => parse_list(elements),
        Value::Object(_) => parse_object(payload),
        _ => None,
    }?;
    if parts.is_empty() {
        return Some(vec![unparseable("an empty envelope")]);
    }
    Some(parts)
}

fn parse_list(elements: &[Value]) -> Option<Vec<CallbackPart>> {
    let parsed: Vec<_> = elements.iter().map(parse).collect();
    if parsed.iter().all(Option::is_none) {
        return None;
    }
    let unknown = || vec![unparseable("an element of unknown shape")];
    Some(
        parsed
            .into_iter()
            .flat_map(|parts| parts.unwrap_or_else(unknown))
            .collect(),
    )
}

fn parse_object(object: &Value) -> Option<Vec<CallbackPart>> {
    let has = |name: &str| object.get(name).is_some_and(|value| !value.is_null());
    if has("entry") {
        let entries = items(object.get("entry")).iter();
        return Some(entries.flat_map(parse_entry).collect());
    }
    if has("changes") {
        return Some(parse_entry(object));
    }
    if object.get("value").is_some_and(Value::is_object) {
        return Some(parse_change(object));
    }
    if has("statuses") || has("messages") || (has("errors") && has("messaging_product")) {
        return Some(parse_value(object));
    }
    let is_status = has("id") && object.get("status").and_then(text).is_some();
    is_status.then(|| vec![parse_status(object, object)])
}

fn parse_entry(entry: &Value) -> Vec<CallbackPart> {
    match entry.get("changes") {
        Some(changes) => items(Some(changes)).iter().flat_map(parse_change).collect(),
        None => parse(entry).unwrap_or_else(|| vec![unparseable("an entry without changes")]),
    }
}

fn parse_change(change: &Value) -> Vec<CallbackPart> {
    let value = change.get("value").unwrap_or(&Value::Null);
    let has = |name: &str| !items(value.get(name)).is_empty();
    if has("statuses") || has("messages") {
        return parse_value(value);
    }
    match first(change, &["field"]) {
        Some(field) if field != "messages" => vec![notice_of_field(&field, value)],
        _ if has("errors") => parse_value(value),
        _ => vec![unparseable("a change without statuses, messages or errors")],
    }
}

fn notice_of_field(field: &str, value: &Value) -> CallbackPart {
    let event = first(value, &["event", "current_limit"])
        .map_or(String::new(), |event| format!(": {}", plain_word(&event)));
    CallbackPart::Notice(format!("{}{event}", plain_word(field)))
}

fn parse_value(value: &Value) -> Vec<CallbackPart> {
    let statuses = items(value.get("statuses"));
    let mut parts: Vec<_> = statuses
        .iter()
        .map(|status| parse_status(status, value))
        .collect();
    parts.extend(items(value.get("messages")).iter().map(parse_message));
    let explains_a_status = statuses
        .iter()
        .any(|status| is_failed(status) && items(status.get("errors")).is_empty());
    if !explains_a_status {
        parts.extend(items(value.get("errors")).iter().map(notice_of_error));
    }
    if parts.is_empty() {
        parts.push(unparseable("an empty value"));
    }
    parts
}

fn is_failed(status: &Value) -> bool {
    first(status, &["status"])
        .is_some_and(|word| vocabulary::meaning(&word, &[]) == Some(Meaning::Failed))
}

fn notice_of_error(error: &Value) -> CallbackPart {
    let failure = parse_error(error);
    CallbackPart::Notice(format!(
        "system error {}: {}",
        failure.code.as_deref().unwrap_or("without code"),
        plain_word(&failure.title.unwrap_or_default())
    ))
}

/// A customer's message. WhatsApp's system messages (a changed number) do not open a window.
fn parse_message(message: &Value) -> CallbackPart {
    if !message.is_object() {
        return unparseable("a message that is not an object");
    }
    if first(message, &["type"]).as_deref() == Some("system") {
        return CallbackPart::Notice("system message".to_owned());
    }
    CallbackPart::Inbound(Inbound {
        sender: first(message, &["from", "from_user_id"]).and_then(|from| recipient(&from)),
        occurred_at: first(message, &["timestamp"]).and_then(|time| parse_time(&time)),
    })
}

/// Parses one status. `around` is the enclosing value, which may have the contact and errors.
fn parse_status(status: &Value, around: &Value) -> CallbackPart {
    if !status.is_object() {
        return unparseable("a status that is not an object");
    }
    let Some(word) = first(status, &["status"]) else {
        return unparseable("a status without a word");
    };
    let mut ids = Vec::new();
    let conversation = status
        .get("conversation")
        .and_then(|conversation| first(conversation, &["id"]));
    let id = first(status, &["id"]);
    // A conversation id would merge all messages of 24 hours.
    add_id(&mut ids, id.filter(|id| Some(id) != conversation.as_ref()));
    CallbackPart::Report(Report {
        ids,
        tag: first(status, &["biz_opaque_callback_data"])
            .and_then(|text| correlation_tag::find(&text)),
        recipient: parse_recipient(status, around),
        kind: None,
        event: Some(vocabulary::parse_status_word(&word, &[], || {
            parse_failure(&[status, around])
        })),
        occurred_at: first(status, &["timestamp"]).and_then(|time| parse_time(&time)),
        pricing: parse_pricing(status),
    })
}

fn parse_recipient(status: &Value, around: &Value) -> Option<String> {
    const PARTICIPANT: &[&str] = &["recipient_participant_id", "recipient_participant_user_id"];
    const CUSTOMER: &[&str] = &["recipient_id", "recipient_user_id", "user_id"];
    let contact = items(around.get("contacts")).first();
    first(status, PARTICIPANT)
        .or_else(|| first(status, CUSTOMER))
        .or_else(|| first(contact?, &["wa_id", "user_id"]))
        .and_then(|text| recipient(&text))
}

/// The pricing in a status, or in the wrapper around it.
pub(super) fn parse_pricing(object: &Value) -> Pricing {
    let pricing = object.get("pricing").unwrap_or(&Value::Null);
    let price = |object: &Value| match object.get("price") {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(value) => text(value),
        None => None,
    };
    Pricing {
        billable: pricing.get("billable").and_then(Value::as_bool),
        category: first(pricing, &["category"]),
        model: first(pricing, &["pricing_model"]),
        price: price(pricing).or_else(|| price(object)),
    }
}

/// The failure of the first object that has one, under any known name.
pub(super) fn parse_failure(places: &[&Value]) -> Failure {
    let named = places.iter().find_map(|place| {
        let mut errors = ["errors", "error"]
            .iter()
            .flat_map(|name| items(place.get(name)))
            .map(parse_error)
            .filter(|failure| *failure != Failure::default());
        errors.next().map(|first| with_further(first, errors))
    });
    named
        .or_else(|| {
            places
                .iter()
                .map(|place| parse_loose_failure(place))
                .find(|failure| *failure != Failure::default())
        })
        .unwrap_or_default()
}

/// The first error of a report is its failure; further errors are appended to its detail.
fn with_further(first: Failure, further: impl Iterator<Item = Failure>) -> Failure {
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

/// One error: `{code, title, message, error_data: {details}}`, an older one with `details`, or a
/// text.
fn parse_error(error: &Value) -> Failure {
    if let Some(text) = text(error) {
        return Failure {
            code: code_in_text(&text),
            title: Some(text),
            ..Failure::default()
        };
    }
    let title = first(error, &["title", "message", "reason", "description"]);
    let details = error
        .get("error_data")
        .and_then(|data| first(data, &["details"]))
        .or_else(|| first(error, &["details", "detail", "message"]));
    Failure {
        code: parse_code(error, &["code"]).or_else(|| code_in_text(title.as_deref()?)),
        detail: details.filter(|detail| Some(detail) != title.as_ref()),
        title,
        key: None,
    }
}

/// Code and text that are fields of the status itself.
fn parse_loose_failure(object: &Value) -> Failure {
    const CODES: &[&str] = &["errorCode", "error_code", "code"];
    const WORDS: &[&str] = &[
        "reason",
        "remark",
        "errorMessage",
        "error_message",
        "failureReason",
        "failure_reason",
        "description",
        "title",
    ];
    let mut words = WORDS.iter().filter_map(|name| first(object, &[name]));
    let title = words.next();
    let detail = words.find(|text| Some(text) != title.as_ref());
    Failure {
        code: parse_code(object, CODES).or_else(|| code_in_text(title.as_deref()?)),
        title,
        detail,
        key: None,
    }
}

/// A code in its own field: a number, a text, or a text that contains it.
fn parse_code(object: &Value, names: &[&str]) -> Option<String> {
    let code = first(object, names)?;
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

fn unparseable(reason: &str) -> CallbackPart {
    CallbackPart::Unparseable(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_inside_words() {
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
