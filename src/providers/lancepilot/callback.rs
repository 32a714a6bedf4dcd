//! What LancePilot reports: JSON:API events of incoming messages, echoes of outgoing ones, and statuses under every plausible name.

use serde_json::Value;

use crate::domain::delivery::{Fact, Pricing};
use crate::domain::ids::ProviderMessageId;
use crate::domain::media::MediaKind;
use crate::providers::flat::{self, Names};
use crate::providers::payload::{self, add_id, first, items, plain_word, recipient};
use crate::providers::vocabulary::{self, Exceptions, Meaning, parse_time};
use crate::providers::{Callback, CallbackPart, Inbound, Report, cloud_api};

/// Everything one callback says.
pub(super) fn read(callback: &Callback) -> Vec<CallbackPart> {
    let payload = match payload::read(callback) {
        Ok(payload) => payload,
        Err(reason) => return vec![CallbackPart::Unreadable(reason)],
    };
    let parts: Vec<_> = items(Some(&payload)).iter().flat_map(read_event).collect();
    if parts.is_empty() {
        return vec![unreadable("an empty list")];
    }
    parts
}

/// A number is an acknowledgement level here, not Kaleyra's `0` for failed.
pub(super) const EXCEPTIONS: Exceptions = &[("0", Meaning::Nothing)];

/// Names inside `data.attributes`.
const NAMES: Names = Names {
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

/// Events about anything but messages.
const OTHER_SUBJECTS: &[&str] = &[
    "contact",
    "conversation",
    "template",
    "workspace",
    "channel",
    "agent",
    "tag",
];

fn read_event(payload: &Value) -> Vec<CallbackPart> {
    if !payload.is_object() {
        return vec![unreadable("an element that is no object")];
    }
    match payload.get("data") {
        Some(Value::Array(list)) if !list.is_empty() => list
            .iter()
            .flat_map(|data| read_resource(payload, data))
            .collect(),
        data => read_resource(payload, data.unwrap_or(&Value::Null)),
    }
}

/// One JSON:API resource of an event.
fn read_resource(payload: &Value, data: &Value) -> Vec<CallbackPart> {
    let attributes = data.get("attributes").unwrap_or(&Value::Null);
    for place in [payload, data, attributes] {
        let is_meta = ["entry", "changes", "value"]
            .iter()
            .any(|name| place.get(name).is_some());
        if is_meta && let Some(parts) = cloud_api::read(place) {
            return parts;
        }
    }
    let Some(event) = first(payload, &["event", "type", "name"]) else {
        return vec![unreadable("no event is named")];
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
        "incoming" | "received" => vec![read_incoming(attributes, data)],
        "outgoing" => vec![read_echo(attributes, data)],
        _ => read_statuses(suffix, attributes, data),
    }
}

fn read_incoming(attributes: &Value, data: &Value) -> CallbackPart {
    CallbackPart::Inbound(Inbound {
        sender: contact_number(data)
            .or_else(|| first(attributes, &["from"]))
            .and_then(|number| recipient(&number)),
        occurred_at: first(attributes, NAMES.times).and_then(|time| parse_time(&time)),
    })
}

/// What was sent through the API teaches its id; what a person sent in the panel must not be taken for ours.
fn read_echo(attributes: &Value, data: &Value) -> CallbackPart {
    let ids = find_ids(attributes, data);
    let by_hand = first(attributes, &["source"]).is_some_and(|source| source != "api");
    if by_hand && ids.is_empty() {
        return CallbackPart::Notice("sent by a person in LancePilot".to_owned());
    }
    let status = flat::read(&[attributes], &NAMES);
    let fact = status.as_ref().and_then(|report| report.fact.clone());
    CallbackPart::Report(Report {
        ids,
        tag: None,
        recipient: if by_hand {
            None
        } else {
            find_recipient(attributes, data)
        },
        kind: find_kind(attributes),
        fact: if by_hand && fact.is_none() {
            Some(Fact::Other("sent by a person".to_owned()))
        } else {
            fact
        },
        occurred_at: first(attributes, NAMES.times).and_then(|time| parse_time(&time)),
        pricing: Pricing::default(),
    })
}

/// The word in the event's name, else in the attributes, else one report for each of `statuses`.
fn read_statuses(suffix: &str, attributes: &Value, data: &Value) -> Vec<CallbackPart> {
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
            .map(|status| flat::read(&[status], &NAMES))
            .collect();
        if are_of_one_message(&reports) {
            let shared = find_ids(attributes, data);
            for report in reports.iter_mut().flatten() {
                for id in &shared {
                    add_id(&mut report.ids, Some(id.as_str().to_owned()));
                }
            }
        }
        return reports
            .into_iter()
            .map(|report| report.map_or_else(|| unreadable("a status without a word"), around))
            .collect();
    }
    if let Some(word) = first(attributes, NAMES.words).or_else(|| first(data, NAMES.words)) {
        return vec![around(report_of_word(&word, attributes, data))];
    }
    let ids = find_ids(attributes, data);
    if ids.is_empty() || matches!(suffix, "status" | "updated") {
        return vec![CallbackPart::Unreadable(format!(
            "event {} without a status",
            plain_word(suffix)
        ))];
    }
    vec![around(report_of_word(suffix, attributes, data))]
}

/// Whether statuses that stand in one resource name one message, which is then the resource itself; else its id is that of a batch.
fn are_of_one_message(reports: &[Option<Report>]) -> bool {
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
        fact: Some(vocabulary::fact(word, EXCEPTIONS, || {
            cloud_api::read_failure(&[attributes, data])
        })),
        occurred_at: first(attributes, NAMES.times)
            .or_else(|| first(data, NAMES.times))
            .and_then(|time| parse_time(&time)),
        pricing: cloud_api::read_pricing(attributes),
    }
}

/// The id of a JSON:API resource, unless it is that of a contact, a conversation or whatever else is no message.
pub(super) fn resource_id(data: &Value) -> Option<String> {
    first(data, &["type"])
        .is_none_or(|kind| kind.to_ascii_lowercase().contains("message"))
        .then(|| first(data, &["id"]))
        .flatten()
}

/// Ids of the message: `data.id` only where `data` is a message, the attributes', and those of the message inside.
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

/// The contact's number is written as in the API; `from` and `to` may differ.
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

fn unreadable(reason: &str) -> CallbackPart {
    CallbackPart::Unreadable(reason.to_owned())
}
