//! What Kaleyra reports: V2 pass-through and "not sent", V1 query strings, callback profiles, ratings, template statuses, fallback flows.

use serde_json::Value;

use crate::domain::delivery::{Fact, Stage};
use crate::domain::failure::Failure;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::message::References;
use crate::domain::phone::is_same_customer;
use crate::domain::tag;
use crate::providers::flat::{self, Names};
use crate::providers::payload::{
    self, add_id, first, items, plain_word, recipient, require_ids, text,
};
use crate::providers::vocabulary::{Exceptions, Meaning, parse_time};
use crate::providers::{Callback, CallbackPart, Inbound, Report, cloud_api};

/// Everything one callback says.
pub(super) fn read(callback: &Callback) -> Vec<CallbackPart> {
    match payload::read(callback) {
        Ok(payload) => require_ids(items(Some(&payload)).iter().flat_map(read_one).collect()),
        Err(reason) => vec![CallbackPart::Unreadable(reason)],
    }
}

/// Names of the "submit" webhooks, beside the common vocabulary.
pub(super) const EXCEPTIONS: Exceptions = &[("submitsuccess", Meaning::Reached(Stage::Submitted))];

/// Names in "not sent" reports, V1 query strings and hand-written callback profiles.
const NAMES: Names = Names {
    ids: &["message_id", "messageId", "id", "wamid"],
    words: &["status", "statusCode"],
    doubtful_words: &[],
    times: &["timestamp", "time", "created_at", "createdAt", "updated_at"],
    recipients: &["recipient_id", "to", "mobile", "recipient"],
    tags: &["ref2", "ref1", "ref"],
    exceptions: EXCEPTIONS,
};

fn read_one(payload: &Value) -> Vec<CallbackPart> {
    if !payload.is_object() {
        return vec![unreadable("an element that is no object")];
    }
    if let Some(parts) = payload.get("meta_object").and_then(cloud_api::read) {
        return complete(parts, payload);
    }
    if let Some(notice) = read_notice(payload) {
        return vec![notice];
    }
    if let Some(result) = payload.get("result").filter(|_| is_fallback_flow(payload)) {
        return read_fallback_flow(result, payload);
    }
    let holds_meta = ["entry", "changes", "value", "statuses", "messages"];
    if holds_meta.iter().any(|name| payload.get(name).is_some())
        && let Some(parts) = cloud_api::read(payload)
    {
        return parts;
    }
    read_flat(payload)
}

/// Gives passed-through statuses the ids and the tag that stand around them.
///
/// The wrapper tells of one message; statuses that name different ids or customers keep to their own. A conversation's id names none.
fn complete(parts: Vec<CallbackPart>, payload: &Value) -> Vec<CallbackPart> {
    let has_word = first(payload, &["status"]).is_some();
    if has_word && parts.iter().all(|part| !is_about_a_person(part)) {
        // The status stands only outside: Meta's object told of an error or nothing.
        return read_flat(payload);
    }
    let conversations = conversations(payload);
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| match part {
            CallbackPart::Report(report) => CallbackPart::Report(Report {
                ids: without(&conversations, report.ids),
                ..report
            }),
            other => other,
        })
        .collect();
    let is_one_message = tell_of_one_message(&parts);
    parts
        .into_iter()
        .map(|part| match part {
            CallbackPart::Report(report) if is_one_message => {
                CallbackPart::Report(complete_report(report, payload))
            }
            other => other,
        })
        .collect()
}

/// Whether no two statuses name different ids or customers; one that names none contradicts nobody.
fn tell_of_one_message(parts: &[CallbackPart]) -> bool {
    let reports = || {
        parts.iter().filter_map(|part| match part {
            CallbackPart::Report(report) => Some(report),
            _ => None,
        })
    };
    let mut ids = reports()
        .map(|report| &report.ids)
        .filter(|ids| !ids.is_empty());
    let mut recipients = reports().filter_map(|report| report.recipient.as_ref());
    let same_ids = ids
        .next()
        .is_none_or(|first| ids.all(|other| other == first));
    let same_recipient = recipients
        .next()
        .is_none_or(|first| recipients.all(|other| is_same_customer(other, first)));
    same_ids && same_recipient
}

fn is_about_a_person(part: &CallbackPart) -> bool {
    matches!(part, CallbackPart::Report(_) | CallbackPart::Inbound(_))
}

fn complete_report(report: Report, payload: &Value) -> Report {
    let mut ids = report.ids;
    let extra = payload.get("extra_info").unwrap_or(&Value::Null);
    add_id(&mut ids, first(extra, &["message_id"]));
    add_id(&mut ids, first(payload, &["message_id"]));
    let mut pricing = report.pricing;
    pricing.price = pricing
        .price
        .or_else(|| cloud_api::read_pricing(payload).price)
        .or_else(|| cloud_api::read_pricing(extra).price);
    let fact = report.fact.map(|fact| match fact {
        Fact::Failure(failure) if failure == Failure::default() => {
            Fact::Failure(cloud_api::read_failure(&[payload]))
        }
        other => other,
    });
    Report {
        ids,
        tag: find_tag(&[extra, payload]).or(report.tag),
        fact,
        pricing,
        ..report
    }
}

/// Ids of the conversations that stand beside any of the statuses.
fn conversations(payload: &Value) -> Vec<String> {
    items(payload.pointer("/meta_object/value/statuses"))
        .iter()
        .filter_map(|status| first(status.get("conversation")?, &["id"]))
        .collect()
}

/// Kaleyra prints the conversation's id in `statuses[].id`, also where no conversation stands beside it: 32 letters and digits.
fn without(conversations: &[String], ids: Vec<ProviderMessageId>) -> Vec<ProviderMessageId> {
    let is_conversation = |id: &str| {
        conversations.iter().any(|known| known == id)
            || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    ids.into_iter()
        .filter(|id| !is_conversation(id.as_str()))
        .collect()
}

fn find_tag(places: &[&Value]) -> Option<MessageId> {
    places.iter().find_map(|place| {
        tag::find_in(&References {
            reference: first(place, &["ref"]),
            reference1: first(place, &["ref1"]),
            reference2: first(place, &["ref2"]),
        })
    })
}

/// Quality ratings and template statuses.
fn read_notice(payload: &Value) -> Option<CallbackPart> {
    let event = plain_word(&first(payload, &["event"])?);
    if payload.get("current_limit").is_some() || payload.get("display_phone_number").is_some() {
        let limit = first(payload, &["current_limit"]).unwrap_or_default();
        return Some(CallbackPart::Notice(format!(
            "quality rating: {event} {}",
            plain_word(&limit)
        )));
    }
    payload
        .get("message_template_name")
        .or_else(|| payload.get("message_template_id"))
        .map(|_| CallbackPart::Notice(format!("template status: {event}")))
}

fn is_fallback_flow(payload: &Value) -> bool {
    payload.get("workflowInvocationId").is_some()
}

/// One channel after the other: only WhatsApp's concern us.
fn read_fallback_flow(result: &Value, payload: &Value) -> Vec<CallbackPart> {
    let channels: Vec<_> = result
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter(|channel| first(channel, &["channel"]).as_deref() == Some("whatsapp"))
        .map(|channel| {
            let read = flat::read(&[channel], &NAMES).map(|report| Report {
                // The channel names only its beginning; the event is the flow's.
                occurred_at: first(payload, &["timestamp"]).and_then(|time| parse_time(&time)),
                ..report
            });
            read.map_or_else(
                || unreadable("a fallback flow's channel without a status"),
                CallbackPart::Report,
            )
        })
        .collect();
    if channels.is_empty() {
        return vec![CallbackPart::Notice(
            "fallback flow without WhatsApp".to_owned(),
        )];
    }
    channels
}

/// "Not sent", a V1 query string, or a callback profile with the documented names.
fn read_flat(payload: &Value) -> Vec<CallbackPart> {
    let extra = payload.get("extra_info").unwrap_or(&Value::Null);
    let meta = payload
        .pointer("/meta_object/value")
        .unwrap_or(&Value::Null);
    if let Some(mut report) = flat::read(&[payload, extra, meta], &NAMES) {
        add_id(&mut report.ids, first(extra, &["message_id"]));
        report.tag = report.tag.or_else(|| find_tag_anywhere(payload));
        return vec![CallbackPart::Report(report)];
    }
    let from = first(payload, &["from"]);
    if from.is_some()
        && ["type", "body", "media_url"]
            .iter()
            .any(|name| payload.get(name).is_some())
    {
        return vec![CallbackPart::Inbound(Inbound {
            sender: from.and_then(|from| recipient(&from)),
            occurred_at: first(payload, &["created_at", "timestamp"])
                .and_then(|time| parse_time(&time)),
        })];
    }
    read_inner(payload)
}

/// A callback profile may put one or several reports into an element of its own.
fn read_inner(payload: &Value) -> Vec<CallbackPart> {
    let inner: Vec<_> = payload
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter(|value| value.is_object() || value.is_array())
        .flat_map(|value| items(Some(value)))
        .filter(|value| value.is_object())
        .flat_map(read_one)
        .collect();
    if inner
        .iter()
        .any(|part| !matches!(part, CallbackPart::Unreadable(_)))
    {
        return inner;
    }
    vec![unreadable("neither a status nor a message")]
}

/// In a callback profile the operator names the slots: a tag may stand under any name.
fn find_tag_anywhere(payload: &Value) -> Option<MessageId> {
    payload
        .as_object()?
        .values()
        .filter_map(text)
        .rev()
        .find_map(|text| tag::find(&text))
}

fn unreadable(reason: &str) -> CallbackPart {
    CallbackPart::Unreadable(reason.to_owned())
}
