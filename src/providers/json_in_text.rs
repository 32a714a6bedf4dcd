//! Objects and lists that senders write differently: as a text that contains JSON, or, for a list, as
//! an object whose names are numbers.

use serde_json::{Map, Value};

/// Names of members whose object or list some senders write as a text that contains JSON. None of
/// them names a customer's text, which is never parsed.
const JSON_TEXT_NAMES: &[&str] = &[
    "attributes",
    "changes",
    "contacts",
    "conversation",
    "entry",
    "error",
    "error_data",
    "errors",
    "extra_info",
    "messages",
    "meta_object",
    "pricing",
    "statuses",
    "value",
];
/// Names of members that contain a whole callback as a text that contains JSON. At deeper levels
/// they may name a customer's text.
const OUTER_JSON_TEXT_NAMES: &[&str] =
    &["data", "event", "json", "notification", "payload", "result"];
/// The deepest level at which these names count: `[{"payload": "…"}]` has two.
const OUTER_DEPTH: usize = 2;
/// Maximum bytes of a text that is read as JSON. It is in memory together with the callback's text.
pub(super) const JSON_TEXT_LIMIT: usize = 8 * 1024 * 1024;

/// Whether a text under this name is read as JSON if it begins like an object or a list. `depth` is
/// 1 in the outermost object.
pub(super) fn may_hold_json(name: &str, depth: usize) -> bool {
    JSON_TEXT_NAMES.contains(&name)
        || (depth <= OUTER_DEPTH && OUTER_JSON_TEXT_NAMES.contains(&name))
}

pub(super) fn begins_json(text: &str) -> bool {
    text.len() <= JSON_TEXT_LIMIT && text.trim_ascii_start().starts_with(['{', '['])
}

/// Turns an object whose names are numbers into a list: PHP writes a list with gaps that way, and
/// JavaScript adds the length. A gap may also be a null.
pub(super) fn list_or_object(object: Map<String, Value>) -> Value {
    const DIGITS: usize = 5;
    let is_number = |name: &String| {
        (1..=DIGITS).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_element = |value: &Value| value.is_object() || value.is_array();
    let is_gap = |value: &Value| value.is_null();
    let counts_up = || {
        let numbers = (0..).map(|number: usize| number.to_string());
        object
            .keys()
            .zip(numbers)
            .all(|(name, number)| *name == number)
    };
    let is_part = |(name, value): (&String, &Value)| {
        (is_number(name) && (is_element(value) || is_gap(value)))
            || (name == "length" && value.is_number())
    };
    if object.values().any(is_element) && object.iter().all(is_part) {
        let elements = object.into_iter().map(|(_, value)| value);
        return Value::Array(elements.filter(is_element).collect());
    }
    if !object.is_empty() && counts_up() {
        return Value::Array(object.into_iter().map(|(_, value)| value).collect());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_whose_names_are_numbers_becomes_a_list() {
        for (object, expected) in [
            (
                json!({"0": {"a": 1}, "2": {"a": 2}}),
                json!([{"a": 1}, {"a": 2}]),
            ),
            (
                json!({"0": {"a": 1}, "1": null, "3": {"a": 2}, "length": 4}),
                json!([{"a": 1}, {"a": 2}]),
            ),
            (
                json!({"0": {"a": 1}, "length": {"a": 2}}),
                json!({"0": {"a": 1}, "length": {"a": 2}}),
            ),
            (json!({"0": "x", "1": "y"}), json!(["x", "y"])),
            (json!({"3": "x"}), json!({"3": "x"})),
            (json!({"131026": {"a": 1}}), json!({"131026": {"a": 1}})),
            (json!({"0": {}, "a": {}}), json!({"0": {}, "a": {}})),
            (json!({}), json!({})),
        ] {
            let Value::Object(object) = object else {
                unreachable!("an object");
            };
            assert_eq!(list_or_object(object), expected);
        }
    }
}
