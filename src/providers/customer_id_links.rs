//! Finds ids of the same customer in a callback: in contacts, statuses, messages, and changes of a
//! number or user id. The shapes are Meta's, inside any wrapper.
//!
//! Documentation:
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>,
//! read on 2026-11-28. Only user ids of the documented form count: `user_id` may also be an id of
//! the provider's own staff.

use serde_json::{Map, Value};

use crate::domain::person::LinkKind;
use crate::domain::phone;
use crate::domain::phone_text::{is_user_id, parse_user_id};
use crate::domain::recipient_spelling::canonical_spelling;
use crate::domain::reported_time::ReportedTime;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{first_text, items, parse_recipient};
use crate::providers::vocabulary::parse_time;

/// Nesting depth; Meta's own shapes have eight levels.
const DEPTH_LIMIT: usize = 24;
/// Maximum number per callback: as many as it may have parts.
const LINKS_LIMIT: usize = 5_000;

/// Two ids of one customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomerIdLink {
    /// The old id, if the customer's id has changed.
    pub identity: String,
    /// The new id, if the customer's id has changed.
    pub other: String,
    pub kind: LinkKind,
    /// By the provider's clock.
    pub occurred_at: Option<ReportedTime>,
}

const CONTACT: &[&str] = &["wa_id", "user_id", "parent_user_id"];
const RECIPIENT: &[&str] = &[
    "recipient_id",
    "recipient_user_id",
    "recipient_parent_user_id",
    "parent_recipient_user_id",
];
const PARTICIPANT: &[&str] = &[
    "recipient_participant_id",
    "recipient_participant_user_id",
    "recipient_participant_parent_user_id",
];
const SENDER: &[&str] = &[
    "from",
    "from_user_id",
    "from_parent_user_id",
    "parent_from_user_id",
];
const TIMES: &[&str] = &["timestamp", "time"];

/// The links in the documents of a callback, in order.
pub(super) fn find<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Vec<CustomerIdLink> {
    let mut links = Vec::new();
    for document in documents {
        visit(document, None, 0, &mut links);
    }
    links
}

fn visit(
    value: &Value,
    enclosing_time: Option<ReportedTime>,
    depth: usize,
    links: &mut Vec<CustomerIdLink>,
) {
    if depth > DEPTH_LIMIT || links.len() >= LINKS_LIMIT {
        return;
    }
    match value {
        Value::Array(elements) => {
            for element in elements {
                visit(element, enclosing_time, depth + 1, links);
            }
        }
        Value::Object(object) => {
            let names_customer = object.keys().any(|name| is_customer_field(name));
            let own = (names_customer || object.has_member("time"))
                .then(|| first_text(value, TIMES))
                .flatten();
            let at = own.and_then(|time| parse_time(&time)).or(enclosing_time);
            if names_customer {
                collect(value, object, at, links);
            }
            for inner in object.values() {
                if inner.is_object() || inner.is_array() {
                    visit(inner, at, depth + 1, links);
                }
            }
        }
        _ => {}
    }
}

fn is_customer_field(name: &str) -> bool {
    name.ends_with("user_id") || matches!(name, "contacts" | "system")
}

fn collect(
    value: &Value,
    object: &Map<String, Value>,
    at: Option<ReportedTime>,
    links: &mut Vec<CustomerIdLink>,
) {
    let mut link = |ids: Vec<String>| link_all(&ids, at, links);
    if object.has_member("system") {
        collect_system_change(value, at, links);
        return;
    }
    if object.has_member("contacts") {
        // Several contacts could not be assigned to statuses: the two lists have no common order.
        if let [contact] = items(object.member("contacts")) {
            let contact_ids = ids_of(contact, CONTACT);
            for (list, names) in [("statuses", RECIPIENT), ("messages", SENDER)] {
                let elements = items(object.member(list));
                let mut named: Vec<Vec<String>> = elements
                    .iter()
                    .filter(|element| !is_of_group(element) && element.member("system").is_none())
                    .map(|element| ids_of(element, names))
                    .collect();
                named.dedup();
                if let [only] = named.as_slice()
                    && !have_different_numbers(&contact_ids, only)
                {
                    let at = elements
                        .first()
                        .and_then(|element| first_text(element, TIMES))
                        .and_then(|time| parse_time(&time));
                    link_all(&[contact_ids.as_slice(), only].concat(), at, links);
                }
            }
        }
        return;
    }
    if let Some(Value::Object(_)) = object.member("user_id") {
        collect_id_update(value, at, links);
        return;
    }
    link(ids_of(value, CONTACT));
    if !is_of_group(value) {
        link(ids_of(value, RECIPIENT));
    }
    link(ids_of(value, PARTICIPANT));
    link(ids_of(value, SENDER));
}

fn have_different_numbers(ids: &[String], others: &[String]) -> bool {
    let number = |ids: &[String]| ids.iter().find(|id| phone::are_digits(id)).cloned();
    match (number(ids), number(others)) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    }
}

/// The recipient of a message to a group is the group.
fn is_of_group(status: &Value) -> bool {
    first_text(status, &["recipient_type"]).as_deref() == Some("group")
}

/// WhatsApp's system message about a changed number or user id.
fn collect_system_change(
    message: &Value,
    at: Option<ReportedTime>,
    links: &mut Vec<CustomerIdLink>,
) {
    let system = message.member("system").unwrap_or(&Value::Null);
    let change = first_text(system, &["type"]).unwrap_or_default();
    let id =
        |object: &Value, names: &[&str]| first_text(object, names).and_then(|text| parse_id(&text));
    if change.contains("changed_number") {
        let old = id(message, &["from"]).or_else(|| id(system, &["customer", "old_wa_id"]));
        let new = id(system, &["new_wa_id", "wa_id"]).filter(|new| phone::are_digits(new));
        let old = old.filter(|old| phone::are_digits(old));
        if let Some((old, new)) = old.zip(new.clone()) {
            link_change(old, new, at, links);
        }
        let current = ids_of(system, &["user_id", "parent_user_id"]);
        let all: Vec<String> = new.into_iter().chain(current).collect();
        link_all(&all, at, links);
    } else if change.contains("changed_user_id") {
        let new = id(system, &["user_id", "new_user_id", "current_user_id"]);
        let given = id(system, &["previous_user_id", "old_user_id"])
            .or_else(|| id(message, &["from_user_id"]));
        let (named_old, named_new) = changed_in_text(system).unzip();
        let new = new.or(named_new);
        let old = given.filter(|old| Some(old) != new.as_ref()).or(named_old);
        if let Some((old, new)) = old.zip(new.clone()) {
            link_change(old, new, at, links);
        }
        let phone = id(message, &["from"]).or_else(|| id(system, &["wa_id"]));
        let parent = id(system, &["parent_user_id"]);
        let all: Vec<String> = phone.into_iter().chain(new).chain(parent).collect();
        link_all(&all, at, links);
    }
}

/// The old and the new id in `User Ada changed from GB.1 to GB.2`: the last two, since the name is
/// the customer's choice and may look like an id.
fn changed_in_text(system: &Value) -> Option<(String, String)> {
    let body = first_text(system, &["body"])?;
    let mut named = body
        .split_whitespace()
        .rev()
        .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|word| is_user_id(word))
        .filter_map(parse_id);
    let new = named.next()?;
    Some((named.next()?, new))
}

/// An entry of `user_id_update`: `{wa_id, user_id: {previous, current}, parent_user_id: {…}}`.
fn collect_id_update(update: &Value, at: Option<ReportedTime>, links: &mut Vec<CustomerIdLink>) {
    let mut current: Vec<String> = ids_of(update, &["wa_id"]);
    for name in ["user_id", "parent_user_id"] {
        let value = update.member(name).unwrap_or(&Value::Null);
        let id = |which: &str| first_text(value, &[which]).and_then(|text| parse_id(&text));
        if let Some((old, new)) = id("previous").zip(id("current")) {
            link_change(old, new, at, links);
        }
        current.extend(id("current"));
    }
    link_all(&current, at, links);
}

fn link_change(
    old: String,
    new: String,
    at: Option<ReportedTime>,
    links: &mut Vec<CustomerIdLink>,
) {
    if old != new && links.len() < LINKS_LIMIT {
        links.push(CustomerIdLink {
            identity: old,
            other: new,
            kind: LinkKind::Changed,
            occurred_at: at,
        });
    }
}

/// Links every pair of these ids.
fn link_all(ids: &[String], at: Option<ReportedTime>, links: &mut Vec<CustomerIdLink>) {
    for (index, one) in ids.iter().enumerate() {
        for other in &ids[index + 1..] {
            if one == other || links.len() >= LINKS_LIMIT {
                continue;
            }
            links.push(CustomerIdLink {
                identity: one.min(other).clone(),
                other: one.max(other).clone(),
                kind: LinkKind::Same,
                occurred_at: at,
            });
        }
    }
}

fn ids_of(object: &Value, names: &[&str]) -> Vec<String> {
    let texts = names.iter().filter_map(|name| first_text(object, &[name]));
    texts.filter_map(|text| parse_id(&text)).collect()
}

/// The digits of a phone number, or a user id in capitals.
fn parse_id(text: &str) -> Option<String> {
    let text = parse_recipient(text)?;
    parse_user_id(&text).or_else(|| phone::are_digits(&text).then(|| canonical_spelling(&text)))
}
