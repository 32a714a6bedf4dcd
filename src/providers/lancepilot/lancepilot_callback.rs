//! LancePilot's callbacks: JSON:API events of incoming messages, echoes of outgoing ones, and
//! statuses under every plausible name.

use serde_json::Value;

use crate::domain::receipt::{Pricing, ReceiptEvent};
use crate::providers::flat;
use crate::providers::json_member::JsonMember;
use crate::providers::lancepilot::lancepilot_event_name::{
    find_message_event, find_possible_message_event, is_status_event,
};
use crate::providers::lancepilot::lancepilot_fields::{
    NAMES, STATUS_WORDS, contact_number, find_ids, find_kind, find_recipient,
};
use crate::providers::notice::{self, as_notice_if_non_delivery};
use crate::providers::payload::{
    add_id, collect_parts, first_text, items, parse_recipient, plain_word,
};
use crate::providers::protocol::{CallbackPart, Inbound, PARTS_LIMIT, Report};
use crate::providers::vocabulary::{self, parse_time};
use crate::providers::{account_event_parser, cloud_api, meta_failure};

pub(super) fn parse(payload: &Value) -> Vec<CallbackPart> {
    let parts = collect_parts(items(Some(payload)).iter().flat_map(parse_event));
    if parts.is_empty() {
        return vec![CallbackPart::unparseable("an empty list")];
    }
    parts
}

/// The subjects of events about the account.
const ACCOUNT_SUBJECTS: &[&str] = &["template", "workspace", "channel"];

fn parse_event(payload: &Value) -> Vec<CallbackPart> {
    if !payload.is_object() {
        return vec![CallbackPart::unparseable(
            "an element that is not an object",
        )];
    }
    if let Some(parts) = parse_meta(payload) {
        return parts;
    }
    if let Some(event) = account_event_parser::parse_flat(payload) {
        return vec![event];
    }
    match payload.member("data") {
        Some(Value::Array(list)) if !list.is_empty() => {
            collect_parts(list.iter().flat_map(|data| parse_resource(payload, data)))
        }
        data => parse_resource(payload, data.unwrap_or(&Value::Null)),
    }
}

/// Parses Meta's object, if this is one.
fn parse_meta(object: &Value) -> Option<Vec<CallbackPart>> {
    ["entry", "changes", "value"]
        .iter()
        .any(|name| object.has_member(name))
        .then(|| cloud_api::parse(object))
        .flatten()
}

/// One JSON:API resource of an event.
fn parse_resource(payload: &Value, data: &Value) -> Vec<CallbackPart> {
    let attributes = data.member("attributes").unwrap_or(&Value::Null);
    if let Some(parts) = parse_meta(data).or_else(|| parse_meta(attributes)) {
        return parts;
    }
    let Some(event) = first_text(payload, &["event", "type", "name"]) else {
        return vec![CallbackPart::unparseable("an event without a name")];
    };
    if let Some(channel) = [attributes, data, payload]
        .into_iter()
        .find_map(notice::other_channel)
    {
        return vec![CallbackPart::Notice(format!(
            "an event of the channel {channel}"
        ))];
    }
    let Some(suffix) = find_message_event(&event) else {
        return parse_other_event(&event, attributes, data);
    };
    match suffix.as_str() {
        "incoming" | "received" => vec![parse_incoming(attributes, data)],
        "outgoing" => vec![parse_echo(attributes, data)],
        _ => parse_statuses(&suffix, attributes, data),
    }
}

/// An event that is not about a message, or not of a known type.
fn parse_other_event(event: &str, attributes: &Value, data: &Value) -> Vec<CallbackPart> {
    let notice = format!("event {}", plain_word(event));
    if let Some((subject, word)) = event.rsplit_once('.')
        && ACCOUNT_SUBJECTS.contains(&subject)
    {
        let event = account_event_parser::parse_named_event(subject, word, attributes, notice);
        return vec![event];
    }
    let Some(suffix) = find_possible_message_event(event) else {
        return vec![CallbackPart::Notice(notice)];
    };
    let reports: Vec<CallbackPart> = parse_statuses(&suffix, attributes, data)
        .into_iter()
        .filter_map(|part| match part {
            CallbackPart::Report(report) if !report.ids.is_empty() => Some(report),
            _ => None,
        })
        .map(|report| {
            CallbackPart::Report(Report {
                notice_if_unknown: Some(notice.clone()),
                ..report
            })
        })
        .collect();
    if reports.is_empty() {
        return vec![CallbackPart::Notice(notice)];
    }
    reports
}

fn parse_incoming(attributes: &Value, data: &Value) -> CallbackPart {
    CallbackPart::Inbound(Inbound {
        sender: contact_number(data)
            .or_else(|| first_text(attributes, &["from"]))
            .and_then(|number| parse_recipient(&number)),
        occurred_at: first_text(attributes, NAMES.times).and_then(|time| parse_time(&time)),
    })
}

/// An echo of a message sent through the API provides its id; one that was sent manually in
/// LancePilot must not be matched to a message of ours.
fn parse_echo(attributes: &Value, data: &Value) -> CallbackPart {
    let ids = find_ids(attributes, data);
    let is_manual = first_text(attributes, &["source"]).is_some_and(|source| source != "api");
    if is_manual && ids.is_empty() {
        return CallbackPart::Notice("sent manually in LancePilot".to_owned());
    }
    let status = flat::parse(&[attributes], &NAMES);
    let event = status.as_ref().and_then(|report| report.event.clone());
    CallbackPart::Report(Report {
        ids,
        tag: None,
        recipient: if is_manual {
            None
        } else {
            find_recipient(attributes, data)
        },
        kind: find_kind(attributes),
        event: if is_manual && event.is_none() {
            Some(ReceiptEvent::Other("sent manually".to_owned()))
        } else {
            event
        },
        occurred_at: first_text(attributes, NAMES.times).and_then(|time| parse_time(&time)),
        pricing: Pricing::default(),
        notice_if_unknown: None,
    })
}

/// Parses the word in the event's name, else one report for each of `statuses`, else the
/// attributes.
fn parse_statuses(suffix: &str, attributes: &Value, data: &Value) -> Vec<CallbackPart> {
    if !is_status_event(suffix) {
        return vec![parse_unknown_event(suffix, attributes, data)];
    }
    let complete = |report: Report| {
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
    if vocabulary::meaning(suffix, STATUS_WORDS).is_some() {
        return vec![complete(report_of_word(suffix, attributes, data))];
    }
    let statuses = items(attributes.member("statuses"));
    if !statuses.is_empty() {
        let mut reports: Vec<_> = statuses
            .iter()
            .take(PARTS_LIMIT + 1)
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
            .map(|report| {
                report.map_or_else(
                    || CallbackPart::unparseable("a status without a status word"),
                    complete,
                )
            })
            .collect();
    }
    if let Some(word) =
        first_text(attributes, NAMES.words).or_else(|| first_text(data, NAMES.words))
    {
        return vec![complete(report_of_word(&word, attributes, data))];
    }
    vec![CallbackPart::Unparseable(format!(
        "event {} without a status",
        plain_word(suffix)
    ))]
}

/// A message event of an unknown type. Its attributes may have the status of something else.
fn parse_unknown_event(suffix: &str, attributes: &Value, data: &Value) -> CallbackPart {
    let report = report_of_word(suffix, attributes, data);
    if report.ids.is_empty() {
        return CallbackPart::Notice(format!("event message.{}", plain_word(suffix)));
    }
    CallbackPart::Report(Report {
        // `message.reaction`
        kind: find_kind(attributes).or_else(|| notice::other_kind(suffix)),
        ..report
    })
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
    let report = Report {
        ids: find_ids(attributes, data),
        tag: None,
        recipient: find_recipient(attributes, data),
        kind: None,
        event: Some(vocabulary::parse_status_word(word, STATUS_WORDS, || {
            meta_failure::parse_failure(&[attributes, data])
        })),
        occurred_at: first_text(attributes, NAMES.times)
            .or_else(|| first_text(data, NAMES.times))
            .and_then(|time| parse_time(&time)),
        pricing: cloud_api::parse_pricing(attributes),
        notice_if_unknown: None,
    };
    as_notice_if_non_delivery(report, &[attributes, data], word)
}
