//! Meta's own webhook shapes, whole or in part, as several providers embed them: entries, changes, values, statuses.
//!
//! Read from <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status/> on 2026-11-20.
//! It knows nothing of what providers wrap around these shapes; that is read in their files.

use serde_json::Value;

use crate::domain::delivery::Pricing;
use crate::domain::failure::Failure;
use crate::domain::tag;
use crate::providers::payload::{add_id, first, items, plain_word, recipient, text};
use crate::providers::vocabulary::{self, Meaning, parse_time};
use crate::providers::{CallbackPart, Inbound, Report};

/// Everything in a payload that has one of Meta's shapes, in its order; `None` where it has none of them.
///
/// Taken are the whole envelope, a list of changes, one change, one value, one bare status, and lists of any of these.
/// A report may lack ids: a provider's wrapper can still name the message.
pub(super) fn read(payload: &Value) -> Option<Vec<CallbackPart>> {
    let parts = match payload {
        Value::Array(elements) => read_list(elements),
        Value::Object(_) => read_object(payload),
        _ => None,
    }?;
    if parts.is_empty() {
        return Some(vec![unreadable("an envelope that holds nothing")]);
    }
    Some(parts)
}

fn read_list(elements: &[Value]) -> Option<Vec<CallbackPart>> {
    let read: Vec<_> = elements.iter().map(read).collect();
    if read.iter().all(Option::is_none) {
        return None;
    }
    let unknown = || vec![unreadable("an element of none of the known shapes")];
    Some(
        read.into_iter()
            .flat_map(|parts| parts.unwrap_or_else(unknown))
            .collect(),
    )
}

fn read_object(object: &Value) -> Option<Vec<CallbackPart>> {
    let has = |name: &str| object.get(name).is_some_and(|value| !value.is_null());
    if has("entry") {
        let entries = items(object.get("entry")).iter();
        return Some(entries.flat_map(read_entry).collect());
    }
    if has("changes") {
        return Some(read_entry(object));
    }
    if object.get("value").is_some_and(Value::is_object) {
        return Some(read_change(object));
    }
    if has("statuses") || has("messages") || (has("errors") && has("messaging_product")) {
        return Some(read_value(object));
    }
    let is_status = has("id") && object.get("status").and_then(text).is_some();
    is_status.then(|| vec![read_status(object, object)])
}

fn read_entry(entry: &Value) -> Vec<CallbackPart> {
    match entry.get("changes") {
        Some(changes) => items(Some(changes)).iter().flat_map(read_change).collect(),
        None => read(entry).unwrap_or_else(|| vec![unreadable("an entry without changes")]),
    }
}

fn read_change(change: &Value) -> Vec<CallbackPart> {
    let value = change.get("value").unwrap_or(&Value::Null);
    let has = |name: &str| !items(value.get(name)).is_empty();
    if has("statuses") || has("messages") {
        return read_value(value);
    }
    match first(change, &["field"]) {
        Some(field) if field != "messages" => vec![notice_of_field(&field, value)],
        _ if has("errors") => read_value(value),
        _ => vec![unreadable("a change without statuses, messages or errors")],
    }
}

fn notice_of_field(field: &str, value: &Value) -> CallbackPart {
    let event = first(value, &["event", "current_limit"])
        .map_or(String::new(), |event| format!(": {}", plain_word(&event)));
    CallbackPart::Notice(format!("{}{event}", plain_word(field)))
}

fn read_value(value: &Value) -> Vec<CallbackPart> {
    let statuses = items(value.get("statuses"));
    let mut parts: Vec<_> = statuses
        .iter()
        .map(|status| read_status(status, value))
        .collect();
    parts.extend(items(value.get("messages")).iter().map(read_message));
    let explains_a_status = statuses
        .iter()
        .any(|status| is_failed(status) && items(status.get("errors")).is_empty());
    if !explains_a_status {
        parts.extend(items(value.get("errors")).iter().map(notice_of_error));
    }
    if parts.is_empty() {
        parts.push(unreadable("a value that holds nothing"));
    }
    parts
}

fn is_failed(status: &Value) -> bool {
    first(status, &["status"])
        .is_some_and(|word| vocabulary::meaning(&word, &[]) == Some(Meaning::Failed))
}

fn notice_of_error(error: &Value) -> CallbackPart {
    let failure = read_error(error);
    CallbackPart::Notice(format!(
        "system error {}: {}",
        failure.code.as_deref().unwrap_or("without code"),
        plain_word(&failure.title.unwrap_or_default())
    ))
}

/// A customer's message; WhatsApp's own remarks (a changed number) open no window.
fn read_message(message: &Value) -> CallbackPart {
    if !message.is_object() {
        return unreadable("a message that is no object");
    }
    if first(message, &["type"]).as_deref() == Some("system") {
        return CallbackPart::Notice("system message".to_owned());
    }
    CallbackPart::Inbound(Inbound {
        sender: first(message, &["from", "from_user_id"]).and_then(|from| recipient(&from)),
        occurred_at: first(message, &["timestamp"]).and_then(|time| parse_time(&time)),
    })
}

/// One status; `around` is the value it stands in, for the contact and for errors told there.
fn read_status(status: &Value, around: &Value) -> CallbackPart {
    if !status.is_object() {
        return unreadable("a status that is no object");
    }
    let Some(word) = first(status, &["status"]) else {
        return unreadable("a status without a word");
    };
    let mut ids = Vec::new();
    let conversation = status
        .get("conversation")
        .and_then(|conversation| first(conversation, &["id"]));
    let id = first(status, &["id"]);
    // An id that is the conversation's would join every message of 24 hours.
    add_id(&mut ids, id.filter(|id| Some(id) != conversation.as_ref()));
    CallbackPart::Report(Report {
        ids,
        tag: first(status, &["biz_opaque_callback_data"]).and_then(|text| tag::find(&text)),
        recipient: read_recipient(status, around),
        kind: None,
        fact: Some(vocabulary::fact(&word, &[], || {
            read_failure(&[status, around])
        })),
        occurred_at: first(status, &["timestamp"]).and_then(|time| parse_time(&time)),
        pricing: read_pricing(status),
    })
}

fn read_recipient(status: &Value, around: &Value) -> Option<String> {
    const PARTICIPANT: &[&str] = &["recipient_participant_id", "recipient_participant_user_id"];
    const CUSTOMER: &[&str] = &["recipient_id", "recipient_user_id", "user_id"];
    let contact = items(around.get("contacts")).first();
    first(status, PARTICIPANT)
        .or_else(|| first(status, CUSTOMER))
        .or_else(|| first(contact?, &["wa_id", "user_id"]))
        .and_then(|text| recipient(&text))
}

/// What a status, or the wrapper around it, says of the cost.
pub(super) fn read_pricing(object: &Value) -> Pricing {
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

/// The failure that the first of these objects to name an error tells, in any of the places seen.
pub(super) fn read_failure(places: &[&Value]) -> Failure {
    let named = places.iter().find_map(|place| {
        let mut errors = ["errors", "error"]
            .iter()
            .flat_map(|name| items(place.get(name)))
            .map(read_error)
            .filter(|failure| *failure != Failure::default());
        errors.next().map(|first| with_further(first, errors))
    });
    named
        .or_else(|| {
            places
                .iter()
                .map(|place| read_loose_failure(place))
                .find(|failure| *failure != Failure::default())
        })
        .unwrap_or_default()
}

/// The first error of a report is its failure; what the report names beside it stands behind its detail.
fn with_further(first: Failure, further: impl Iterator<Item = Failure>) -> Failure {
    let mut others: Vec<String> = Vec::new();
    for error in further.filter(|error| *error != first) {
        let words = error.in_words();
        if !others.contains(&words) {
            others.push(words);
        }
    }
    if others.is_empty() {
        return first;
    }
    let others = format!("(also told: {})", others.join("; "));
    Failure {
        detail: Some(match &first.detail {
            Some(detail) => format!("{detail} {others}"),
            None => others,
        }),
        ..first
    }
}

/// One error object: `{code, title, message, error_data: {details}}`, an older one with `details`, or a mere text.
fn read_error(error: &Value) -> Failure {
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
        code: read_code(error, &["code"]).or_else(|| code_in_text(title.as_deref()?)),
        detail: details.filter(|detail| Some(detail) != title.as_ref()),
        title,
        key: None,
    }
}

/// Code and words that stand flat beside the status.
fn read_loose_failure(object: &Value) -> Failure {
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
        code: read_code(object, CODES).or_else(|| code_in_text(title.as_deref()?)),
        title,
        detail,
        key: None,
    }
}

/// A code under its own name: a number, a text, or a text around it.
fn read_code(object: &Value, names: &[&str]) -> Option<String> {
    let code = first(object, names)?;
    Some(code_in_text(&code).unwrap_or(code))
}

/// A code inside words: `(#131026) …`, or one of Meta's six-digit codes as a word of its own.
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

fn unreadable(reason: &str) -> CallbackPart {
    CallbackPart::Unreadable(reason.to_owned())
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
    fn every_error_of_one_report_is_told() {
        let status = serde_json::json!({"status": "failed", "errors": [
            {"code": 131_026, "title": "Message undeliverable"},
            {"code": 131_053, "title": "Media upload error", "error_data": {"details": "404"}},
            {"code": 131_053, "title": "Media upload error", "error_data": {"details": "404"}},
        ]});
        let failure = read_failure(&[&status]);
        assert_eq!(failure.code.as_deref(), Some("131026"));
        assert_eq!(
            failure.detail.as_deref(),
            Some("(also told: 131053: Media upload error: 404)")
        );
    }
}
