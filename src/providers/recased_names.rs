//! Converts documents with names in another case, and values in the notation of `DynamoDB`, to the
//! documented notation. Used only if no name was recognized as written.

use serde_json::{Map, Value};

use crate::providers::repeated_names::{add_member, drop_unclear};

/// What `DynamoDB` had before a change.
const EARLIER: &str = "OldImage";

/// The document in the documented notation; `None` if it is in it already.
pub(super) fn recase(document: &Value) -> Option<Value> {
    let recased = convert(document);
    (recased != *document).then_some(recased)
}

fn convert(value: &Value) -> Value {
    match value {
        Value::Object(object) => match untyped(object) {
            Some(value) => convert(value),
            None => Value::Object(convert_members(object)),
        },
        Value::Array(list) => list.iter().map(convert).collect(),
        scalar => scalar.clone(),
    }
}

/// The value of `{"S": "x"}`, `{"N": "1"}`, `{"M": {…}}` or `{"L": […]}`.
fn untyped(object: &Map<String, Value>) -> Option<&Value> {
    let (name, value) = object.iter().next().filter(|_| object.len() == 1)?;
    let is_of_type = match name.as_str() {
        "S" | "N" => value.is_string(),
        "M" => value.is_object(),
        "L" => value.is_array(),
        "BOOL" => value.is_boolean(),
        _ => false,
    };
    is_of_type.then_some(value)
}

/// Names that begin with a capital get those of both documented notations, `message_id` and
/// `messageId`. A name that is present as documented keeps its value. Two spellings of a name with
/// different values, `Id` and `ID`, are like a repeated name.
fn convert_members(object: &Map<String, Value>) -> Map<String, Value> {
    let mut converted = Map::new();
    let mut spellings = Map::new();
    let mut is_unclear = false;
    let begins_with_capital = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
    let (capital, documented): (Vec<_>, Vec<_>) = object
        .iter()
        .partition(|(name, _)| begins_with_capital(name));
    for (name, value) in documented {
        converted.insert(name.clone(), convert(value));
    }
    for (name, value) in capital.into_iter().filter(|(name, _)| *name != EARLIER) {
        is_unclear |= add_member(&mut spellings, snake_case(name), convert(value));
    }
    for (snake, value) in spellings {
        let camel = camel_case(&snake);
        if camel != snake {
            converted.entry(camel).or_insert_with(|| value.clone());
        }
        converted.entry(snake).or_insert(value);
    }
    if is_unclear {
        drop_unclear(&mut converted);
    }
    converted
}

/// `MessageId`, `MessageID`, `MESSAGE_ID` → `message_id`
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut characters = name.chars().peekable();
    let mut previous = '_';
    while let Some(c) = characters.next() {
        let next_is_small = characters.peek().is_some_and(char::is_ascii_lowercase);
        let follows_word = previous.is_ascii_lowercase() || previous.is_ascii_digit();
        let ends_capitals = previous.is_ascii_uppercase() && next_is_small;
        if c.is_ascii_uppercase() && (follows_word || ends_capitals) {
            snake.push('_');
        }
        snake.push(if c == '-' {
            '_'
        } else {
            c.to_ascii_lowercase()
        });
        previous = c;
    }
    snake
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut camel, word| {
        let mut characters = word.chars();
        camel.extend(characters.next().map(|c| c.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
        camel
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_notations_are_converted() {
        for (document, expected) in [
            (
                json!({"Statuses": [{"Id": "A", "RecipientID": 1}]}),
                json!({"statuses": [{"id": "A", "recipient_id": 1, "recipientId": 1}]}),
            ),
            (
                json!({"MESSAGE_ID": "A", "STATUS": "read", "status": "sent"}),
                json!({"status": "sent", "messageId": "A", "message_id": "A"}),
            ),
            (
                json!({"Id": "A", "ID": "B", "Status": "failed", "Errors": []}),
                json!({"id": ["A", "B"], "errors": []}),
            ),
            (
                json!({"Id": "A", "Status": "read", "STATUS": "failed"}),
                json!({"id": "A", "status": ["read", "failed"]}),
            ),
            (
                json!({"NewImage": {}, "OldImage": {"Id": "A"}}),
                json!({"newImage": {}, "new_image": {}}),
            ),
            (
                json!({"id": {"S": "A"}, "t": {"N": "1"}, "l": {"L": [{"M": {"ok": {"BOOL": true}}}]}}),
                json!({"id": "A", "t": "1", "l": [{"ok": true}]}),
            ),
        ] {
            assert_eq!(recase(&document), Some(expected), "{document}");
        }
        assert_eq!(
            recase(&json!({"id": "A", "S": {"N": 1}})),
            Some(json!({"id": "A", "s": {"n": 1}}))
        );
        assert_eq!(recase(&json!([{"messageId": {"s": "A"}}])), None);
    }
}
