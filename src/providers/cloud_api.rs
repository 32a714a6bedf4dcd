//! Parses Meta's webhook shapes, which several providers embed in whole or in part: entries,
//! changes, values, statuses.
//!
//! Documentation:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status/>,
//! read on 2026-11-20. What a provider wraps around these shapes is parsed in the provider's file.

use std::cell::OnceCell;

use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::placeholder::is_not_status_word;
use crate::domain::receipt::Pricing;
use crate::providers::account_event_parser;
use crate::providers::json_member::JsonMember;
use crate::providers::meta_failure::parse_failure;
use crate::providers::notice;
use crate::providers::payload::{
    add_id, collect_parts, first_text, items, parse_recipient, parse_text,
};
use crate::providers::protocol::{CallbackPart, Inbound, Report};
use crate::providers::reading_budget::shorten;
use crate::providers::vocabulary::{self, Meaning, parse_time};

/// Maximum bytes kept of a category, a model or a price.
pub(super) const PRICING_WORD_LIMIT: usize = 64;
/// Maximum bytes of a pricing object; a longer one is not kept.
const RAW_PRICING_LIMIT: usize = 1024;
/// A status, and a message in the reply to a submission.
const STATUS_FIELDS: &[&str] = &["status", "message_status"];

/// Parses a payload in one of Meta's shapes, in order; `None` if it has none of them.
///
/// Accepts the whole envelope, a list of changes, one change, one value, one bare status, and lists
/// of these. A report may lack ids: a provider's wrapper can still name the message.
pub(super) fn parse(payload: &Value) -> Option<Vec<CallbackPart>> {
    let parts = match payload {
        Value::Array(elements) => parse_list(elements),
        Value::Object(_) => parse_object(payload),
        _ => None,
    }?;
    if parts.is_empty() {
        return Some(vec![CallbackPart::unparseable("an empty envelope")]);
    }
    Some(parts)
}

fn parse_list(elements: &[Value]) -> Option<Vec<CallbackPart>> {
    let unknown = || vec![CallbackPart::unparseable("an element of unknown shape")];
    let mut is_known = false;
    let parts = elements.iter().flat_map(|element| {
        let parts = parse(element);
        is_known |= parts.is_some();
        parts.unwrap_or_else(unknown)
    });
    let parts = collect_parts(parts);
    is_known.then_some(parts)
}

fn parse_object(object: &Value) -> Option<Vec<CallbackPart>> {
    let has = |name: &str| object.member(name).is_some_and(|value| !value.is_null());
    let is_filled = |name: &str| !items(object.member(name)).is_empty();
    let is_status = has("id") && object.member("status").and_then(parse_text).is_some();
    let mut shapes: Vec<Vec<CallbackPart>> = Vec::new();
    if is_filled("entry") {
        let entries = items(object.member("entry")).iter();
        shapes.push(collect_parts(entries.flat_map(parse_entry)));
    }
    if is_filled("changes") {
        shapes.push(parse_changes(object));
    }
    if object.member("value").is_some_and(Value::is_object) {
        shapes.push(parse_change(object));
    }
    if is_filled("statuses") || is_filled("messages") {
        shapes.push(parse_value(object, None));
    }
    if !shapes.is_empty() {
        let mut parts = collect_parts(shapes.into_iter().flatten());
        if is_status && has_known_word(object) {
            let field = first_text(object, &["field"]);
            parts.push(parse_status(
                object,
                &Enclosing::new(object),
                field.as_deref(),
            ));
        }
        return Some(parts);
    }
    if let Some(event) = account_event_parser::parse_flat(object) {
        return Some(vec![event]);
    }
    if is_status {
        return Some(vec![parse_status(object, &Enclosing::new(object), None)]);
    }
    if has("entry") || has("changes") {
        return Some(Vec::new());
    }
    let is_value =
        has("statuses") || has("messages") || (has("errors") && has("messaging_product"));
    is_value.then(|| parse_value(object, None))
}

fn parse_entry(entry: &Value) -> Vec<CallbackPart> {
    parse(entry).unwrap_or_else(|| vec![CallbackPart::unparseable("an entry without changes")])
}

fn parse_changes(entry: &Value) -> Vec<CallbackPart> {
    let parts = items(entry.member("changes")).iter().flat_map(parse_change);
    let mut parts = collect_parts(parts);
    account_event_parser::set_time(&mut parts, entry);
    parts
}

fn parse_change(change: &Value) -> Vec<CallbackPart> {
    let value = change.member("value").unwrap_or(&Value::Null);
    let has = |name: &str| !items(value.member(name)).is_empty();
    let field = first_text(change, &["field"]);
    if has("statuses") || has("messages") {
        return parse_value(value, field.as_deref());
    }
    match field {
        Some(field) if field != "messages" => {
            vec![account_event_parser::parse_field(&field, value)]
        }
        _ if has("errors") => parse_value(value, None),
        _ => vec![CallbackPart::unparseable(
            "a change without statuses, messages or errors",
        )],
    }
}

/// `field` is the name in the enclosing change.
fn parse_value(value: &Value, field: Option<&str>) -> Vec<CallbackPart> {
    let statuses = items(value.member("statuses"));
    let messages = items(value.member("messages"));
    let enclosing = Enclosing::new(value);
    let reports = statuses
        .iter()
        .map(|status| parse_status(status, &enclosing, field));
    let messages = messages.iter().map(|message| {
        if is_status_of_message(message) {
            parse_status(message, &enclosing, field)
        } else {
            parse_message(message)
        }
    });
    let mut parts = collect_parts(reports.chain(messages));
    let errors_belong_to_status = statuses
        .iter()
        .any(|status| is_failed(status) && items(status.member("errors")).is_empty());
    if !errors_belong_to_status {
        let sender = (value.member("metadata"))
            .and_then(|metadata| first_text(metadata, &["display_phone_number"]))
            .and_then(|number| parse_recipient(&number));
        let errors = items(value.member("errors")).iter();
        let errors =
            errors.map(|error| account_event_parser::parse_system_error(error, sender.clone()));
        parts = collect_parts(parts.into_iter().chain(errors));
    }
    if parts.is_empty() {
        parts.push(CallbackPart::unparseable("an empty value"));
    }
    parts
}

fn has_known_word(status: &Value) -> bool {
    first_text(status, STATUS_FIELDS).is_some_and(|word| vocabulary::meaning(&word, &[]).is_some())
}

/// Whether an element of `messages` is the status of a message that a business sent: it has a
/// status, as in a reply to a submission, and neither a sender nor content.
fn is_status_of_message(message: &Value) -> bool {
    let is_inbound = ["from", "from_user_id", "text"]
        .iter()
        .any(|name| message.member(name).is_some_and(|value| !value.is_null()));
    has_known_word(message) && !is_inbound && !notice::has_content(message)
}

fn is_failed(status: &Value) -> bool {
    first_text(status, STATUS_FIELDS)
        .is_some_and(|word| vocabulary::meaning(&word, &[]) == Some(Meaning::Failed))
}

/// A customer's message. WhatsApp's system messages (such as a changed number) do not open the
/// conversation window.
fn parse_message(message: &Value) -> CallbackPart {
    if !message.is_object() {
        return CallbackPart::unparseable("a message that is not an object");
    }
    if first_text(message, &["type"]).as_deref() == Some("system") {
        return CallbackPart::Notice("system message".to_owned());
    }
    let sender = first_text(message, &["from", "from_user_id"]);
    if sender.is_none() && first_text(message, &["type"]).is_none() {
        // A queue's.
        return CallbackPart::unparseable("a message without a sender and a type");
    }
    CallbackPart::Inbound(Inbound {
        sender: sender.and_then(|from| parse_recipient(&from)),
        occurred_at: first_text(message, &["timestamp"]).and_then(|time| parse_time(&time)),
    })
}

/// What is around statuses: contacts and errors.
struct Enclosing<'v> {
    value: &'v Value,
    /// Found once: there may be as many contacts as statuses.
    contact: OnceCell<Option<String>>,
}

impl<'v> Enclosing<'v> {
    fn new(value: &'v Value) -> Self {
        Self {
            value,
            contact: OnceCell::new(),
        }
    }

    /// The customer of the statuses that name none.
    fn contact(&self) -> Option<String> {
        let find = || {
            // If a status names its customer, the contact may be that one only.
            let mut statuses = items(self.value.member("statuses")).iter();
            let is_named = statuses.any(|status| named_recipient(status).is_some());
            only_contact(self.value).filter(|_| !is_named)
        };
        self.contact.get_or_init(find).clone()
    }
}

/// Parses one status. `field` is the name in the enclosing change.
fn parse_status(status: &Value, enclosing: &Enclosing<'_>, field: Option<&str>) -> CallbackPart {
    if !status.is_object() {
        return CallbackPart::unparseable("a status that is not an object");
    }
    let Some(word) = first_text(status, STATUS_FIELDS).filter(|word| !is_not_status_word(word))
    else {
        return CallbackPart::unparseable("a status without a status word");
    };
    if let Some(subject) = notice::subject_of_status(status, field) {
        return notice::of_status(&subject, &word, status);
    }
    let mut ids = Vec::new();
    let conversation = status
        .member("conversation")
        .and_then(|conversation| first_text(conversation, &["id"]));
    let id = first_text(status, &["id"]);
    // A conversation id would merge all messages of 24 hours.
    add_id(&mut ids, id.filter(|id| Some(id) != conversation.as_ref()));
    CallbackPart::Report(Report {
        ids,
        tag: first_text(status, &["biz_opaque_callback_data"])
            .and_then(|text| correlation_tag::find(&text)),
        recipient: named_recipient(status).or_else(|| enclosing.contact()),
        kind: notice::other_kind_of_status(status),
        event: Some(vocabulary::parse_status_word(&word, &[], || {
            parse_failure(&[status, enclosing.value])
        })),
        occurred_at: first_text(status, &["timestamp"]).and_then(|time| parse_time(&time)),
        pricing: parse_pricing(status),
        notice_if_unknown: None,
    })
}

/// The customer that the status itself names.
fn named_recipient(status: &Value) -> Option<String> {
    const PARTICIPANT: &[&str] = &["recipient_participant_id", "recipient_participant_user_id"];
    const CUSTOMER: &[&str] = &["recipient_id", "recipient_user_id", "user_id"];
    first_text(status, PARTICIPANT)
        .or_else(|| first_text(status, CUSTOMER))
        .and_then(|text| parse_recipient(&text))
}

/// The customer of a value, if it names only one. Several could not be assigned to the statuses,
/// because the two lists have no common order.
fn only_contact(enclosing: &Value) -> Option<String> {
    let mut contacts = items(enclosing.member("contacts")).iter().map(|contact| {
        first_text(contact, &["wa_id", "user_id"]).and_then(|text| parse_recipient(&text))
    });
    let only = contacts.next()?;
    contacts.all(|other| other == only).then_some(only)?
}

/// The first pricing with a price, or else the first one.
pub(super) fn find_pricing<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Pricing {
    let mut found = Pricing::default();
    for object in objects {
        let pricing = parse_pricing(object);
        if pricing.price.is_some() {
            return pricing;
        }
        if found.is_empty() {
            found = pricing;
        }
    }
    found
}

/// The pricing in a status, or in the wrapper around it.
pub(super) fn parse_pricing(object: &Value) -> Pricing {
    let pricing = object.member("pricing").unwrap_or(&Value::Null);
    let word = |text: String| shorten(text, PRICING_WORD_LIMIT);
    let price = |object: &Value| match object.member("price") {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(value) => parse_text(value).map(word),
        None => None,
    };
    Pricing {
        billable: pricing.member("billable").and_then(flag),
        category: first_text(pricing, &["category"]).map(word),
        model: first_text(pricing, &["pricing_model"]).map(word),
        kind: first_text(pricing, &["type"]).map(word),
        currency: first_text(pricing, &["currency"])
            .or_else(|| first_text(object, &["currency"]))
            .map(word),
        price: price(pricing).or_else(|| price(object)),
        raw: raw_object(pricing),
    }
}

/// A boolean, even if it is a text or a number.
fn flag(value: &Value) -> Option<bool> {
    match parse_text(value) {
        None => value.as_bool(),
        Some(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
    }
}

fn raw_object(pricing: &Value) -> Option<String> {
    pricing
        .as_object()
        .filter(|object| !object.is_empty())
        .and_then(|object| serde_json::to_string(object).ok())
        .filter(|raw| raw.len() <= RAW_PRICING_LIMIT)
        // PostgreSQL does not store NUL in texts, and JSON escapes it.
        .map(|raw| raw.replace("\\u0000", "␀"))
}
