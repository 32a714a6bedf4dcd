//! Reads JSON within the limits of a callback. Of a long text, only the beginning is kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::providers::reading_budget::{ReadingBudget, ReadingLimit, cut};

/// Tolerates a comma before a closing bracket, as in hand-written callback templates. The error is
/// a reason without personal data.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let error = match read(text) {
        Ok(value) => return Ok(value),
        Err(JsonError::Limit(limit)) => return Err(limit.into()),
        Err(JsonError::Syntax(error)) => error,
    };
    read(&without_trailing_commas(text)).map_err(|second| match second {
        JsonError::Limit(limit) => limit.into(),
        JsonError::Syntax(_) => {
            let what = if error.is_eof() {
                "it ends too early"
            } else {
                "it goes wrong"
            };
            format!(
                "not JSON: {what} at line {}, column {}",
                error.line(),
                error.column()
            )
        }
    })
}

enum JsonError {
    Limit(ReadingLimit),
    Syntax(serde_json::Error),
}

fn read(text: &str) -> Result<Value, JsonError> {
    let budget = ReadingBudget::default();
    let outermost = BoundedValue {
        budget: &budget,
        depth: 0,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    outermost
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            budget
                .exceeded()
                .map_or(JsonError::Syntax(error), JsonError::Limit)
        })
}

/// Reads one value, as [`Value`]'s own implementation does, but counts it first.
#[derive(Clone, Copy)]
struct BoundedValue<'b> {
    budget: &'b ReadingBudget,
    depth: usize,
}

impl BoundedValue<'_> {
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

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(cut(value).to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key_seed(BoundedName)? {
            if object.is_empty() {
                // An object with members takes as much memory as two values.
                self.budget.count_value().map_err(A::Error::custom)?;
            }
            object.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

/// Reads the name of a member.
struct BoundedName;

impl<'de> DeserializeSeed<'de> for BoundedName {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for BoundedName {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<String, E> {
        Ok(cut(name).to_owned())
    }
}

fn without_trailing_commas(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        let closes_next = || text[at + 1..].trim_start().starts_with(['}', ']']);
        if !quoted && c == ',' && closes_next() {
            continue;
        }
        kept.push(c);
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::providers::reading_budget::TEXT_LIMIT;

    #[test]
    fn trailing_commas_are_dropped_only_outside_of_texts() {
        assert_eq!(
            parse("{\"a\": \"x,]\\\",}\", \"b\": [1, 2, ],\n}").unwrap(),
            json!({"a": "x,]\",}", "b": [1, 2]})
        );
        assert!(parse("{\"a\" 1}").is_err());
        let cut = parse("{\"a\": ").unwrap_err();
        assert!(cut.starts_with("not JSON: it ends too early"), "{cut}");
    }

    #[test]
    fn reading_ends_at_the_limits() {
        let wide = |elements: usize| format!("[{}[]]", "[],".repeat(elements - 1));
        assert!(parse(&wide(199_999)).is_ok());
        let objects = format!("[{}1]", r#"{"a":1},"#.repeat(70_000));
        for text in [wide(200_000), objects] {
            assert_eq!(
                parse(&text).unwrap_err(),
                "it has more than 200000 values (too_many_values)"
            );
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(64)).is_ok());
        assert_eq!(
            parse(&deep(65)).unwrap_err(),
            "it is nested deeper than 64 levels"
        );
        // A limit is the reason although the text is no JSON beyond it.
        assert!(
            parse(&"[".repeat(1_000_000))
                .unwrap_err()
                .contains("deeper")
        );
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept() {
        let long = "ä".repeat(TEXT_LIMIT);
        let parsed = parse(&json!({ "id": "x", "text": long, &long: 1 }).to_string()).unwrap();
        let kept = "ä".repeat(TEXT_LIMIT / 2);
        assert_eq!(parsed, json!({ "id": "x", "text": kept, &kept: 1 }));
    }

    proptest! {
        #[test]
        fn what_is_within_the_limits_is_read_as_serde_json_reads_it(
            text in r#"(\{"a":|[\[{]|[\]}]|"[a-z\\"]{0,3}"|:|,|-?[0-9]{1,3}|1e400|0\.5|null|true| ){0,24}"#
        ) {
            let expected: Option<Value> = serde_json::from_str(&text).ok();
            let parsed = read(&text).ok();
            prop_assert_eq!(parsed, expected);
        }
    }
}
