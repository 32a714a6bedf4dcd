//! Field names of LancePilot's events, and the ids, recipient and kind of their message.

use serde_json::Value;

use crate::domain::ids::ProviderMessageId;
use crate::domain::placeholder::is_placeholder;
use crate::providers::flat::FieldNames;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{add_id, first_text, parse_recipient, parse_text};
use crate::providers::protocol::ReportedKind;
use crate::providers::vocabulary::{Meaning, StatusWords};

/// Here a number is an acknowledgement level, not Kaleyra's `0` for failed.
pub(super) const STATUS_WORDS: StatusWords = &[("0", Meaning::NoEffect)];

/// Names inside `data.attributes`.
pub(super) const NAMES: FieldNames = FieldNames {
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
    status_words: STATUS_WORDS,
};

const KIND_NAMES: &[&str] = &["type", "message_type", "messageType"];
/// Values of `type` that do not restrict the kind of the message.
const ANY_KIND: &[&str] = &["media", "message", "messages", "outbound", "outgoing"];

/// The id of a JSON:API resource, if the resource is a message.
pub(super) fn resource_id(data: &Value) -> Option<String> {
    first_text(data, &["type"])
        .is_none_or(|kind| kind.to_ascii_lowercase().contains("message"))
        .then(|| first_text(data, &["id"]))
        .flatten()
}

/// Ids of the message: `data.id` if `data` is a message, the attributes', and those of the inner
/// message.
pub(super) fn find_ids(attributes: &Value, data: &Value) -> Vec<ProviderMessageId> {
    let mut ids = Vec::new();
    add_id(&mut ids, resource_id(data));
    for name in NAMES.ids {
        add_id(&mut ids, first_text(attributes, &[name]));
    }
    let message = attributes.member("message").unwrap_or(&Value::Null);
    for name in ["id", "wamid"] {
        add_id(&mut ids, first_text(message, &[name]));
    }
    ids
}

pub(super) fn find_recipient(attributes: &Value, data: &Value) -> Option<String> {
    contact_number(data)
        .or_else(|| first_text(attributes, NAMES.recipients))
        .and_then(|number| parse_recipient(&number))
}

/// The contact's number has the API's format; `from` and `to` may differ.
pub(super) fn contact_number(data: &Value) -> Option<String> {
    first_text(
        data.pointer("/relationships/contact/attributes")?,
        &["number"],
    )
}

pub(super) fn find_kind(attributes: &Value) -> Option<ReportedKind> {
    let message = attributes.member("message").unwrap_or(&Value::Null);
    [message, attributes].into_iter().find_map(|object| {
        let mut values = KIND_NAMES.iter().filter_map(|name| object.member(name));
        values.find_map(parse_kind)
    })
}

fn parse_kind(value: &Value) -> Option<ReportedKind> {
    let Some(text) = parse_text(value) else {
        let is_filled = value.as_object().is_some_and(|object| !object.is_empty());
        return is_filled.then_some(ReportedKind::Other);
    };
    let word = text.to_ascii_lowercase();
    // `image/jpeg` is an image.
    let word = word.split('/').next().unwrap_or_default();
    if ANY_KIND.contains(&word) || is_placeholder(word) && word != "text" {
        return None;
    }
    if word == "template" {
        return Some(ReportedKind::Template);
    }
    Some(
        word.parse()
            .map_or(ReportedKind::Other, ReportedKind::Media),
    )
}
