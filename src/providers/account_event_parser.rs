//! Notices about an account, in Meta's changes and as flat objects: quality, limits, templates,
//! restrictions, names.
//!
//! Documentation: the other fields beside `messages` on
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview>,
//! read on 2026-11-28. Kaleyra sends some of them as query strings and flat objects.

use serde_json::Value;

use crate::domain::account_event::{AccountEventKind, ReportedEvent};
use crate::providers::account_event_fields::{
    DETAIL_LIMIT, LIMIT_WORDS, LIMITS, NUMBERS, TEMPLATE_IDS, TEMPLATE_NAMES, WORDS, base, empty,
    event_of_field, readable, value_of, value_text,
};
use crate::providers::meta_failure::parse_error;
use crate::providers::payload::{first_text, plain_word};
use crate::providers::protocol::CallbackPart;
use crate::providers::reading_budget::shorten;
use crate::providers::vocabulary::parse_time;

/// The words of a number's rating and limit. A status never has one of them.
const RATING_WORDS: &[&str] = &["flagged", "unflagged"];
const TEMPLATE_WORDS: &[&str] = &[
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
const OF_MESSAGES: &[&str] = &[
    "message_id",
    "messageId",
    "wamid",
    "recipient",
    "recipient_id",
    "to",
];
/// Fields about customers and their messages, not about the account.
const OF_CUSTOMERS: &[&str] = &[
    "calls",
    "history",
    "message_echoes",
    "smb_app_state_sync",
    "smb_message_echoes",
    "tracking_events",
    "user_id_update",
    "user_preferences",
];

/// The notice of a change that holds neither statuses nor messages.
pub(super) fn of_field(field: &str, value: &Value) -> CallbackPart {
    let word = first_text(value, &["event", "current_limit"])
        .map_or(String::new(), |event| format!(": {}", plain_word(&event)));
    let notice = match plain_word(field) {
        name if name.is_empty() => format!("unknown field{word}"),
        name => format!("{name}{word}"),
    };
    if OF_CUSTOMERS.contains(&field) || field.starts_with("group") {
        return CallbackPart::Notice(notice);
    }
    let event = event_of_field(field, value);
    CallbackPart::AccountEvent(ReportedEvent { notice, ..event })
}

/// A flat object with the names of this field.
pub(super) fn of_documented(field: &str, object: &Value, notice: String) -> CallbackPart {
    let event = event_of_field(field, object);
    CallbackPart::AccountEvent(ReportedEvent { notice, ..event })
}

/// The notice of a flat object that cannot be a status.
pub(super) fn of_flat(object: &Value) -> Option<CallbackPart> {
    let has = |names: &[&str]| first_text(object, names).is_some();
    let of_template = has(&TEMPLATE_NAMES[..1]) || has(&TEMPLATE_IDS[..1]);
    let of_number = has(NUMBERS) || has(LIMITS);
    let restricts = ["ban_info", "violation_info", "restriction_info"]
        .iter()
        .any(|name| object.get(name).is_some_and(|info| !info.is_null()));
    let is_known = of_template || of_number || restricts;
    if !is_known || has(OF_MESSAGES) {
        return None;
    }
    let event = first_text(object, &["event", "status"]).map(|word| word.to_lowercase());
    let is_one_of = |words: &[&str]| event.as_deref().is_some_and(|word| words.contains(&word));
    let field = if of_template && has(&["new_category", "previous_category", "correct_category"]) {
        "template_category_update"
    } else if of_template && has(&["new_quality_score", "previous_quality_score"]) {
        "message_template_quality_update"
    } else if of_template && is_one_of(TEMPLATE_WORDS) {
        "message_template_status_update"
    } else if has(NUMBERS) && has(&["decision"]) {
        "phone_number_name_update"
    } else if of_number && (is_one_of(RATING_WORDS) || is_one_of(LIMIT_WORDS)) {
        "phone_number_quality_update"
    } else if restricts {
        "account_update"
    } else {
        return None;
    };
    Some(of_field(field, object))
}

/// An error that belongs to no message.
pub(super) fn of_error(error: &Value, sender: Option<String>) -> CallbackPart {
    let failure = parse_error(error);
    let code = failure.code.clone();
    let title = failure.title.clone().unwrap_or_default();
    let notice = format!(
        "system error {}: {}",
        code.as_deref().unwrap_or("without code"),
        plain_word(&title)
    );
    CallbackPart::AccountEvent(ReportedEvent {
        title: value_text(format!("Error: {title}")),
        current: code.map(value_text),
        sender,
        detail: failure.detail.map(|text| shorten(text, DETAIL_LIMIT)),
        notice,
        ..empty(AccountEventKind::Error)
    })
}

/// Sets the time of the entry around the changes, where an event has none.
pub(super) fn set_time(parts: &mut [CallbackPart], entry: &Value) {
    for part in parts {
        if let CallbackPart::AccountEvent(event) = part
            && event.occurred_at.is_none()
        {
            event.occurred_at = first_text(entry, &["time"]).and_then(|time| parse_time(&time));
        }
    }
}

/// An event of the panel: `template.approved`, `channel.disconnected`.
pub(super) fn of_named_event(
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
    let name = value_of(fields, TEMPLATE_NAMES)
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
        title: value_text(format!("{shown}{named}: {}", readable(word))),
        current: value_of(fields, WORDS).or_else(|| Some(value_text(word.to_owned()))),
        template: name,
        notice,
        ..base(kind, fields)
    })
}
