//! Notices about an account, in Meta's changes and as flat objects: quality, limits, templates,
//! restrictions, names.
//!
//! Documentation: the other fields beside `messages` on
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview>,
//! read on 2026-11-28. Kaleyra sends some of them as query strings and flat objects.

use serde_json::Value;

use crate::domain::account_event::{AccountEventKind, ReportedEvent};
use crate::providers::meta_failure::parse_error;
use crate::providers::payload::{first, items, plain_word, recipient};
use crate::providers::protocol::CallbackPart;
use crate::providers::reading_budget::shorten;
use crate::providers::vocabulary::parse_time;

/// In bytes.
const VALUE_LIMIT: usize = 256;
const DETAIL_LIMIT: usize = 1024;

/// The words of a number's rating and limit. A status never has one of them.
const RATING_WORDS: &[&str] = &["flagged", "unflagged"];
const LIMIT_WORDS: &[&str] = &[
    "onboarding",
    "upgrade",
    "downgrade",
    "throughput_upgrade",
    "limited",
];
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
const TEMPLATE_NAMES: &[&str] = &["message_template_name", "template_name", "templateName"];
const TEMPLATE_IDS: &[&str] = &["message_template_id", "template_id", "templateId"];
const NUMBERS: &[&str] = &["display_phone_number", "phone_number", "displayPhoneNumber"];
const LIMITS: &[&str] = &[
    "current_limit",
    "max_daily_conversations_per_business",
    "max_daily_conversation_per_phone",
];
/// Fields about customers and their messages, not about the account.
const OF_CUSTOMERS: &[&str] = &[
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
    let word = first(value, &["event", "current_limit"])
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

/// The notice of a flat object that no status can be.
pub(super) fn of_flat(object: &Value) -> Option<CallbackPart> {
    let has = |names: &[&str]| first(object, names).is_some();
    let of_template = has(&TEMPLATE_NAMES[..1]) || has(&TEMPLATE_IDS[..1]);
    let of_number = has(NUMBERS) || has(LIMITS);
    let restricts = ["ban_info", "violation_info", "restriction_info"]
        .iter()
        .any(|name| object.get(name).is_some_and(|info| !info.is_null()));
    if !of_template && !of_number && !restricts {
        return None;
    }
    let event = first(object, &["event", "status"]).map(|word| word.to_lowercase());
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

/// An error beside no message.
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
            event.occurred_at = first(entry, &["time"]).and_then(|time| parse_time(&time));
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

fn event_of_field(field: &str, value: &Value) -> ReportedEvent {
    match field {
        "phone_number_quality_update" => of_number_quality(value),
        "business_capability_update" => of_capability(value),
        "message_template_status_update" | "template_status" => of_template_status(value),
        "message_template_quality_update" => of_template_change(
            value,
            "quality",
            &["previous_quality_score"],
            &["new_quality_score"],
        ),
        "template_category_update" => of_template_change(
            value,
            "category",
            &["previous_category"],
            &["new_category", "correct_category"],
        ),
        "message_template_components_update" => ReportedEvent {
            title: template_title(value, "content changed"),
            template: template(value),
            ..base(AccountEventKind::Template, value)
        },
        "account_update"
        | "account_review_update"
        | "business_status_update"
        | "account_alerts" => of_account(field, value),
        "phone_number_name_update" => of_number_name(value),
        "security" => ReportedEvent {
            title: titled("Security of the number", value),
            ..base(AccountEventKind::PhoneNumber, value)
        },
        other => {
            let kind = if other.contains("template") {
                AccountEventKind::Template
            } else if other.contains("phone_number") {
                AccountEventKind::PhoneNumber
            } else if other.starts_with("account") || other.starts_with("business") {
                AccountEventKind::Account
            } else {
                AccountEventKind::Other
            };
            ReportedEvent {
                title: titled(&readable_or(other, "notice"), value),
                previous: value_of(value, &["old_status", "previous_status", "previous"]),
                template: template(value),
                ..base(kind, value)
            }
        }
    }
}

fn of_number_quality(value: &Value) -> ReportedEvent {
    let event = first(value, &["event"]).unwrap_or_default().to_lowercase();
    let limit = value_of(value, LIMITS);
    let rating = value_of(value, &["new_quality_rating", "quality_rating"]);
    if LIMIT_WORDS.contains(&event.as_str()) || event.is_empty() && limit.is_some() {
        return ReportedEvent {
            title: value_text(format!(
                "Messaging limit: {}",
                readable_or(&event, "changed")
            )),
            previous: value_of(value, &["old_limit", "previous_limit"]),
            current: limit,
            ..base(AccountEventKind::Limit, value)
        };
    }
    let detail = limit.map(|limit| format!("messaging limit {limit}"));
    ReportedEvent {
        title: value_text(format!(
            "Quality rating: {}",
            readable_or(&event, "changed")
        )),
        previous: value_of(value, &["previous_quality_rating", "old_quality_rating"]),
        current: rating.or_else(|| value_of(value, &["event"])),
        detail: detail.or_else(|| explanation(value)),
        ..base(AccountEventKind::Quality, value)
    }
}

fn of_capability(value: &Value) -> ReportedEvent {
    let numbers = value_of(
        value,
        &[
            "max_phone_numbers_per_business",
            "max_phone_numbers_per_waba",
        ],
    );
    ReportedEvent {
        title: "Messaging limit of the business".to_owned(),
        current: value_of(value, LIMITS),
        detail: numbers.map(|numbers| format!("at most {numbers} phone numbers")),
        ..base(AccountEventKind::Limit, value)
    }
}

fn of_template_status(value: &Value) -> ReportedEvent {
    let status = first(value, &["event", "status"]).unwrap_or_default();
    ReportedEvent {
        title: template_title(value, &readable_or(&status, "changed")),
        previous: value_of(value, &["previous_status", "old_status"]),
        current: Some(value_text(status)).filter(|status| !status.is_empty()),
        template: template(value),
        ..base(AccountEventKind::Template, value)
    }
}

fn of_template_change(
    value: &Value,
    what: &str,
    previous: &[&str],
    current: &[&str],
) -> ReportedEvent {
    let (previous, current) = (value_of(value, previous), value_of(value, current));
    let change = match &current {
        Some(current) => format!("{what} {}", readable(current)),
        None => format!("{what} changed"),
    };
    ReportedEvent {
        title: template_title(value, &change),
        previous,
        current,
        template: template(value),
        ..base(AccountEventKind::Template, value)
    }
}

fn of_account(field: &str, value: &Value) -> ReportedEvent {
    let subject = match field {
        "account_review_update" => "Account review",
        "business_status_update" => "Business",
        "account_alerts" => "Account alert",
        _ => "Account",
    };
    let restrictions: Vec<String> = items(value.get("restriction_info"))
        .iter()
        .take(8)
        .filter_map(|info| first(info, &["restriction_type"]))
        .map(|word| readable(&word))
        .collect();
    let inside = |object: &str, name: &str| {
        let object = value.get(object)?;
        first(object, &[name])
    };
    let state = inside("ban_info", "waba_ban_state");
    let violation = inside("violation_info", "violation_type").map(|word| readable(&word));
    let detail = Some(restrictions.join(", ")).filter(|text| !text.is_empty());
    ReportedEvent {
        title: titled(subject, value),
        current: value_of(value, WORDS).or_else(|| state.clone().map(value_text)),
        detail: detail
            .or(violation)
            .or_else(|| state.map(|state| readable(&state)))
            .map(|text| shorten(text, DETAIL_LIMIT))
            .or_else(|| explanation(value)),
        ..base(AccountEventKind::Account, value)
    }
}

fn of_number_name(value: &Value) -> ReportedEvent {
    let name = value_of(value, &["requested_verified_name", "new_verified_name"]);
    ReportedEvent {
        title: titled("Name of the number", value),
        detail: name.or_else(|| explanation(value)),
        ..base(AccountEventKind::PhoneNumber, value)
    }
}

/// Where the word of a change stands.
const WORDS: &[&str] = &[
    "event",
    "decision",
    "new_status",
    "alert_type",
    "current",
    "status",
];

/// `Account review: approved`
fn titled(subject: &str, value: &Value) -> String {
    let word = first(value, WORDS).unwrap_or_default();
    if word.is_empty() {
        return value_text(subject.to_owned());
    }
    value_text(format!("{subject}: {}", readable(&word)))
}

fn template_title(value: &Value, change: &str) -> String {
    let language = first(value, &["message_template_language", "language"])
        .map_or(String::new(), |language| {
            format!(" ({})", plain_word(&language))
        });
    let name = template(value).unwrap_or_default();
    value_text(format!("Template {name}{language}: {change}"))
}

fn template(value: &Value) -> Option<String> {
    value_of(value, TEMPLATE_NAMES).or_else(|| value_of(value, TEMPLATE_IDS))
}

fn base(kind: AccountEventKind, value: &Value) -> ReportedEvent {
    const TIMES: &[&str] = &[
        "timestamp",
        "time",
        "event_time",
        "category_update_timestamp",
    ];
    ReportedEvent {
        current: value_of(value, WORDS),
        sender: first(value, NUMBERS).and_then(|number| recipient(&number)),
        detail: explanation(value),
        occurred_at: first(value, TIMES).and_then(|time| parse_time(&time)),
        ..empty(kind)
    }
}

fn empty(kind: AccountEventKind) -> ReportedEvent {
    ReportedEvent {
        kind,
        title: String::new(),
        previous: None,
        current: None,
        template: None,
        sender: None,
        detail: None,
        occurred_at: None,
        notice: String::new(),
    }
}

/// The reason, unless it is Meta's `NONE`.
fn explanation(value: &Value) -> Option<String> {
    const REASONS: &[&str] = &[
        "reason",
        "rejection_reason",
        "alert_description",
        "description",
        "message",
    ];
    let other = value.get("other_info").unwrap_or(&Value::Null);
    first(value, REASONS)
        .filter(|text| !text.eq_ignore_ascii_case("none"))
        .or_else(|| first(other, &["description", "title"]))
        .map(|text| shorten(text, DETAIL_LIMIT))
}

fn value_of(value: &Value, names: &[&str]) -> Option<String> {
    first(value, names).map(value_text)
}

fn value_text(text: String) -> String {
    shorten(text, VALUE_LIMIT)
}

/// `ACCOUNT_RESTRICTION` → `account restriction`
fn readable(word: &str) -> String {
    plain_word(word).replace('_', " ").to_lowercase()
}

fn readable_or(word: &str, otherwise: &str) -> String {
    match readable(word) {
        text if text.is_empty() => otherwise.to_owned(),
        text => text,
    }
}
