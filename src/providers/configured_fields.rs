//! Parses callbacks with the operator's own field names (`callback_fields`): flat or nested, one
//! report or many.
//!
//! Other fields have their documented names. Payloads without any of the configured names are left
//! to the provider's own parser.

use serde_json::Value;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::correlation_tag;
use crate::domain::failure::Failure;
use crate::domain::ids::MessageId;
use crate::domain::message::References;
use crate::domain::placeholder::is_not_status_word;
use crate::domain::receipt::Pricing;
use crate::providers::cloud_api::{PRICING_WORD_LIMIT, find_pricing};
use crate::providers::json_member::JsonMember;
use crate::providers::meta_failure::{parse_any_error, parse_failure};
use crate::providers::notice;
use crate::providers::payload::{add_id, first_text, parse_recipient, parse_text};
use crate::providers::protocol::{CallbackPart, PARTS_LIMIT, Report};
use crate::providers::reading_budget::shorten;
use crate::providers::vocabulary::{self, StatusWords, parse_time};

// Default names.
const IDS: &[&str] = &["message_id", "messageId", "id", "wamid"];
const STATUSES: &[&str] = &["status"];
const TIMES: &[&str] = &["timestamp", "time"];
const RECIPIENTS: &[&str] = &["recipient", "recipient_id", "mobile", "to"];

/// Nesting depth; such a callback has two or three levels.
const DEPTH_LIMIT: usize = 16;
/// Objects searched per report, which bounds the cost of a payload with many reports.
const SOURCES_LIMIT: usize = 64;
/// Fields searched for a tag per report.
const TAG_FIELDS_LIMIT: usize = 256;

/// Parses the reports of a payload that uses a configured name; `None` if it uses none.
pub(super) fn parse(
    payload: &Value,
    fields: &CallbackFields,
    status_words: StatusWords,
) -> Option<Vec<CallbackPart>> {
    if is_meta_envelope(payload) {
        return None;
    }
    let parser = ConfiguredFieldsParser {
        fields,
        status_words,
    };
    let mut parts = Vec::new();
    parser.collect(payload, &[], &mut parts);
    (!parts.is_empty()).then_some(parts)
}

/// Whether Meta's object is passed through: a configured name that equals one of its fields must
/// not replace its own parser.
fn is_meta_envelope(payload: &Value) -> bool {
    const ENVELOPE_FIELDS: &[&str] = &["meta_object", "entry", "changes", "statuses", "value"];
    let elements = match payload {
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    elements.iter().any(|element| {
        ENVELOPE_FIELDS.iter().any(|name| {
            element
                .member(name)
                .is_some_and(|value| value.is_object() || value.is_array())
        })
    })
}

struct ConfiguredFieldsParser<'a> {
    fields: &'a CallbackFields,
    status_words: StatusWords,
}

impl ConfiguredFieldsParser<'_> {
    /// Parses an object that has a status, else the objects inside it. `ancestors` has the
    /// enclosing objects, innermost first.
    fn collect(&self, value: &Value, ancestors: &[&Value], parts: &mut Vec<CallbackPart>) {
        if ancestors.len() > DEPTH_LIMIT || parts.len() > PARTS_LIMIT {
            return;
        }
        if let Value::Array(elements) = value {
            self.collect_each(elements, ancestors, parts);
            return;
        }
        let Some(object) = value.as_object() else {
            return;
        };
        let chain: Vec<&Value> = std::iter::once(value)
            .chain(ancestors.iter().copied())
            .collect();
        if let Some(word) = self.find_word(value) {
            let sources = self.list_sources(&chain);
            if self.uses_configured_name(&sources) {
                let report = self.parse_report(&word, &sources);
                let report = notice::as_notice_if_non_delivery(report, &chain, &word);
                parts.push(CallbackPart::Report(report));
            }
            return;
        }
        for inner in object.values() {
            self.collect(inner, &chain, parts);
        }
    }

    /// In a list with at least one report, elements without a report are unparseable.
    fn collect_each(
        &self,
        elements: &[Value],
        ancestors: &[&Value],
        parts: &mut Vec<CallbackPart>,
    ) {
        let mut found = Vec::new();
        let mut has_report = false;
        for element in elements {
            let before = found.len();
            self.collect(element, ancestors, &mut found);
            if found.len() > before {
                has_report = true;
            } else if found.len() <= PARTS_LIMIT {
                let reason = "an element without a status under the configured names";
                found.push(CallbackPart::Unparseable(reason.to_owned()));
            }
        }
        if has_report {
            parts.append(&mut found);
        }
    }

    fn find_word(&self, object: &Value) -> Option<String> {
        first_text(object, &names(self.fields.status.as_ref(), STATUSES))
            .filter(|word| !is_not_status_word(word))
    }

    fn uses_configured_name(&self, sources: &[&Value]) -> bool {
        self.fields
            .by_key()
            .into_iter()
            .filter_map(|(_, name)| name)
            .any(|name| sources.iter().any(|object| object.has_member(name)))
    }

    fn parse_report(&self, word: &str, sources: &[&Value]) -> Report {
        let fields = self.fields;
        let mut ids = Vec::new();
        add_id(&mut ids, find(sources, fields.id.as_ref(), IDS));
        Report {
            ids,
            tag: self.find_tag(sources),
            recipient: find(sources, fields.recipient.as_ref(), RECIPIENTS)
                .and_then(|text| parse_recipient(&text)),
            kind: None,
            event: Some(vocabulary::parse_status_word(
                word,
                self.status_words,
                || self.parse_failure(sources),
            )),
            occurred_at: find(sources, fields.time.as_ref(), TIMES)
                .and_then(|text| parse_time(&text)),
            pricing: self.parse_pricing(sources),
            notice_if_unknown: None,
        }
    }

    /// The last tag in a reference, else a tag in any field.
    fn find_tag(&self, sources: &[&Value]) -> Option<MessageId> {
        let slot =
            |chosen: &Option<String>, defaults: &str| find(sources, chosen.as_ref(), &[defaults]);
        let references = References {
            reference: slot(&self.fields.reference, "ref"),
            reference1: slot(&self.fields.reference1, "ref1"),
            reference2: slot(&self.fields.reference2, "ref2"),
        };
        correlation_tag::find_in_references(&references).or_else(|| {
            sources
                .iter()
                .filter_map(|object| object.as_object())
                .flat_map(serde_json::Map::values)
                .take(TAG_FIELDS_LIMIT)
                .filter_map(parse_text)
                .find_map(|text| correlation_tag::find(&text))
        })
    }

    fn parse_failure(&self, sources: &[&Value]) -> Failure {
        let chosen = self.fields.error.as_deref().and_then(|name| {
            sources
                .iter()
                .find_map(|object| object.member(name))
                .and_then(parse_any_error)
        });
        chosen.unwrap_or_else(|| parse_failure(sources))
    }

    fn parse_pricing(&self, sources: &[&Value]) -> Pricing {
        let mut pricing = find_pricing(sources.iter().copied());
        let chosen = self.fields.price.as_deref().and_then(|name| {
            sources
                .iter()
                .find_map(|object| object.member(name))
                .and_then(number_or_text)
        });
        pricing.price = chosen.or(pricing.price);
        pricing
    }

    /// The objects that may have values of a report: its own, the enclosing ones, and the objects
    /// inside these that are not reports themselves.
    fn list_sources<'v>(&self, chain: &[&'v Value]) -> Vec<&'v Value> {
        let mut found = Vec::new();
        for object in chain {
            self.add_sources(object, &mut found);
        }
        found
    }

    fn add_sources<'v>(&self, object: &'v Value, found: &mut Vec<&'v Value>) {
        if found.len() >= SOURCES_LIMIT {
            return;
        }
        found.push(object);
        for inner in object
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values)
            .take(SOURCES_LIMIT)
        {
            if inner.is_object() && self.find_word(inner).is_none() {
                self.add_sources(inner, found);
            }
        }
    }
}

/// The first text under the configured name, or under the default ones.
fn find(sources: &[&Value], chosen: Option<&String>, defaults: &[&str]) -> Option<String> {
    let names = names(chosen, defaults);
    sources.iter().find_map(|object| first_text(object, &names))
}

fn names<'n>(chosen: Option<&'n String>, defaults: &[&'n str]) -> Vec<&'n str> {
    match chosen {
        Some(name) => vec![name.as_str()],
        None => defaults.to_vec(),
    }
}

fn number_or_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        other => parse_text(other).map(|text| shorten(text, PRICING_WORD_LIMIT)),
    }
}
