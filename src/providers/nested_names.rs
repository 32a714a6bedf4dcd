//! Form fields whose names describe nested objects and lists, as PHP reads them: `statuses[0][id]`.

use serde_json::{Map, Value};

use crate::providers::json_in_text::list_or_object;
use crate::providers::repeated_names::add_member;

/// Maximum number of bracketed parts into which a name is split. The rest stays in the last part.
const PATH_LIMIT: usize = 12;
/// The empty part of a path, as in `a[]`: the value is appended.
const NEXT_ELEMENT: &str = "";

/// Splits a name into its path: `statuses[0][id]` has three parts. A name that is not nested is its
/// own path.
pub(super) fn split_path(name: &str) -> Vec<&str> {
    let parts = name.strip_suffix(']').and_then(|name| name.split_once('['));
    match parts {
        Some((first, rest)) if !first.is_empty() => std::iter::once(first)
            .chain(rest.splitn(PATH_LIMIT, "]["))
            .collect(),
        _ => vec![name],
    }
}

/// Stores a value at a path and creates the objects around it. Different values of a repeated path
/// become a list.
pub(super) fn insert(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let name = match *first {
        NEXT_ELEMENT => next_number(object).to_string(),
        name => name.to_owned(),
    };
    if rest.is_empty() {
        add_member(object, name, value);
        return;
    }
    let inner = object
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        insert(inner, rest, value);
    }
}

/// A number that is not yet the name of a member. The steps double, so that an object with many
/// consecutive numbers is not searched one by one for each new element.
fn next_number(object: &Map<String, Value>) -> usize {
    let mut number = object.len();
    let mut step = 1;
    while object.contains_key(&number.to_string()) {
        number += step;
        step *= 2;
    }
    number
}

/// Turns objects whose names are numbers into lists, at every level.
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
