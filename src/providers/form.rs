//! Reads form fields, and lines of `name: value`, as one JSON object within the limits of a
//! callback.

use serde_json::{Map, Value};

use crate::providers::payload::text;
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit, TEXT_LIMIT, cut};

/// Bytes of a pair as sent: a name and a value of which every byte is encoded in three.
const PAIR_LIMIT: usize = 2 * 3 * TEXT_LIMIT;

/// `name=value&…`, of a body or a query string.
pub(super) fn parse(encoded: &[u8]) -> Result<Map<String, Value>, ReadingLimit> {
    let budget = ReadingBudget::default();
    let mut fields = Map::new();
    for pair in encoded.split(|byte| *byte == b'&') {
        let pair = pair.get(..PAIR_LIMIT).unwrap_or(pair);
        for (name, value) in form_urlencoded::parse(pair) {
            budget.count_value()?;
            add_field(&mut fields, &name, &value);
        }
    }
    Ok(fields)
}

/// Plain text of a callback profile: lines of `name: value` or `name=value`.
pub(super) fn parse_lines(text: &str) -> Result<Map<String, Value>, ReadingLimit> {
    let budget = ReadingBudget::default();
    let mut fields = Map::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once([':', '='])) {
        budget.count_value()?;
        add_field(&mut fields, name.trim(), value.trim());
    }
    Ok(fields)
}

/// Of a repeated name, the first value that is not empty stays.
fn add_field(fields: &mut Map<String, Value>, name: &str, value: &str) {
    let name = cut(name);
    let has_value = fields.get(name).and_then(text).is_some();
    if !has_value {
        fields.insert(name.to_owned(), Value::from(cut(value)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_value_that_is_not_empty_stays() {
        let fields = parse(b"id=&status=sent&id=a%2Bb+c&&status=read").unwrap();
        assert_eq!(
            Value::from(fields),
            json!({"id": "a+b c", "status": "sent"})
        );
        let fields = parse_lines("id: x=1\n\nno value\nstatus=sent").unwrap();
        assert_eq!(Value::from(fields), json!({"id": "x=1", "status": "sent"}));
    }

    #[test]
    fn reading_ends_at_the_limit_and_long_values_are_cut() {
        let fields = "a=&".repeat(200_001);
        assert_eq!(parse(fields.as_bytes()), Err(ReadingLimit::TooManyValues));
        let lines = "a:\n".repeat(200_001);
        assert_eq!(parse_lines(&lines), Err(ReadingLimit::TooManyValues));
        let long = format!("text={}&status=sent", "%C3%A4".repeat(100_000));
        let fields = parse(long.as_bytes()).unwrap();
        assert_eq!(fields["text"], "ä".repeat(TEXT_LIMIT / 2));
        assert_eq!(fields["status"], "sent");
    }
}
