//! Parses events about an account, in Meta's changes and as flat objects: quality, limits,
//! templates, restrictions, names.
//!
//! Documentation: the fields other than `messages` on
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview>,
//! read on 2026-11-28. Kaleyra sends some of them as query strings and flat objects.

use serde_json::Value;

use crate::domain::account_event::{AccountEventKind, ReportedEvent};
use crate::providers::account_event_fields::{
    CHANGE_FIELDS, DETAIL_LIMIT, MESSAGING_LIMIT_EVENTS, MESSAGING_LIMIT_FIELDS,
    PHONE_NUMBER_FIELDS, TEMPLATE_ID_FIELDS, TEMPLATE_NAME_FIELDS, base_event, empty_event,
    event_of_field, readable, shorten_value, value_of,
};
use crate::providers::json_member::JsonMember;
use crate::providers::meta_failure::parse_error;
use crate::providers::payload::{first_text, plain_word};
use crate::providers::protocol::CallbackPart;
use crate::providers::reading_budget::shorten;
use crate::providers::vocabulary::parse_time;

/// Events of a number's quality rating. The status of a message is never one of them.
const RATING_EVENTS: &[&str] = &["flagged", "unflagged"];
const TEMPLATE_EVENTS: &[&str] = &[
    "approved",
    "archived",
    "unarchived",
    "deleted",
    "disabled",
    "flagged",
    "in_appeal",
    "limit_exceeded",
    "locked",
    "paused",
    "unpaused",
    "pending",
    "pending_deletion",
    "reinstated",
    "rejected",
];
/// A flat object with one of these is about a message.
const MESSAGE_FIELDS: &[&str] = &[
    "message_id",
    "messageId",
    "wamid",
    "recipient",
    "recipient_id",
    "to",
];
/// Fields about customers and their messages, not about the account.
const CUSTOMER_FIELDS: &[&str] = &[
    "calls",
    "history",
    "message_echoes",
    "smb_app_state_sync",
    "smb_message_echoes",
    "tracking_events",
    "user_id_update",
    "user_preferences",
];

/// Parses a change that holds neither statuses nor messages.
pub(super) fn parse_field(field: &str, value: &Value) -> CallbackPart {
    let word = first_text(value, &["event", "current_limit"])
        .map_or(String::new(), |event| format!(": {}", plain_word(&event)));
    let notice = match plain_word(field) {
        name if name.is_empty() => format!("unknown field{word}"),
        name => format!("{name}{word}"),
    };
    if CUSTOMER_FIELDS.contains(&field) || field.starts_with("group") {
        return CallbackPart::Notice(notice);
    }
    let event = event_of_field(field, value);
    CallbackPart::AccountEvent(ReportedEvent { notice, ..event })
}

/// Parses a flat object that has the members of Meta's `field`.
pub(super) fn parse_with_fields_of(field: &str, object: &Value, notice: String) -> CallbackPart {
    let event = event_of_field(field, object);
    CallbackPart::AccountEvent(ReportedEvent { notice, ..event })
}

/// Parses a flat object; `None` if it may be the status of a message.
pub(super) fn parse_flat(object: &Value) -> Option<CallbackPart> {
    let has = |names: &[&str]| first_text(object, names).is_some();
    let is_about_template = has(&TEMPLATE_NAME_FIELDS[..1]) || has(&TEMPLATE_ID_FIELDS[..1]);
    let is_about_number = has(PHONE_NUMBER_FIELDS) || has(MESSAGING_LIMIT_FIELDS);
    let has_restriction = ["ban_info", "violation_info", "restriction_info"]
        .iter()
        .any(|name| object.member(name).is_some_and(|info| !info.is_null()));
    let is_known = is_about_template || is_about_number || has_restriction;
    if !is_known || has(MESSAGE_FIELDS) {
        return None;
    }
    let event = first_text(object, &["event", "status"]).map(|word| word.to_lowercase());
    let is_one_of = |words: &[&str]| event.as_deref().is_some_and(|word| words.contains(&word));
    let field = if is_about_template
        && has(&["new_category", "previous_category", "correct_category"])
    {
        "template_category_update"
    } else if is_about_template && has(&["new_quality_score", "previous_quality_score"]) {
        "message_template_quality_update"
    } else if is_about_template && is_one_of(TEMPLATE_EVENTS) {
        "message_template_status_update"
    } else if has(PHONE_NUMBER_FIELDS) && has(&["decision"]) {
        "phone_number_name_update"
    } else if is_about_number && (is_one_of(RATING_EVENTS) || is_one_of(MESSAGING_LIMIT_EVENTS)) {
        "phone_number_quality_update"
    } else if has_restriction {
        "account_update"
    } else {
        return None;
    };
    Some(parse_field(field, object))
}

/// Parses an error that belongs to no message.
pub(super) fn parse_system_error(error: &Value, sender: Option<String>) -> CallbackPart {
    let failure = parse_error(error);
    let code = failure.code.clone();
    let title = failure.title.clone().unwrap_or_default();
    let notice = format!(
        "system error {}: {}",
        code.as_deref().unwrap_or("without code"),
        plain_word(&title)
    );
    CallbackPart::AccountEvent(ReportedEvent {
        title: shorten_value(format!("Error: {title}")),
        current: code.map(shorten_value),
        sender,
        detail: failure.detail.map(|text| shorten(text, DETAIL_LIMIT)),
        notice,
        ..empty_event(AccountEventKind::Error)
    })
}

/// Gives events without a time that of the entry around the changes.
pub(super) fn set_time(parts: &mut [CallbackPart], entry: &Value) {
    for part in parts {
        if let CallbackPart::AccountEvent(event) = part
            && event.occurred_at.is_none()
        {
            event.occurred_at = first_text(entry, &["time"]).and_then(|time| parse_time(&time));
        }
    }
}

/// Parses an event that is named by its subject and what happened: `template.approved`,
/// `channel.disconnected`.
pub(super) fn parse_named_event(
    subject: &str,
    word: &str,
    fields: &Value,
    notice: String,
) -> CallbackPart {
    let kind = if subject.starts_with("template") {
        AccountEventKind::Template
    } else {
        AccountEventKind::Account
    };
    let name = value_of(fields, TEMPLATE_NAME_FIELDS)
        .or_else(|| value_of(fields, &["name", "title"]))
        .filter(|_| kind == AccountEventKind::Template);
    let mut shown = readable(subject);
    if let Some(first) = shown.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let named = name
        .as_ref()
        .map_or(String::new(), |name| format!(" {name}"));
    CallbackPart::AccountEvent(ReportedEvent {
        title: shorten_value(format!("{shown}{named}: {}", readable(word))),
        current: value_of(fields, CHANGE_FIELDS).or_else(|| Some(shorten_value(word.to_owned()))),
        template: name,
        notice,
        ..base_event(kind, fields)
    })
}
