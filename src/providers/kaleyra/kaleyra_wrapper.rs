//! Kaleyra's wrapper around Meta's object: its ids, tag and price complete the statuses inside.

use std::collections::HashSet;

use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::failure::Failure;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::message::References;
use crate::domain::receipt::ReceiptEvent;
use crate::domain::recipient_spelling::is_same_recipient;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{add_id, first_text, items};
use crate::providers::protocol::{CallbackPart, Report};
use crate::providers::{cloud_api, meta_failure};

/// Adds the wrapper's ids and tag to passed-through statuses.
///
/// The wrapper is about one message, so statuses with different ids or recipients get nothing from
/// it. Conversation ids are removed.
pub(super) fn complete(parts: Vec<CallbackPart>, payload: &Value) -> Vec<CallbackPart> {
    let conversation_ids = list_conversation_ids(payload);
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| match part {
            CallbackPart::Report(report) => CallbackPart::Report(Report {
                ids: remove_conversation_ids(report.ids, &conversation_ids),
                ..report
            }),
            other => other,
        })
        .collect();
    let is_one_message = are_about_one_message(&parts);
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

/// Whether no two statuses have different ids or recipients. A status without them matches any
/// other.
fn are_about_one_message(parts: &[CallbackPart]) -> bool {
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
        .is_none_or(|first| recipients.all(|other| is_same_recipient(other, first)));
    same_ids && same_recipient
}

fn complete_report(report: Report, payload: &Value) -> Report {
    if report.is_notice() {
        // The wrapper's ids may be those of a call or a payment.
        let extra = payload.member("extra_info").unwrap_or(&Value::Null);
        return Report {
            tag: find_tag(&[extra, payload]).or(report.tag),
            ..report
        };
    }
    let mut ids = report.ids;
    let extra = payload.member("extra_info").unwrap_or(&Value::Null);
    add_id(&mut ids, first_text(extra, &["message_id"]));
    add_id(&mut ids, first_text(payload, &["message_id"]));
    let mut pricing = report.pricing;
    if pricing.price.is_none() {
        let around = [payload, extra].map(cloud_api::parse_pricing);
        let priced = around.into_iter().find(|around| around.price.is_some());
        let priced = priced.unwrap_or_default();
        pricing.price = priced.price;
        pricing.currency = pricing.currency.or(priced.currency);
    }
    let event = report.event.map(|event| match event {
        ReceiptEvent::Failure(failure) if failure == Failure::default() => {
            ReceiptEvent::Failure(meta_failure::parse_failure(&[payload]))
        }
        other => other,
    });
    Report {
        ids,
        tag: find_tag(&[extra, payload]).or(report.tag),
        event,
        pricing,
        ..report
    }
}

/// The conversation ids of all statuses.
fn list_conversation_ids(payload: &Value) -> HashSet<String> {
    items(payload.pointer("/meta_object/value/statuses"))
        .iter()
        .filter_map(|status| first_text(status.member("conversation")?, &["id"]))
        .collect()
}

/// Removes conversation ids. Kaleyra puts one into `statuses[].id`, even without a `conversation`:
/// 32 letters and digits.
fn remove_conversation_ids(
    ids: Vec<ProviderMessageId>,
    conversation_ids: &HashSet<String>,
) -> Vec<ProviderMessageId> {
    let is_conversation = |id: &str| {
        conversation_ids.contains(id)
            || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    ids.into_iter()
        .filter(|id| !is_conversation(id.as_str()))
        .collect()
}

fn find_tag(places: &[&Value]) -> Option<MessageId> {
    places.iter().find_map(|place| {
        correlation_tag::find_in_references(&References {
            reference: first_text(place, &["ref"]),
            reference1: first_text(place, &["ref1"]),
            reference2: first_text(place, &["ref2"]),
        })
    })
}
