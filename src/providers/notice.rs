//! Statuses that are not about the delivery of a message, such as those of calls and payments.

use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::placeholder::split_words;
use crate::domain::receipt::{Pricing, ReceiptEvent};
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{add_id, first_text, parse_text, plain_word};
use crate::providers::protocol::{CallbackPart, Report, ReportedKind};
use crate::providers::vocabulary::{self, parse_time};

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

/// Types in [`MESSAGE_TYPES`] that do not exclude that the message is an image or a video.
const MEDIA_TYPES: &[&str] = &["image", "media", "message", "messages", "video"];

/// Types and events that are not about the delivery of a message. Compared with the texts between
/// the `.`: `order.created` is one; `order_details` and `call_to_action` are kinds of messages.
const NON_DELIVERY_EVENTS: &[&str] = &["call", "calls", "flows", "order", "orders"];
/// Like [`NON_DELIVERY_EVENTS`], but also if further words follow: `payment_status`.
const PAYMENT_EVENTS: &[&str] = &["payment", "payments", "refund", "refunds"];

/// Words of an event's name that show that it is about a message: `delivery_status`.
const MESSAGE_WORDS: &[&str] = &[
    "ack",
    "api",
    "audio",
    // Zixflow calls every submission a campaign.
    "campaign",
    "delivery",
    "dlr",
    "document",
    "event",
    "hsm",
    "image",
    "media",
    "message",
    "messages",
    "msg",
    "not",
    "notification",
    "outbound",
    "outgoing",
    "receipt",
    "receipts",
    "report",
    "reports",
    "status",
    "statuses",
    "text",
    "update",
    "updates",
    "video",
    "wa",
    "waba",
    "webhook",
    "whatsapp",
];

/// Last words of an event's name, apart from status words: `flow_status`.
const EVENT_WORDS: &[&str] = &[
    "approved",
    "cancelled",
    "captured",
    "changed",
    "completed",
    "created",
    "event",
    "events",
    "status",
    "statuses",
    "terminate",
    "updated",
];

/// Members that name a type or an event.
const EVENT_FIELDS: [&str; 7] = [
    "type",
    "field",
    "event",
    "eventType",
    "event_type",
    "eventName",
    "event_name",
];

/// What Meta's status is about, if that is not the delivery of a message. `field` is the name in
/// the enclosing change.
pub(super) fn subject_of_status(status: &Value, field: Option<&str>) -> Option<String> {
    if let Some(field) = field.filter(|field| !field.eq_ignore_ascii_case("messages")) {
        return Some(field.to_owned());
    }
    let kind = status.member("type").and_then(parse_subject);
    kind.filter(|kind| !is_one_of(kind, MESSAGE_TYPES))
        .or_else(|| non_delivery_subject(&[status]))
}

/// The kind of message that a status names, if it cannot be an image or a video.
pub(super) fn other_kind_of_status(status: &Value) -> Option<ReportedKind> {
    first_text(status, &["type"]).and_then(|kind| other_kind(&kind))
}

/// The kind of message that a word names, if it cannot be an image or a video outside of a
/// template.
pub(super) fn other_kind(word: &str) -> Option<ReportedKind> {
    if word.eq_ignore_ascii_case("template") {
        return Some(ReportedKind::Template);
    }
    (is_one_of(word, MESSAGE_TYPES) && !is_one_of(word, MEDIA_TYPES)).then_some(ReportedKind::Other)
}

/// Whether an object has the content of a message, such as `"text": {"body": …}`.
pub(super) fn has_content(message: &Value) -> bool {
    let mut names = MESSAGE_TYPES.iter();
    names.any(|name| message.member(name).is_some_and(Value::is_object))
}

/// Channels of providers that are not WhatsApp.
const OTHER_CHANNELS: &[&str] = &[
    "call",
    "chat",
    "email",
    "facebook",
    "instagram",
    "line",
    "livechat",
    "messenger",
    "push",
    "rcs",
    "sms",
    "telegram",
    "viber",
    "voice",
    "web",
    "webchat",
    "wechat",
];

/// The channel that an object names, in lower case, if it is not WhatsApp. A name that an operator
/// chose, such as `Main line`, says nothing.
pub(super) fn other_channel(object: &Value) -> Option<String> {
    const NAMES: &[&str] = &["channel", "channel_type", "channelType"];
    let channel =
        first_text(object, NAMES).or_else(|| first_text(object.member("channel")?, &["type"]))?;
    let channel = plain_word(&channel.to_lowercase());
    is_other_channel(&channel).then_some(channel)
}

/// Whether this is the name of a channel that is not WhatsApp, in lower case.
pub(super) fn is_other_channel(name: &str) -> bool {
    OTHER_CHANNELS.contains(&name)
}

/// Whether this names an event that is not about the delivery of a message: `payment.failed`.
pub(super) fn is_non_delivery_event(name: &str) -> bool {
    has_other_subject(name) || is_event_of_other_subject(name)
}

/// Whether a part of the name is a payment, an order or a call.
pub(super) fn has_other_subject(name: &str) -> bool {
    let mut segments = name.split('.');
    segments.any(|segment| {
        is_one_of(segment, NON_DELIVERY_EVENTS) || is_one_of(first_word(segment), PAYMENT_EVENTS)
    })
}

/// Whether the name is a subject that is not a message, followed by what happened to it:
/// `invoice.failed`, `template_status`.
fn is_event_of_other_subject(name: &str) -> bool {
    let words: Vec<String> = split_words(name).collect();
    let Some((last, subject)) = words.split_last() else {
        return false;
    };
    let is_event = is_one_of(last, EVENT_WORDS)
        || (last == "update" && name.contains('.'))
        || (last != "0" && vocabulary::meaning(last, &[]).is_some());
    // `submit_failure` and `permanently_failed` are statuses.
    let is_about_message = |word: &String| is_one_of(word, MESSAGE_WORDS) || word.ends_with("ly");
    is_event
        && !subject.is_empty()
        && vocabulary::meaning(name, &[]).is_none()
        && !subject.iter().any(is_about_message)
}

fn is_one_of(word: &str, known: &[&str]) -> bool {
    known.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The name of a type or event, which may be in an object: `{"name": "payment"}`.
fn parse_subject(value: &Value) -> Option<String> {
    parse_text(value).or_else(|| {
        let object = value.as_object().filter(|object| !object.is_empty())?;
        let name = ["name", "type"].iter().find_map(|name| object.member(name));
        Some(
            name.and_then(parse_text)
                .unwrap_or_else(|| "unknown type".to_owned()),
        )
    })
}

/// What the objects are about, innermost first, if that is not the delivery of a message.
fn non_delivery_subject(chain: &[&Value]) -> Option<String> {
    chain.iter().find_map(|object| {
        let mut named = EVENT_FIELDS
            .iter()
            .filter_map(|name| object.member(name).and_then(parse_subject));
        named
            .find(|subject| is_non_delivery_event(subject))
            .or_else(|| {
                let mut members = PAYMENT_EVENTS.iter();
                let is_object = |name: &&&str| object.member(name).is_some_and(Value::is_object);
                let found = members.find(is_object)?;
                object.member("type").is_none().then(|| (*found).to_owned())
            })
    })
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
        notice_if_unknown: None,
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
    let Some(subject) = non_delivery_subject(chain) else {
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
            "message.payment.failed",
            "flows",
            "flow_status",
            "template_status",
            "invoice.failed",
            "ticketUpdated",
        ] {
            assert!(is_non_delivery_event(name), "{name}");
        }
        for name in [
            "call_to_action",
            "order_details",
            "order-confirmation",
            "message.status",
            "delivery_status",
            "messageDelivered",
            "message_api_delivered",
            "submit-failure",
            "not_delivered",
            "permanently_failed",
            "SHIPPING_UPDATE",
            "template",
            "update",
            "image",
            "",
        ] {
            assert!(!is_non_delivery_event(name), "{name}");
        }
    }
}
