//! The parts of a callback's body that concern one customer: a batch also reports on others, whose
//! data an export must not contain.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::operating::erasure::identity_matcher::IdentityMatcher;

/// What an export contains of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PersonBody {
    /// As received.
    Whole,
    /// Without the parts about others.
    Parts(Vec<Value>),
    /// Left out: it may be about others, and cannot be separated into parts.
    Omitted,
}

/// Selects the parts of a body that name the customer, by an id of the customer or of a message.
pub(super) struct PersonPartSelector<'a> {
    pub(super) matcher: &'a IdentityMatcher,
    /// Ids of messages to the customer.
    pub(super) message_ids: &'a BTreeSet<String>,
}

impl PersonPartSelector<'_> {
    /// `documents` are the JSON documents of the body; `None` if it cannot be parsed. Keeps only
    /// those elements of a list that name the customer.
    pub(super) fn select(&self, documents: Option<Vec<Value>>) -> PersonBody {
        let Some(documents) = documents else {
            return PersonBody::Omitted;
        };
        let mut is_whole = true;
        let is_named = documents
            .iter()
            .any(|document| self.names_customer(document));
        if !is_named {
            // It was posted to the report URL of a message, or ids of the message were forgotten.
            return match documents.as_slice() {
                [] => PersonBody::Whole,
                [document] if !contains_batch(document) => PersonBody::Whole,
                _ => PersonBody::Omitted,
            };
        }
        let mut kept = Vec::new();
        for document in documents {
            if self.names_customer(&document) {
                kept.push(self.keep(document, &mut is_whole));
            } else {
                is_whole = false;
            }
        }
        if is_whole {
            PersonBody::Whole
        } else {
            PersonBody::Parts(kept)
        }
    }

    fn keep(&self, value: Value, is_whole: &mut bool) -> Value {
        match value {
            Value::Array(elements) if elements.iter().any(is_compound) => {
                let mut kept = Vec::new();
                for element in elements {
                    if self.names_customer(&element) {
                        kept.push(self.keep(element, is_whole));
                    } else {
                        *is_whole = false;
                    }
                }
                Value::Array(kept)
            }
            Value::Object(fields) if is_list(&fields) => {
                let mut kept = Map::new();
                for (name, element) in fields {
                    if self.names_customer(&element) {
                        kept.insert(name, self.keep(element, is_whole));
                    } else {
                        *is_whole = false;
                    }
                }
                Value::Object(kept)
            }
            // A part about the customer is kept with its own lists, such as errors.
            Value::Object(fields) if fields.values().any(|field| self.is_named_in_list(field)) => {
                let fields = fields.into_iter();
                fields
                    .map(|(name, field)| (name, self.keep(field, is_whole)))
                    .collect()
            }
            other => other,
        }
    }

    fn is_named_in_list(&self, value: &Value) -> bool {
        match value {
            Value::Array(elements) => elements
                .iter()
                .any(|element| is_compound(element) && self.names_customer(element)),
            Value::Object(fields) if is_list(fields) => {
                fields.values().any(|element| self.names_customer(element))
            }
            Value::Object(fields) => fields.values().any(|field| self.is_named_in_list(field)),
            _ => false,
        }
    }

    fn names_customer(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                self.message_ids.contains(text) || self.matcher.matches(text.as_bytes())
            }
            Value::Number(number) => {
                let text = number.to_string();
                self.message_ids.contains(&text) || self.matcher.matches(text.as_bytes())
            }
            Value::Array(elements) => elements.iter().any(|element| self.names_customer(element)),
            Value::Object(fields) => fields.iter().any(|(name, field)| {
                self.matcher.matches(name.as_bytes()) || self.names_customer(field)
            }),
            Value::Null | Value::Bool(_) => false,
        }
    }
}

fn is_compound(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Whether an object is a list: some senders write `{"0": …, "1": …}`.
fn is_list(fields: &Map<String, Value>) -> bool {
    let is_number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    !fields.is_empty() && fields.keys().all(is_number) && fields.values().all(is_compound)
}

/// Whether a document may report on more than one message.
fn contains_batch(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.len() > 1 || elements.iter().any(contains_batch),
        Value::Object(fields) => {
            (is_list(fields) && fields.len() > 1) || fields.values().any(contains_batch)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operating::erasure::identities::Identities;

    fn select(documents: Option<Vec<Value>>) -> PersonBody {
        let identities = Identities {
            all: BTreeSet::from(["447700900123".to_owned()]),
            former_numbers: 0,
        };
        PersonPartSelector {
            matcher: &IdentityMatcher::new(&identities),
            message_ids: &BTreeSet::from(["opaque-1".to_owned()]),
        }
        .select(documents)
    }

    #[test]
    fn a_body_about_one_customer_is_kept_as_received() {
        for body in [
            json!({ "id": "opaque-1", "status": "failed", "errors": [{ "code": 1 }, { "code": 2 }] }),
            json!({ "entry": [{ "id": "1", "changes": [{ "value": {
                "metadata": { "phone_number_id": "1" },
                "statuses": [{ "recipient_id": "447700900123", "errors": [{ "code": 1 }] }] } }] }] }),
            json!({ "number": 447_700_900_123_u64, "tags": ["a", "b"] }),
            json!({ "to": { "phone": "+44 7700 900123" }, "errors": [{ "code": 1 }] }),
            // Posted to a report URL.
            json!({ "status": "read" }),
        ] {
            assert_eq!(
                select(Some(vec![body.clone()])),
                PersonBody::Whole,
                "{body}"
            );
        }
        assert_eq!(select(Some(Vec::new())), PersonBody::Whole);
    }

    #[test]
    fn a_batch_is_reduced_to_the_parts_about_the_customer() {
        let own = json!({ "id": "opaque-1", "errors": [{ "code": 1 }] });
        let other = json!({ "id": "opaque-2", "to": "447700900124" });
        for (body, kept) in [
            (json!([own, other]), json!([own])),
            (json!({ "0": other, "1": own }), json!({ "1": own })),
            (
                json!({ "account": "1", "contacts": [{ "name": "Ada", "wa_id": "447700900124" }], "statuses": [other, own] }),
                json!({ "account": "1", "contacts": [], "statuses": [own] }),
            ),
            (
                json!({ "entry": [{ "changes": [{ "statuses": [other] }] }, { "changes": [{ "statuses": [own] }] }] }),
                json!({ "entry": [{ "changes": [{ "statuses": [own] }] }] }),
            ),
        ] {
            assert_eq!(select(Some(vec![body])), PersonBody::Parts(vec![kept]));
        }
        let lines = Some(vec![other, own.clone()]);
        assert_eq!(select(lines), PersonBody::Parts(vec![own]));
    }

    #[test]
    fn a_body_that_cannot_be_separated_into_parts_is_omitted() {
        assert_eq!(select(None), PersonBody::Omitted);
        let batch = json!([{ "id": "a" }, { "id": "b" }]);
        assert_eq!(select(Some(vec![batch])), PersonBody::Omitted);
    }
}
