//! Names of form fields that PHP nests: `statuses[0][id]`.

use serde_json::{Map, Value};

use crate::providers::json_in_text::list_or_object;
use crate::providers::payload::parse_text;

/// Bracketed names after the first; the last one keeps the rest as it is.
const PATH_LIMIT: usize = 12;
/// The part of a path that stands for an element behind the last one.
const NEXT_ELEMENT: &str = "";

/// PHP's names of nested values: `statuses[0][id]` has three parts, and an empty one is the next
/// element.
pub(super) fn split_path(name: &str) -> Vec<&str> {
    let parts = name.strip_suffix(']').and_then(|name| name.split_once('['));
    match parts {
        Some((first, rest)) if !first.is_empty() => std::iter::once(first)
            .chain(rest.splitn(PATH_LIMIT, "]["))
            .collect(),
        _ => vec![name],
    }
}

/// Of a repeated path, the first value that is not empty stays.
pub(super) fn insert(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let name = match *first {
        NEXT_ELEMENT => next_number(object).to_string(),
        name => name.to_owned(),
    };
    if rest.is_empty() {
        let stays = |earlier: &Value| parse_text(earlier).is_some() || !earlier.is_string();
        if !object.get(&name).is_some_and(stays) {
            object.insert(name, value);
        }
        return;
    }
    let inner = object
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        insert(inner, rest, value);
    }
}

/// A number that no element has. In steps that double: an object that has many of those that follow
/// its length is not searched one by one for each new element.
fn next_number(object: &Map<String, Value>) -> usize {
    let mut number = object.len();
    let mut step = 1;
    while object.contains_key(&number.to_string()) {
        number += step;
        step *= 2;
    }
    number
}

/// Makes lists of the objects with numbers for names.
pub(super) fn with_lists(value: Value) -> Value {
    match value {
        Value::Object(object) => list_or_object(
            object
                .into_iter()
                .map(|(name, value)| (name, with_lists(value)))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_with_brackets_are_nested() {
        let mut fields = Map::new();
        for (name, value) in [
            ("statuses[0][id]", "x"),
            ("statuses[0][errors][][code]", "1"),
            ("statuses[2][id]", "y"),
            ("a[]", "1"),
            ("a[]", "2"),
            ("d[1]", "x"),
            ("d[]", "y"),
            ("d[]", "z"),
            ("[b]", "3"),
            ("c]", "4"),
        ] {
            insert(&mut fields, &split_path(name), Value::from(value));
        }
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name, with_lists(value)));
        assert_eq!(
            fields.collect::<Value>(),
            json!({
                "statuses": [{"id": "x", "errors": [{"code": "1"}]}, {"id": "y"}],
                "a": ["1", "2"],
                "d": {"1": "x", "2": "y", "3": "z"},
                "[b]": "3",
                "c]": "4"
            })
        );
    }
}
