//! Zixflow's callbacks: reports under every field name seen so far, the "Zixflow AI" post-back, and
//! the account's webhook.

use serde_json::Value;

use crate::providers::account_event_parser;
use crate::providers::cloud_api;
use crate::providers::flat::{self, FieldNames};
use crate::providers::json_member::JsonMember;
use crate::providers::notice;
use crate::providers::payload::{collect_parts, first_text, items, parse_recipient, plain_word};
use crate::providers::protocol::{CallbackPart, Inbound};
use crate::providers::vocabulary::parse_time;

pub(super) fn parse(payload: &Value) -> Vec<CallbackPart> {
    parse_nested(payload, EnclosingObjects::default())
}

/// Names in any of Zixflow's payloads. `campaignId`, `requestId` and `refId` are shared by many
/// messages.
const NAMES: FieldNames = FieldNames {
    ids: &[
        "messageId",
        "message_id",
        "msgId",
        "id",
        "wamid",
        "waMessageId",
        "externalId",
    ],
    words: &[
        "status",
        "deliveryStatus",
        "messageStatus",
        "state",
        "event",
        "eventType",
    ],
    doubtful_words: &["type"],
    times: &[
        "timestamp",
        "time",
        "status_at",
        "statusAt",
        "updatedAt",
        "createdAt",
        "sentAt",
        "deliveredAt",
        "readAt",
        "failedAt",
    ],
    recipients: &["recipient", "to", "phone", "number", "recipient_id"],
    tags: &["post_back_data"],
    status_words: &[],
};

/// Fields that may hold a nested object.
const NESTED_FIELDS: &[&str] = &["data", "payload", "message", "report"];

/// The enclosing objects, innermost first.
#[derive(Clone, Copy, Default)]
struct EnclosingObjects<'a> {
    objects: &'a [&'a Value],
    /// How many of them are about one message. Those around a list of several are about none.
    identifying: usize,
}

/// Parses an object, or those inside it.
fn parse_nested(payload: &Value, mut around: EnclosingObjects<'_>) -> Vec<CallbackPart> {
    if let Value::Array(elements) = payload {
        if elements.len() > 1 && elements.iter().any(|it| flat::is_identified(it, &NAMES)) {
            around.identifying = 0;
        }
        let elements = elements.iter();
        let parts = collect_parts(elements.flat_map(|element| parse_nested(element, around)));
        return if parts.is_empty() {
            vec![CallbackPart::unparseable("an empty list")]
        } else {
            parts
        };
    }
    if !payload.is_object() {
        return vec![CallbackPart::unparseable(
            "an element that is not an object",
        )];
    }
    if let Some(part) = parse_event(payload) {
        return vec![part];
    }
    let meta_fields = ["entry", "changes", "value", "statuses"];
    if meta_fields.iter().any(|name| payload.has_member(name))
        && let Some(parts) = cloud_api::parse(payload)
    {
        return flat::add_own_report(parts, payload, &NAMES);
    }
    let chain: Vec<&Value> = std::iter::once(payload)
        .chain(around.objects.iter().copied())
        .collect();
    let own = &chain[..=around.identifying];
    let inner: Vec<&Value> = NESTED_FIELDS
        .iter()
        .filter_map(|name| payload.member(name))
        .filter(|value| items(Some(value)).iter().any(Value::is_object))
        .collect();
    if inner.is_empty() {
        return vec![flat::parse_element(&chain, own, &NAMES).map_or_else(
            || CallbackPart::unparseable("no status word under any known name"),
            CallbackPart::Report,
        )];
    }
    let inner = inner.into_iter();
    let around = EnclosingObjects {
        objects: &chain,
        identifying: own.len(),
    };
    collect_parts(inner.flat_map(|value| parse_nested(value, around)))
}

/// Parses the account's webhook and post-backs of other channels.
fn parse_event(payload: &Value) -> Option<CallbackPart> {
    let event = first_text(payload, &["event"]).unwrap_or_default();
    if event == "incoming.whatsapp.message" {
        let sender = payload.member("sender");
        return Some(CallbackPart::Inbound(Inbound {
            sender: sender
                .and_then(|sender| first_text(sender, &["number"]))
                .and_then(|number| parse_recipient(&number)),
            occurred_at: first_text(payload, &["timestamp"]).and_then(|time| parse_time(&time)),
        }));
    }
    if event.starts_with("incoming.") {
        return Some(CallbackPart::Notice(plain_word(&event)));
    }
    if let Some(event) = account_event_parser::parse_flat(payload) {
        return Some(event);
    }
    let channel = notice::other_channel(payload)?;
    Some(CallbackPart::Notice(format!(
        "a report for the channel {channel}"
    )))
}
