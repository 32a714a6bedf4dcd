//! The fields of an account event: what changed, from what, to what, and why. The names are Meta's.

use serde_json::Value;

use crate::domain::account_event::{AccountEventKind, ReportedEvent};
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{first_text, items, parse_recipient, plain_word};
use crate::providers::reading_budget::shorten;
use crate::providers::vocabulary::parse_time;

/// Maximum bytes of a value such as a status or a template name.
const VALUE_BYTES_LIMIT: usize = 256;
pub(super) const MESSAGING_LIMIT_EVENTS: &[&str] = &[
    "onboarding",
    "upgrade",
    "downgrade",
    "throughput_upgrade",
    "limited",
];
pub(super) const TEMPLATE_NAME_FIELDS: &[&str] =
    &["message_template_name", "template_name", "templateName"];
pub(super) const TEMPLATE_ID_FIELDS: &[&str] =
    &["message_template_id", "template_id", "templateId"];
pub(super) const PHONE_NUMBER_FIELDS: &[&str] =
    &["display_phone_number", "phone_number", "displayPhoneNumber"];
pub(super) const MESSAGING_LIMIT_FIELDS: &[&str] = &[
    "current_limit",
    "max_daily_conversations_per_business",
    "max_daily_conversation_per_phone",
];
pub(super) const DETAIL_LIMIT: usize = 1024;

pub(super) fn event_of_field(field: &str, value: &Value) -> ReportedEvent {
    match field {
        "phone_number_quality_update" => number_quality_event(value),
        "business_capability_update" => capability_event(value),
        "message_template_status_update" | "template_status" => template_status_event(value),
        "message_template_quality_update" => template_change_event(
            value,
            "quality",
            &["previous_quality_score"],
            &["new_quality_score"],
        ),
        "template_category_update" => template_change_event(
            value,
            "category",
            &["previous_category"],
            &["new_category", "correct_category"],
        ),
        "message_template_components_update" => ReportedEvent {
            title: template_title(value, "content changed"),
            template: template(value),
            ..base_event(AccountEventKind::Template, value)
        },
        "account_update"
        | "account_review_update"
        | "business_status_update"
        | "account_alerts" => account_event(field, value),
        "phone_number_name_update" => number_name_event(value),
        "security" => ReportedEvent {
            title: titled("Security of the number", value),
            ..base_event(AccountEventKind::PhoneNumber, value)
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
                ..base_event(kind, value)
            }
        }
    }
}

fn number_quality_event(value: &Value) -> ReportedEvent {
    let event = first_text(value, &["event"])
        .unwrap_or_default()
        .to_lowercase();
    let limit = value_of(value, MESSAGING_LIMIT_FIELDS);
    let rating = value_of(value, &["new_quality_rating", "quality_rating"]);
    if MESSAGING_LIMIT_EVENTS.contains(&event.as_str()) || event.is_empty() && limit.is_some() {
        return ReportedEvent {
            title: shorten_value(format!(
                "Messaging limit: {}",
                readable_or(&event, "changed")
            )),
            previous: value_of(value, &["old_limit", "previous_limit"]),
            current: limit,
            ..base_event(AccountEventKind::Limit, value)
        };
    }
    let detail = limit.map(|limit| format!("messaging limit {limit}"));
    ReportedEvent {
        title: shorten_value(format!(
            "Quality rating: {}",
            readable_or(&event, "changed")
        )),
        previous: value_of(value, &["previous_quality_rating", "old_quality_rating"]),
        current: rating.or_else(|| value_of(value, &["event"])),
        detail: detail.or_else(|| explanation(value)),
        ..base_event(AccountEventKind::Quality, value)
    }
}

fn capability_event(value: &Value) -> ReportedEvent {
    let numbers = value_of(
        value,
        &[
            "max_phone_numbers_per_business",
            "max_phone_numbers_per_waba",
        ],
    );
    ReportedEvent {
        title: "Messaging limit of the business".to_owned(),
        current: value_of(value, MESSAGING_LIMIT_FIELDS),
        detail: numbers.map(|numbers| format!("at most {numbers} phone numbers")),
        ..base_event(AccountEventKind::Limit, value)
    }
}

fn template_status_event(value: &Value) -> ReportedEvent {
    let status = first_text(value, &["event", "status"]).unwrap_or_default();
    ReportedEvent {
        title: template_title(value, &readable_or(&status, "changed")),
        previous: value_of(value, &["previous_status", "old_status"]),
        current: Some(shorten_value(status)).filter(|status| !status.is_empty()),
        template: template(value),
        ..base_event(AccountEventKind::Template, value)
    }
}

fn template_change_event(
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
        ..base_event(AccountEventKind::Template, value)
    }
}

fn account_event(field: &str, value: &Value) -> ReportedEvent {
    let subject = match field {
        "account_review_update" => "Account review",
        "business_status_update" => "Business",
        "account_alerts" => "Account alert",
        _ => "Account",
    };
    let restrictions: Vec<String> = items(value.member("restriction_info"))
        .iter()
        .take(8)
        .filter_map(|info| first_text(info, &["restriction_type"]))
        .map(|word| readable(&word))
        .collect();
    let inside = |object: &str, name: &str| {
        let object = value.get(object)?;
        first_text(object, &[name])
    };
    let state = inside("ban_info", "waba_ban_state");
    let violation = inside("violation_info", "violation_type").map(|word| readable(&word));
    let detail = Some(restrictions.join(", ")).filter(|text| !text.is_empty());
    ReportedEvent {
        title: titled(subject, value),
        current: value_of(value, CHANGE_FIELDS).or_else(|| state.clone().map(shorten_value)),
        detail: detail
            .or(violation)
            .or_else(|| state.map(|state| readable(&state)))
            .map(|text| shorten(text, DETAIL_LIMIT))
            .or_else(|| explanation(value)),
        ..base_event(AccountEventKind::Account, value)
    }
}

fn number_name_event(value: &Value) -> ReportedEvent {
    let name = value_of(value, &["requested_verified_name", "new_verified_name"]);
    ReportedEvent {
        title: titled("Name of the number", value),
        detail: name.or_else(|| explanation(value)),
        ..base_event(AccountEventKind::PhoneNumber, value)
    }
}

/// Fields that may hold the word for a change, such as `APPROVED`.
pub(super) const CHANGE_FIELDS: &[&str] = &[
    "event",
    "decision",
    "new_status",
    "alert_type",
    "current",
    "status",
];

/// `Account review: approved`
fn titled(subject: &str, value: &Value) -> String {
    let word = first_text(value, CHANGE_FIELDS).unwrap_or_default();
    if word.is_empty() {
        return shorten_value(subject.to_owned());
    }
    shorten_value(format!("{subject}: {}", readable(&word)))
}

fn template_title(value: &Value, change: &str) -> String {
    let language = first_text(value, &["message_template_language", "language"])
        .map_or(String::new(), |language| {
            format!(" ({})", plain_word(&language))
        });
    let name = template(value).unwrap_or_default();
    shorten_value(format!("Template {name}{language}: {change}"))
}

fn template(value: &Value) -> Option<String> {
    value_of(value, TEMPLATE_NAME_FIELDS).or_else(|| value_of(value, TEMPLATE_ID_FIELDS))
}

pub(super) fn base_event(kind: AccountEventKind, value: &Value) -> ReportedEvent {
    const TIMES: &[&str] = &[
        "timestamp",
        "time",
        "event_time",
        "category_update_timestamp",
    ];
    ReportedEvent {
        current: value_of(value, CHANGE_FIELDS),
        sender: first_text(value, PHONE_NUMBER_FIELDS).and_then(|number| parse_recipient(&number)),
        detail: explanation(value),
        occurred_at: first_text(value, TIMES).and_then(|time| parse_time(&time)),
        ..empty_event(kind)
    }
}

pub(super) fn empty_event(kind: AccountEventKind) -> ReportedEvent {
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
    let other = value.member("other_info").unwrap_or(&Value::Null);
    first_text(value, REASONS)
        .filter(|text| !text.eq_ignore_ascii_case("none"))
        .or_else(|| first_text(other, &["description", "title"]))
        .map(|text| shorten(text, DETAIL_LIMIT))
}

pub(super) fn value_of(value: &Value, names: &[&str]) -> Option<String> {
    first_text(value, names).map(shorten_value)
}

pub(super) fn shorten_value(text: String) -> String {
    shorten(text, VALUE_BYTES_LIMIT)
}

/// `ACCOUNT_RESTRICTION` → `account restriction`
pub(super) fn readable(word: &str) -> String {
    plain_word(word).replace('_', " ").to_lowercase()
}

pub(super) fn readable_or(word: &str, otherwise: &str) -> String {
    match readable(word) {
        text if text.is_empty() => otherwise.to_owned(),
        text => text,
    }
}
