//! Recognises callbacks that only test whether the URL works, posted by consoles or by hand.

use serde_json::Value;

use crate::providers::payload::parse_text;

/// Maximum number of members of a probe.
const MEMBERS_LIMIT: usize = 6;
/// Maximum bytes of a text that says that it is a test.
const TEXT_LIMIT: usize = 60;

const TEST_WORDS: &[&str] = &[
    "test", "tests", "testing", "tested", "ping", "pong", "hello",
];
/// Names of members that a probe may have in addition.
const NEUTRAL_NAMES: &[&str] = &["created_at", "date", "time", "timestamp"];

/// Whether it is a probe: empty, or with members that say that it is a test and no others.
pub(super) fn is_probe(document: &Value) -> bool {
    match document {
        Value::Object(members) if !members.is_empty() => {
            let is_id = |name: &str| name.to_ascii_lowercase().ends_with("id");
            let is_test = |(name, value): (&String, &Value)| match value {
                Value::Array(_) => false,
                Value::Object(members) => !members.is_empty() && is_probe(value),
                scalar => {
                    let words = parse_text(scalar);
                    !is_id(name)
                        && (is_test_text(name) || words.is_some_and(|words| is_test_text(&words)))
                }
            };
            let is_test_event = members.iter().any(|member| {
                matches!(member.0.as_str(), "event" | "event_type" | "type") && is_test(member)
            });
            let is_neutral = |(name, value): (&String, &Value)| {
                is_empty(value)
                    || is_test_event && is_id(name)
                    || NEUTRAL_NAMES.contains(&name.as_str())
            };
            members.len() <= MEMBERS_LIMIT
                && members
                    .iter()
                    .all(|member| is_test(member) || is_neutral(member))
                && members.iter().any(is_test)
        }
        Value::String(text) => text.trim().is_empty() || is_test_text(text),
        other => is_empty(other),
    }
}

pub(super) fn is_empty(document: &Value) -> bool {
    match document {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a short text has a word such as `test`, as in `Webhook test`.
pub(super) fn is_test_text(text: &str) -> bool {
    text.len() <= TEXT_LIMIT
        && text.split(|c: char| !c.is_ascii_alphabetic()).any(|word| {
            TEST_WORDS
                .iter()
                .any(|test| word.eq_ignore_ascii_case(test))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_probe_says_that_it_is_a_test_and_nothing_else() {
        for test in [
            json!({}),
            json!([]),
            json!(null),
            json!(""),
            json!({"test": "yes"}),
            json!({"test": true, "timestamp": 1_763_600_000}),
            json!({"event": "ping"}),
            json!({"message": "This is a test."}),
            json!({"is_test": 1}),
            json!("Webhook test"),
            json!({"event": "test", "data": {}}),
            json!({"event": "webhook_test", "data": {"message": "a test"}}),
            json!({"type": "ping", "timestamp": 1, "id": "evt_1"}),
            json!({"data": {"test": true}}),
        ] {
            assert!(is_probe(&test), "{test}");
        }
        for other in [
            json!({"id": "wamid.1", "status": "delivered"}),
            json!({"id": "test", "status": "delivered"}),
            json!({"messageId": "wamid.test"}),
            json!({"id": "wamid.1", "text": "hello"}),
            json!({"status": "delivered"}),
            json!({"timestamp": "1763600000"}),
            json!({"test": {"id": "wamid.1"}}),
            json!({"entry": []}),
            json!({"name": "contest"}),
            json!([{}]),
            json!(1),
        ] {
            assert!(!is_probe(&other), "{other}");
        }
    }
}
