//! Objects in which a name is repeated: two reports may have been written into one object. Which of
//! two values belongs to the other fields is unknown, so no value may replace another, and an object
//! with two ids is about neither message.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::providers::payload::parse_text;
use crate::providers::placeholder_id::is_id_name;

/// Adds a member. Different values of a repeated name become one list: several elements where a list
/// is expected, and no value where one text is expected. An absent value repeats nothing. Returns
/// whether a message id has two values.
pub(super) fn add_member(object: &mut Map<String, Value>, name: String, value: Value) -> bool {
    let (is_id, earlier) = match object.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(value);
            return false;
        }
        Entry::Occupied(entry) => (is_id_name(entry.key()), entry.into_mut()),
    };
    if is_absent(&value) || *earlier == value {
        return false;
    }
    if is_absent(earlier) {
        *earlier = value;
        return false;
    }
    let mut list = into_list(earlier.take());
    list.extend(into_list(value));
    *earlier = Value::Array(list);
    is_id
}

/// Keeps only the lists and objects of an object in which a message id has two values.
pub(super) fn drop_unclear(object: &mut Map<String, Value>) {
    object.retain(|_, value| value.is_array() || value.is_object());
}

fn is_absent(value: &Value) -> bool {
    value.is_null() || (value.is_string() && parse_text(value).is_none())
}

fn into_list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        single => vec![single],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_of_a_repeated_name_replaces_another() {
        for (values, expected) in [
            (
                vec![json!("A"), json!(null), json!("A"), json!(" ")],
                json!("A"),
            ),
            (vec![json!(null), json!(""), json!("A")], json!("A")),
            (vec![json!("A"), json!("B")], json!(["A", "B"])),
            (
                vec![json!([{"a": 1}]), json!([{"a": 2}])],
                json!([{"a": 1}, {"a": 2}]),
            ),
            (
                vec![json!({"a": 1}), json!([{"a": 2}])],
                json!([{"a": 1}, {"a": 2}]),
            ),
            (
                vec![json!({"a": 1}), json!({"a": 2})],
                json!([{"a": 1}, {"a": 2}]),
            ),
        ] {
            let mut object = Map::new();
            for value in values {
                add_member(&mut object, "x".to_owned(), value);
            }
            assert_eq!(Value::Object(object), json!({ "x": expected }));
        }
    }

    #[test]
    fn an_object_with_two_ids_has_no_status() {
        let mut object = Map::new();
        let mut is_unclear = false;
        for (name, value) in [
            ("message_id", "A"),
            ("status", "failed"),
            ("id", "x"),
            ("message_id", "B"),
        ] {
            is_unclear |= add_member(&mut object, name.to_owned(), Value::from(value));
        }
        assert!(is_unclear);
        drop_unclear(&mut object);
        assert_eq!(Value::Object(object), json!({"message_id": ["A", "B"]}));
    }

    #[test]
    fn an_id_in_an_object_is_a_second_id_whatever_the_order() {
        let (text, typed) = (json!("A"), json!({"$oid": "B"}));
        for values in [[&text, &typed], [&typed, &text]] {
            let mut object = Map::new();
            let added = values.map(|value| add_member(&mut object, "id".to_owned(), value.clone()));
            assert_eq!(added, [false, true]);
        }
    }
}
