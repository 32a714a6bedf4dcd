//! Kaleyra's callbacks: V2 pass-through and "not sent", V1 query strings, callback profiles,
//! ratings, template statuses, fallback flows.

use serde_json::Value;

use crate::domain::account_event::AccountEventKind;
use crate::domain::correlation_tag;
use crate::domain::delivery_state::Stage;
use crate::domain::ids::MessageId;
use crate::providers::account_event_parser;
use crate::providers::cloud_api;
use crate::providers::flat::{self, FieldNames};
use crate::providers::json_member::JsonMember;
use crate::providers::kaleyra::kaleyra_wrapper;
use crate::providers::payload::{
    add_id, collect_parts, first_text, items, parse_recipient, parse_text, plain_word, require_ids,
};
use crate::providers::protocol::{CallbackPart, Inbound, Report};
use crate::providers::vocabulary::{Meaning, StatusWords, parse_time};

pub(super) fn parse(payload: &Value) -> Vec<CallbackPart> {
    let elements = items(Some(payload)).iter();
    require_ids(collect_parts(elements.flat_map(parse_one)))
}

/// The status word of the "submit" webhooks.
pub(super) const STATUS_WORDS: StatusWords =
    &[("submitsuccess", Meaning::Reached(Stage::Submitted))];

/// Names in "not sent" reports, V1 query strings and callback profiles.
const NAMES: FieldNames = FieldNames {
    ids: &["message_id", "messageId", "id", "wamid"],
    words: &["status", "statusCode"],
    doubtful_words: &[],
    times: &["timestamp", "time", "created_at", "createdAt", "updated_at"],
    recipients: &["recipient_id", "to", "mobile", "recipient"],
    tags: &["ref2", "ref1", "ref"],
    status_words: STATUS_WORDS,
};

fn parse_one(payload: &Value) -> Vec<CallbackPart> {
    if !payload.is_object() {
        return vec![CallbackPart::unparseable(
            "an element that is not an object",
        )];
    }
    if let Some(meta_object) = payload.member("meta_object") {
        let parts = cloud_api::parse(meta_object);
        if let Some(field) = other_field(meta_object) {
            let value = meta_object.member("value").unwrap_or(&Value::Null);
            let notice = || vec![account_event_parser::parse_field(&field, value)];
            return kaleyra_wrapper::complete(parts.unwrap_or_else(notice), payload);
        }
        if let Some(parts) = parts {
            let has_word = first_text(payload, &["status"]).is_some();
            if has_word && !parts.iter().any(is_understood) {
                // The status is only in the wrapper: Meta's object has an error or nothing.
                return parse_flat(payload);
            }
            return kaleyra_wrapper::complete(parts, payload);
        }
    }
    if let Some(event) = parse_account_event(payload) {
        return vec![event];
    }
    if let Some(result) = payload
        .member("result")
        .filter(|_| is_fallback_flow(payload))
    {
        return parse_fallback_flow(result, payload);
    }
    let meta_fields = ["entry", "changes", "value", "statuses", "messages"];
    if meta_fields.iter().any(|name| payload.has_member(name))
        && let Some(parts) = cloud_api::parse(payload)
    {
        return flat::add_own_report(parts, payload, &NAMES);
    }
    parse_flat(payload)
}

/// The field of Meta's change, if it is not about messages. The wrapper's status is then that of a
/// call or a flow.
fn other_field(meta_object: &Value) -> Option<String> {
    first_text(meta_object, &["field"]).filter(|field| !field.eq_ignore_ascii_case("messages"))
}

/// Whether Meta's object has more than an error that belongs to the wrapper's status.
fn is_understood(part: &CallbackPart) -> bool {
    match part {
        CallbackPart::AccountEvent(event) => event.kind != AccountEventKind::Error,
        CallbackPart::Unparseable(_) | CallbackPart::Probe => false,
        CallbackPart::Report(_) | CallbackPart::Inbound(_) | CallbackPart::Notice(_) => true,
    }
}

fn parse_account_event(payload: &Value) -> Option<CallbackPart> {
    let event = plain_word(&first_text(payload, &["event"])?);
    if payload.has_member("current_limit") || payload.member("display_phone_number").is_some() {
        let limit = first_text(payload, &["current_limit"]).unwrap_or_default();
        let notice = format!("quality rating: {event} {}", plain_word(&limit));
        let field = "phone_number_quality_update";
        return Some(account_event_parser::parse_with_fields_of(
            field, payload, notice,
        ));
    }
    payload
        .member("message_template_name")
        .or_else(|| payload.member("message_template_id"))?;
    let notice = format!("template status: {event}");
    let field = "message_template_status_update";
    Some(account_event_parser::parse_with_fields_of(
        field, payload, notice,
    ))
}

fn is_fallback_flow(payload: &Value) -> bool {
    payload.has_member("workflowInvocationId")
}

/// The result of a fallback flow has one entry per channel; only those of WhatsApp are used.
fn parse_fallback_flow(result: &Value, payload: &Value) -> Vec<CallbackPart> {
    let channels = result
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter(|channel| first_text(channel, &["channel"]).as_deref() == Some("whatsapp"))
        .map(|channel| {
            let parsed = flat::parse(&[channel], &NAMES).map(|report| Report {
                // The channel has only its start time; the event's time is the flow's.
                occurred_at: first_text(payload, &["timestamp"]).and_then(|time| parse_time(&time)),
                ..report
            });
            parsed.map_or_else(
                || CallbackPart::unparseable("a fallback flow's channel without a status"),
                CallbackPart::Report,
            )
        });
    let channels = collect_parts(channels);
    if channels.is_empty() {
        return vec![CallbackPart::Notice(
            "fallback flow without WhatsApp".to_owned(),
        )];
    }
    channels
}

fn parse_flat(payload: &Value) -> Vec<CallbackPart> {
    let extra = payload.member("extra_info").unwrap_or(&Value::Null);
    let meta = payload
        .pointer("/meta_object/value")
        .unwrap_or(&Value::Null);
    if let Some(mut report) = flat::parse(&[payload, extra, meta], &NAMES) {
        add_id(&mut report.ids, first_text(extra, &["message_id"]));
        report.tag = report.tag.or_else(|| find_tag_anywhere(payload));
        return vec![CallbackPart::Report(report)];
    }
    let from = first_text(payload, &["from"]);
    if from.is_some()
        && ["type", "body", "media_url"]
            .iter()
            .any(|name| payload.has_member(name))
    {
        return vec![CallbackPart::Inbound(Inbound {
            sender: from.and_then(|from| parse_recipient(&from)),
            occurred_at: first_text(payload, &["created_at", "timestamp"])
                .and_then(|time| parse_time(&time)),
        })];
    }
    parse_inner(payload)
}

/// Names under which a change of a record has its earlier state.
const EARLIER_STATES: &[&str] = &["before", "old", "old_image", "old_record", "previous"];

/// A callback profile may nest one or several reports in an element.
fn parse_inner(payload: &Value) -> Vec<CallbackPart> {
    let inner = payload
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !EARLIER_STATES.contains(&name.as_str()))
        .map(|(_, value)| value)
        .filter(|value| value.is_object() || value.is_array())
        .flat_map(|value| items(Some(value)))
        .filter(|value| value.is_object())
        .flat_map(parse_one);
    let inner = collect_parts(inner);
    if inner
        .iter()
        .any(|part| !matches!(part, CallbackPart::Unparseable(_)))
    {
        return inner;
    }
    vec![CallbackPart::unparseable("neither a status nor a message")]
}

/// In a callback profile the operator names the fields, so the tag may have any name.
fn find_tag_anywhere(payload: &Value) -> Option<MessageId> {
    payload
        .as_object()?
        .values()
        .filter_map(parse_text)
        .rev()
        .find_map(|text| correlation_tag::find(&text))
}
