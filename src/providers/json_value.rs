//! Reads one JSON value within the limits of a callback. Keeps only the beginning of a long text.
//! JSON inside a text is read, once, where an object or a list is expected.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::providers::bounded_name::BoundedName;
use crate::providers::json_in_text::{begins_json, list_or_object, may_hold_json};
use crate::providers::json_repair::repair;
use crate::providers::json_requote::{is_misquoted, requote};
use crate::providers::json_separator::separator_length;
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit, cut};
use crate::providers::repeated_names::{add_member, drop_unclear};

/// Reads the object or list that a field's text contains; `None` if it contains none, even repaired.
pub(super) fn read_json_text(
    text: &str,
    budget: &ReadingBudget,
) -> Result<Option<Value>, ReadingLimit> {
    let field = BoundedValue {
        name: Some(""),
        ..BoundedValue::outermost(budget)
    };
    field.read_repaired(text)
}

/// Reads an object or list from inside of a document, where a customer's text may be; `None` if it is
/// no valid JSON.
pub(super) fn read_fragment(
    text: &str,
    budget: &ReadingBudget,
) -> Result<Option<Value>, ReadingLimit> {
    const DEPTH: usize = 4;
    let counted = budget.counted();
    let fragment = BoundedValue {
        name: Some(""),
        depth: DEPTH,
        ..BoundedValue::outermost(budget)
    };
    let value = fragment.read(text)?;
    if value.is_none() {
        budget.forget_since(counted);
    }
    Ok(value)
}

/// What follows the last value that could be read, from the beginning of the next one.
#[derive(Debug)]
pub(super) struct Unparsed<'t> {
    pub(super) text: &'t str,
    pub(super) error: serde_json::Error,
}

/// Reads one or more consecutive values. Those before an error are complete. Whatever separates two
/// objects or lists is skipped.
pub(super) fn read_sequence<'t>(
    text: &'t str,
    budget: &ReadingBudget,
) -> (Vec<Value>, Option<Unparsed<'t>>) {
    let outermost = BoundedValue::outermost(budget);
    let counted = budget.counted();
    let mut reader = serde_json::Deserializer::from_str(text);
    match outermost.deserialize(&mut reader) {
        Ok(value) if reader.end().is_ok() => return (vec![value], None),
        Ok(_) => budget.forget_since(counted),
        Err(error) => {
            budget.forget_since(counted);
            return (Vec::new(), Some(Unparsed { text, error }));
        }
    }
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let counted = budget.counted();
        let separator = match values.last() {
            Some(Value::Object(_) | Value::Array(_)) => separator_length(rest).unwrap_or(0),
            _ => 0,
        };
        let next = &rest[separator..];
        let mut first = outermost.read_first(next);
        // The quote may begin a text with brackets.
        if first.is_err()
            && rest[..separator].contains('"')
            && let Ok(text) = outermost.read_first(rest)
        {
            first = Ok(text);
        }
        match first {
            Ok(None) => return (values, None),
            Ok(Some((value, after))) => {
                values.push(value);
                rest = after;
            }
            Err(error) => {
                budget.forget_since(counted);
                return (values, Some(Unparsed { text: next, error }));
            }
        }
    }
}

/// Reads one value, as [`Value`]'s own implementation does, but counts it first.
#[derive(Clone, Copy)]
struct BoundedValue<'b> {
    budget: &'b ReadingBudget,
    depth: usize,
    /// Name of the member whose value this is, or of the list around it; absent for the document.
    name: Option<&'b str>,
    nested_json: NestedJson,
}

/// Whether texts that contain JSON are parsed. Texts inside such JSON are not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NestedJson {
    Read,
    KeptAsText,
}

impl<'b> BoundedValue<'b> {
    fn outermost(budget: &'b ReadingBudget) -> Self {
        Self {
            budget,
            depth: 0,
            name: None,
            nested_json: NestedJson::Read,
        }
    }

    /// The object or list that a text contains.
    #[cold]
    fn read_json_text<E: Error>(self, text: &str) -> Result<Option<Value>, E> {
        // A document that is one quoted text: the texts in it may still contain JSON.
        let nested_json = match self.name {
            None => NestedJson::Read,
            Some(_) => NestedJson::KeptAsText,
        };
        let seed = Self {
            name: Some(""),
            nested_json,
            ..self
        };
        seed.read_repaired(text).map_err(E::custom)
    }

    /// Reads a text that is one value, after a repair if necessary.
    fn read_repaired(self, text: &str) -> Result<Option<Value>, ReadingLimit> {
        let counted = self.budget.counted();
        if let Some(value) = self.read(text)? {
            return Ok(Some(value));
        }
        self.budget.forget_since(counted);
        // A repair would keep quotes that JSON does not have as a part of the names.
        let repaired = repair(text).ok().filter(|_| !is_misquoted(text));
        let mut value = repaired.map_or(Ok(None), |repaired| self.read(&repaired))?;
        if value.is_none()
            && let Some(requoted) = requote(text)
            && let Ok(repaired) = repair(&requoted)
        {
            self.budget.forget_since(counted);
            value = self.read(&repaired)?;
        }
        if value.is_none() {
            self.budget.forget_since(counted);
        }
        Ok(value)
    }

    /// The first value of a text and what follows it; `None` if there is only white space.
    fn read_first(self, text: &str) -> serde_json::Result<Option<(Value, &str)>> {
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let Some(raw) = documents.next() else {
            return Ok(None);
        };
        let mut reader = serde_json::Deserializer::from_str(raw?.get());
        let value = self.deserialize(&mut reader)?;
        Ok(Some((value, &text[documents.byte_offset()..])))
    }

    fn read(self, text: &str) -> Result<Option<Value>, ReadingLimit> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = self.deserialize(&mut reader);
        match read.and_then(|value| reader.end().map(|()| value)) {
            Ok(value) => Ok(Some(value)),
            // Brackets in a text that is not JSON may be nested without limit.
            Err(_) if self.budget.forget_depth() => Ok(None),
            Err(_) => self.budget.exceeded().map_or(Ok(None), Err),
        }
    }

    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        self.budget.check_depth(depth).map_err(E::custom)?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for BoundedValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.count_value().map_err(D::Error::custom)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BoundedValue<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        if self.nested_json == NestedJson::Read
            && begins_json(value)
            && self.name.is_none_or(|name| may_hold_json(name, self.depth))
            && let Some(held) = self.read_json_text(value)?
        {
            return Ok(held);
        }
        Ok(Value::String(cut(value).to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        if let [Value::Array(_)] = list.as_slice()
            && let Some(only) = list.pop()
        {
            return Ok(only);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut object = Map::new();
        let mut is_unclear = false;
        while let Some(name) = members.next_key_seed(BoundedName)? {
            if object.is_empty() {
                // An object with members takes as much memory as two values.
                self.budget.count_value().map_err(A::Error::custom)?;
            }
            let member = BoundedValue {
                name: Some(&name),
                ..inner
            };
            let value = members.next_value_seed(member)?;
            is_unclear |= add_member(&mut object, name, value);
        }
        if is_unclear {
            drop_unclear(&mut object);
        }
        Ok(list_or_object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Vec<Value> {
        let (values, error) = read_sequence(text, &ReadingBudget::default());
        assert!(error.is_none(), "{error:?}");
        values
    }

    #[test]
    fn a_text_of_a_customer_is_never_parsed() {
        let forged = json!({ "status": "failed", "message_id": "x" }).to_string();
        for written in [forged, "[".repeat(100), "{".repeat(100)] {
            for document in [
                json!({ "from": "919970123456", "type": "text", "body": written }),
                json!({ "from": "919970123456", "text": { "body": written }, "content": written }),
                json!({ "a": { "b": { "payload": written, "data": written } } }),
            ] {
                assert_eq!(read(&document.to_string()), [document]);
            }
        }
        let deep = json!({ "statuses": "[".repeat(100), "errors": [{ "code": 131_026 }] });
        assert_eq!(read(&deep.to_string()), [deep]);
    }

    #[test]
    fn json_inside_a_text_is_read_once_where_an_object_or_a_list_is_expected() {
        let status = json!({ "id": "x" });
        let held = status.to_string();
        let twice = json!(held).to_string();
        let listed = json!([held]).to_string();
        let outer = json!({ "statuses": held, "text": held, "data": twice, "errors": [held], "payload": "{" });
        assert_eq!(
            read(&outer.to_string()),
            [
                json!({ "statuses": status, "text": held, "data": twice, "errors": [status], "payload": "{" })
            ]
        );
        assert_eq!(read(&listed), [json!([status])]);
        assert_eq!(read(&twice), [status]);
        assert_eq!(read(&json!(listed).to_string()), [json!([held])]);
    }

    proptest! {
        #[test]
        fn json_within_the_limits_is_read_as_serde_json_reads_it(
            text in r#"(\{"a":|[\[{]|[\]}]|"[a-z\\"]{0,3}"|:|,|-?[0-9]{1,3}|1e400|0\.5|null|true| ){0,24}"#
        ) {
            // A repeated name is read otherwise.
            prop_assume!(!text.contains(",\"a\":"));
            let expected: Option<Value> = serde_json::from_str(&text).ok();
            let (values, error) = read_sequence(&text, &ReadingBudget::default());
            let only = <[Value; 1]>::try_from(values).ok().filter(|_| error.is_none());
            prop_assert_eq!(only.map(|[value]| value), expected);
        }
    }
}
