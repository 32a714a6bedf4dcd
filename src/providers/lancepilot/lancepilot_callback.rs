//! LancePilot's callbacks: JSON:API events of incoming messages, echoes of outgoing ones, and
//! statuses under every plausible name.

use serde_json::Value;

use crate::domain::ids::ProviderMessageId;
use crate::domain::media::MediaKind;
use crate::domain::receipt::{Pricing, ReceiptEvent};
use crate::providers::flat::{self, FieldNames};
use crate::providers::payload::{self, add_id, first, items, plain_word, recipient};
use crate::providers::protocol::{Callback, CallbackPart, Inbound, Report};
use crate::providers::vocabulary::{self, Exceptions, Meaning, parse_time};
use crate::providers::{cloud_api, meta_failure};

pub(super) fn parse(callback: &Callback) -> Vec<CallbackPart> {
    let payload = match payload::parse(callback) {
        Ok(payload) => payload,
        Err(reason) => return vec![CallbackPart::Unparseable(reason)],
    };
    let parts: Vec<_> = items(Some(&payload)).iter().flat_map(parse_event).collect();
    if parts.is_empty() {
        return vec![unparseable("an empty list")];
    }
    parts
}

/// Here a number is an acknowledgement level, not Kaleyra's `0` for failed.
pub(super) const EXCEPTIONS: Exceptions = &[("0", Meaning::NoEffect)];

/// Names inside `data.attributes`.
const NAMES: FieldNames = FieldNames {
    ids: &[
        "id",
        "uuid",
        "wamid",
        "message_id",
        "wa_message_id",
        "whatsapp_message_id",
        "whatsapp_id",
        "external_id",
    ],
    words: &["status", "message_status", "state", "ack"],
    doubtful_words: &[],
    times: &[
        "timestamp",
        "updated_at",
        "time",
        "occurred_at",
        "created_at",
    ],
    recipients: &["to", "recipient", "recipient_id"],
    tags: &[],
    exceptions: EXCEPTIONS,
};

/// Events that are not about messages.
const OTHER_SUBJECTS: &[&str] = &[
    "contact",
    "conversation",
    "template",
    "workspace",
    "channel",
    "agent",
    "tag",
];

fn parse_event(payload: &Value) -> Vec<CallbackPart> {
    if !payload.is_object() {
        return vec![unparseable("an element that is not an object")];
    }
    match payload.get("data") {
        Some(Value::Array(list)) if !list.is_empty() => list
            .iter()
            .flat_map(|data| parse_resource(payload, data))
            .collect(),
        data => parse_resource(payload, data.unwrap_or(&Value::Null)),
    }
}

/// One JSON:API resource of an event.
fn parse_resource(payload: &Value, data: &Value) -> Vec<CallbackPart> {
    let attributes = data.get("attributes").unwrap_or(&Value::Null);
    for place in [payload, data, attributes] {
        let is_meta = ["entry", "changes", "value"]
            .iter()
            .any(|name| place.get(name).is_some());
        if is_meta && let Some(parts) = cloud_api::parse(place) {
            return parts;
        }
    }
    let Some(event) = first(payload, &["event", "type", "name"]) else {
        return vec![unparseable("an event without a name")];
    };
    let (subject, suffix) = event.rsplit_once('.').unwrap_or(("message", &event));
    if OTHER_SUBJECTS
        .iter()
        .any(|other| subject.starts_with(other))
    {
        return vec![CallbackPart::Notice(format!(
            "event {}",
            plain_word(&event)
        ))];
    }
    match suffix {
        "incoming" | "received" => vec![parse_incoming(attributes, data)],
        "outgoing" => vec![parse_echo(attributes, data)],
        _ => parse_statuses(suffix, attributes, data),
    }
}

fn parse_incoming(attributes: &Value, data: &Value) -> CallbackPart {
    CallbackPart::Inbound(Inbound {
        sender: contact_number(data)
            .or_else(|| first(attributes, &["from"]))
            .and_then(|number| recipient(&number)),
        occurred_at: first(attributes, NAMES.times).and_then(|time| parse_time(&time)),
    })
}

/// An echo of a message sent through the API provides its id; one that was sent manually in
/// LancePilot must not be matched to a message of ours.
fn parse_echo(attributes: &Value, data: &Value) -> CallbackPart {
    let ids = find_ids(attributes, data);
    let by_hand = first(attributes, &["source"]).is_some_and(|source| source != "api");
    if by_hand && ids.is_empty() {
        return CallbackPart::Notice("sent manually in LancePilot".to_owned());
    }
    let status = flat::parse(&[attributes], &NAMES);
    let event = status.as_ref().and_then(|report| report.event.clone());
    CallbackPart::Report(Report {
        ids,
        tag: None,
        recipient: if by_hand {
            None
        } else {
            find_recipient(attributes, data)
        },
        kind: find_kind(attributes),
        event: if by_hand && event.is_none() {
            Some(ReceiptEvent::Other("sent manually".to_owned()))
        } else {
            event
        },
        occurred_at: first(attributes, NAMES.times).and_then(|time| parse_time(&time)),
        pricing: Pricing::default(),
    })
}

/// Parses the word in the event's name, else one report for each of `statuses`, else the
/// attributes.
fn parse_statuses(suffix: &str, attributes: &Value, data: &Value) -> Vec<CallbackPart> {
    let around = |report: Report| {
        CallbackPart::Report(Report {
            ids: if report.ids.is_empty() {
                find_ids(attributes, data)
            } else {
                report.ids
            },
            recipient: report
                .recipient
                .or_else(|| find_recipient(attributes, data)),
            kind: find_kind(attributes),
            ..report
        })
    };
    if vocabulary::meaning(suffix, EXCEPTIONS).is_some() {
        return vec![around(report_of_word(suffix, attributes, data))];
    }
    let statuses = items(attributes.get("statuses"));
    if !statuses.is_empty() {
        let mut reports: Vec<_> = statuses
            .iter()
            .map(|status| flat::parse(&[status], &NAMES))
            .collect();
        if are_about_one_message(&reports) {
            let shared = find_ids(attributes, data);
            for report in reports.iter_mut().flatten() {
                for id in &shared {
                    add_id(&mut report.ids, Some(id.as_str().to_owned()));
                }
            }
        }
        return reports
            .into_iter()
            .map(|report| report.map_or_else(|| unparseable("a status without a word"), around))
            .collect();
    }
    if let Some(word) = first(attributes, NAMES.words).or_else(|| first(data, NAMES.words)) {
        return vec![around(report_of_word(&word, attributes, data))];
    }
    let ids = find_ids(attributes, data);
    if ids.is_empty() || matches!(suffix, "status" | "updated") {
        return vec![CallbackPart::Unparseable(format!(
            "event {} without a status",
            plain_word(suffix)
        ))];
    }
    vec![around(report_of_word(suffix, attributes, data))]
}

/// Whether the statuses of one resource are about one message. If not, the resource's id is a batch
/// id.
fn are_about_one_message(reports: &[Option<Report>]) -> bool {
    let mut named = reports
        .iter()
        .flatten()
        .map(|report| &report.ids)
        .filter(|ids| !ids.is_empty());
    let first = named.next();
    named.all(|ids| Some(ids) == first)
}

fn report_of_word(word: &str, attributes: &Value, data: &Value) -> Report {
    Report {
        ids: find_ids(attributes, data),
        tag: None,
        recipient: find_recipient(attributes, data),
        kind: None,
        event: Some(vocabulary::parse_status_word(word, EXCEPTIONS, || {
            meta_failure::parse_failure(&[attributes, data])
        })),
        occurred_at: first(attributes, NAMES.times)
            .or_else(|| first(data, NAMES.times))
            .and_then(|time| parse_time(&time)),
        pricing: cloud_api::parse_pricing(attributes),
    }
}

/// The id of a JSON:API resource, if the resource is a message.
pub(super) fn resource_id(data: &Value) -> Option<String> {
    first(data, &["type"])
        .is_none_or(|kind| kind.to_ascii_lowercase().contains("message"))
        .then(|| first(data, &["id"]))
        .flatten()
}

/// Ids of the message: `data.id` if `data` is a message, the attributes', and those of the inner
/// message.
fn find_ids(attributes: &Value, data: &Value) -> Vec<ProviderMessageId> {
    let mut ids = Vec::new();
    add_id(&mut ids, resource_id(data));
    for name in NAMES.ids {
        add_id(&mut ids, first(attributes, &[name]));
    }
    let message = attributes.get("message").unwrap_or(&Value::Null);
    for name in ["id", "wamid"] {
        add_id(&mut ids, first(message, &[name]));
    }
    ids
}

fn find_recipient(attributes: &Value, data: &Value) -> Option<String> {
    contact_number(data)
        .or_else(|| first(attributes, NAMES.recipients))
        .and_then(|number| recipient(&number))
}

/// The contact's number has the API's format; `from` and `to` may differ.
fn contact_number(data: &Value) -> Option<String> {
    first(
        data.pointer("/relationships/contact/attributes")?,
        &["number"],
    )
}

fn find_kind(attributes: &Value) -> Option<MediaKind> {
    let message = attributes.get("message").unwrap_or(&Value::Null);
    first(message, &["type"])
        .or_else(|| first(attributes, &["type"]))
        .and_then(|kind| kind.parse().ok())
}

fn unparseable(reason: &str) -> CallbackPart {
    CallbackPart::Unparseable(reason.to_owned())
}
