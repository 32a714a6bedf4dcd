//! Statuses that are not about the delivery of a message, such as those of calls and payments.

use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::receipt::{Pricing, ReceiptEvent};
use crate::providers::payload::{add_id, first_text, plain_word};
use crate::providers::protocol::{CallbackPart, Report};
use crate::providers::vocabulary::parse_time;

/// Values of a status's `type` that mean that it is about delivery. Meta writes `message`; some
/// providers write the kind of the message.
const MESSAGE_TYPES: &[&str] = &[
    "audio",
    "button",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "media",
    "message",
    "messages",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
    "voice",
];

/// Types and events that are not about the delivery of a message. Compared with the text before the
/// first `.`: `order.created` is one; `order_details` and `call_to_action` are kinds of messages.
const NON_DELIVERY_EVENTS: &[&str] = &["call", "calls", "order", "orders"];
/// Like [`NON_DELIVERY_EVENTS`], but also if further words follow: `payment_status`.
const PAYMENT_EVENTS: &[&str] = &["payment", "payments", "refund", "refunds"];

/// What Meta's status is about, if that is not the delivery of a message. `field` is the name in
/// the enclosing change.
pub(super) fn subject_of_status(status: &Value, field: Option<&str>) -> Option<String> {
    if let Some(field) = field.filter(|field| !field.eq_ignore_ascii_case("messages")) {
        return Some(field.to_owned());
    }
    first_text(status, &["type"]).filter(|kind| {
        !MESSAGE_TYPES
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known))
    })
}

/// Whether this names an event that is not about the delivery of a message: `payment.failed`.
pub(super) fn is_non_delivery_event(name: &str) -> bool {
    let is_one_of =
        |word: &str, events: &[&str]| events.iter().any(|event| word.eq_ignore_ascii_case(event));
    let subject = name.split('.').next().unwrap_or_default();
    is_one_of(subject, NON_DELIVERY_EVENTS) || is_one_of(first_word(name), PAYMENT_EVENTS)
}

fn first_word(name: &str) -> &str {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default()
}

/// A notice with the ids and the correlation tag of the status, except the id of a call.
pub(super) fn of_status(subject: &str, status_word: &str, status: &Value) -> CallbackPart {
    let mut ids = Vec::new();
    // A call has an id of its own.
    if !is_call(subject) {
        add_id(&mut ids, first_text(status, &["id"]));
    }
    CallbackPart::Report(Report {
        ids,
        tag: first_text(status, &["biz_opaque_callback_data"])
            .and_then(|text| correlation_tag::find(&text)),
        recipient: None,
        kind: None,
        event: Some(event(subject, status_word)),
        occurred_at: first_text(status, &["timestamp"]).and_then(|time| parse_time(&time)),
        pricing: Pricing::default(),
    })
}

/// `payment: failed`
pub(super) fn event(subject: &str, status_word: &str) -> ReceiptEvent {
    ReceiptEvent::Notice(format!(
        "{}: {}",
        plain_word(subject),
        plain_word(status_word)
    ))
}

/// Turns the report into a notice if a type or an event in `chain` is not about delivery. `chain`
/// is the object with the status and those around it, innermost first.
pub(super) fn as_notice_if_non_delivery(
    report: Report,
    chain: &[&Value],
    status_word: &str,
) -> Report {
    const NAMES: [&str; 4] = ["type", "field", "event", "eventType"];
    let mut named = chain
        .iter()
        .flat_map(|object| NAMES.map(|name| first_text(object, &[name])))
        .flatten();
    let Some(subject) = named.find(|subject| is_non_delivery_event(subject)) else {
        return report;
    };
    Report {
        ids: if is_call(&subject) {
            Vec::new()
        } else {
            report.ids
        },
        recipient: None,
        event: Some(event(&subject, status_word)),
        pricing: Pricing::default(),
        ..report
    }
}

fn is_call(subject: &str) -> bool {
    let word = first_word(subject);
    word.eq_ignore_ascii_case("call") || word.eq_ignore_ascii_case("calls")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_kinds_that_contain_the_word_of_an_event_are_not_events() {
        for name in [
            "payment",
            "payment.failed",
            "payments",
            "Payment_Status",
            "refund",
            "call",
            "CALLS",
            "order.created",
        ] {
            assert!(is_non_delivery_event(name), "{name}");
        }
        for name in [
            "call_to_action",
            "order_details",
            "order-confirmation",
            "message.status",
            "image",
            "",
        ] {
            assert!(!is_non_delivery_event(name), "{name}");
        }
    }
}
