//! Reads form fields, and lines of `name: value`, as one JSON object, within the limits of a
//! callback.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::providers::json::Document;
use crate::providers::json_in_text::{begins_json, may_hold_json};
use crate::providers::json_value::read_json_text;
use crate::providers::mixed_forms::IdentifyingFields;
use crate::providers::nested_names::{insert, split_path, with_lists};
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit, TEXT_LIMIT, cut};

/// Maximum bytes of an encoded pair: a name and a value with every byte percent-encoded.
const PAIR_LIMIT: usize = 2 * 3 * TEXT_LIMIT;
/// The name under which JSON is stored if it is the only field.
const ONLY_FIELD: &str = "payload";

/// The fields of a form. Different values of a repeated name become a list.
pub(super) struct FormFields<'b> {
    budget: &'b ReadingBudget,
    fields: Map<String, Value>,
    identifying: IdentifyingFields,
    has_paths: bool,
    /// The first text that begins like JSON where JSON may be, and is not one value.
    unparsed: Option<String>,
}

/// `name=value&…`, of a body or a query string.
pub(super) fn parse<'b>(
    encoded: &str,
    budget: &'b ReadingBudget,
) -> Result<FormFields<'b>, ReadingLimit> {
    let mut form = FormFields::new(budget);
    let is_only = !encoded.contains('&');
    let mut next = Some(encoded.trim_start_matches('?'));
    while let Some(rest) = next {
        // The rest of an `&amp;` from HTML.
        let rest = rest.strip_prefix("amp;").unwrap_or(rest);
        if let Some((name, value)) = split_raw_json(rest, is_only) {
            next = form.add_raw_json(name, value, is_only)?;
            continue;
        }
        let (pair, after) = match rest.split_once('&') {
            Some((pair, after)) => (pair, Some(after)),
            None => (rest, None),
        };
        next = after;
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let pair = match pair.as_bytes().get(..PAIR_LIMIT) {
            Some(start) if !begins_encoded_json(name) && !begins_encoded_json(value) => start,
            _ => pair.as_bytes(),
        };
        for (name, value) in form_urlencoded::parse(pair) {
            // A JSON body that is sent as a form is decoded as a name.
            if is_only && value.is_empty() && form.add_json(ONLY_FIELD, &name)? {
                break;
            }
            if is_only {
                form.add_only(&name, &value)?;
            } else {
                form.add(&name, &value)?;
            }
        }
    }
    Ok(form)
}

/// The name of the next field and all that follows it, if that begins with JSON which was not
/// percent-encoded: an `&`, `+` or `%` inside belongs to it.
fn split_raw_json(rest: &str, is_only: bool) -> Option<(&str, &str)> {
    let (name, value) = rest.split_at(rest.find(['=', '&'])?);
    let value = value.strip_prefix('=')?;
    if !begins_json(value) || !(is_only || may_hold_json(name, 1)) {
        return None;
    }
    let first = &value[value.find(['"', '\'', '%', '&', '='])?..];
    let quotes = ["\"", "'", "&quot;", "&apos;", "&#"];
    let is_raw = quotes.iter().any(|quote| first.starts_with(quote));
    is_raw.then_some((name, value))
}

/// Plain text of a callback profile: lines of `name: value` or `name=value`.
pub(super) fn parse_lines<'b>(
    text: &str,
    budget: &'b ReadingBudget,
) -> Result<FormFields<'b>, ReadingLimit> {
    let mut form = FormFields::new(budget);
    for (name, value) in text.lines().filter_map(|line| line.split_once([':', '='])) {
        form.add(name.trim(), value.trim())?;
    }
    Ok(form)
}

/// Encoded once or twice.
const ENCODED_BRACKETS: &[&str] = &[
    "%7B", "%7b", "%5B", "%5b", "%257B", "%257b", "%255B", "%255b", "{", "[",
];

/// Decodes JSON whose encoded form was encoded again.
fn decode_twice(text: &str) -> Option<String> {
    let is_encoded = text.starts_with('%') && begins_encoded_json(text);
    let (name, _) = form_urlencoded::parse(text.as_bytes())
        .next()
        .filter(|_| is_encoded)?;
    Some(name.into_owned())
}

fn begins_encoded_json(text: &str) -> bool {
    let start = text.trim_start_matches('+').trim_start_matches("%20");
    begins_json(text)
        || ENCODED_BRACKETS
            .iter()
            .any(|bracket| start.starts_with(bracket))
}

impl<'b> FormFields<'b> {
    pub(super) fn new(budget: &'b ReadingBudget) -> Self {
        Self {
            budget,
            fields: Map::new(),
            identifying: IdentifyingFields::default(),
            has_paths: false,
            unparsed: None,
        }
    }

    /// Adds a decoded field.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), ReadingLimit> {
        let path = split_path(cut(name));
        let may_hold_json = path
            .last()
            .is_some_and(|name| may_hold_json(name, path.len()));
        for _ in &path {
            self.budget.count_value()?;
        }
        self.has_paths |= path.len() > 1;
        if path.len() == 1 {
            self.identifying.add(path[0], value);
        }
        let held = if may_hold_json && begins_json(value) {
            self.read_json(value)?
        } else {
            None
        };
        let value = held.unwrap_or_else(|| Value::from(cut(value)));
        insert(&mut self.fields, &path, value);
        Ok(())
    }

    /// Adds the only field, whose text may be JSON under any name.
    pub(super) fn add_only(&mut self, name: &str, value: &str) -> Result<(), ReadingLimit> {
        if self.add_json(ONLY_FIELD, value)? {
            return Ok(());
        }
        self.add(name, value)
    }

    /// Adds a field if its text is JSON.
    fn add_json(&mut self, name: &str, text: &str) -> Result<bool, ReadingLimit> {
        let decoded = decode_twice(text);
        let text = decoded.as_deref().unwrap_or(text);
        if !begins_json(text) {
            return Ok(false);
        }
        self.budget.count_value()?;
        let held = self.read_json(text)?;
        Ok(held.is_some_and(|held| {
            self.fields.insert(name.to_owned(), held);
            true
        }))
    }

    /// Adds JSON that was not percent-encoded; returns what follows it. After JSON with a mistake, what
    /// follows may be a text inside of it.
    fn add_raw_json<'t>(
        &mut self,
        name: &str,
        rest: &'t str,
        is_only: bool,
    ) -> Result<Option<&'t str>, ReadingLimit> {
        let mut documents = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let is_read = matches!(documents.next(), Some(Ok(_)));
        let (json, after) = rest.split_at(documents.byte_offset());
        let after = after.trim_ascii_start();
        if !is_only && is_read && (after.is_empty() || after.starts_with('&')) {
            self.add(name, json)?;
            return Ok(after.strip_prefix('&'));
        }
        if is_only {
            self.add_only(name, rest)?;
        } else {
            let end = rest.rfind(['}', ']']).map_or(rest.len(), |last| last + 1);
            self.add(name, &rest[..end])?;
        }
        Ok(None)
    }

    fn read_json(&mut self, text: &str) -> Result<Option<Value>, ReadingLimit> {
        let held = read_json_text(text, self.budget)?;
        if held.is_none() && self.unparsed.is_none() {
            self.unparsed = Some(text.to_owned());
        }
        Ok(held)
    }

    /// JSON in a field that is not one value.
    pub(super) fn take_unparsed(&mut self) -> Option<String> {
        self.unparsed.take()
    }

    /// Whether it has the id and the status of a message.
    pub(super) fn has_id_and_status(&self) -> bool {
        self.identifying.name_message()
    }

    /// Whether it has the id or the status of a message, without a line break inside.
    pub(super) fn has_id_or_status_on_one_line(&self) -> bool {
        self.identifying.has_value_on_one_line()
    }

    /// Whether the form has only one field.
    pub(super) fn is_one_field(&self) -> bool {
        self.fields.len() == 1
    }

    /// One object, or why it has none that can be believed; `None` without fields.
    pub(super) fn finish(self) -> Option<Document> {
        if let Some(contradiction) = self.identifying.find_contradiction() {
            return Some(Err(contradiction));
        }
        let fields = self.fields.into_iter();
        let object: Map<String, Value> = if self.has_paths {
            fields
                .map(|(name, value)| (name, with_lists(value)))
                .collect()
        } else {
            fields.collect()
        };
        (!object.is_empty()).then_some(Ok(Value::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(encoded: &str) -> Value {
        let budget = ReadingBudget::default();
        parse(encoded, &budget).unwrap().finish().unwrap().unwrap()
    }

    #[test]
    fn different_values_of_a_repeated_name_become_a_list() {
        assert_eq!(
            fields("id=&reason=sent&id=a%2Bb+c&&reason=read&id=a%2Bb+c"),
            json!({"id": "a+b c", "reason": ["sent", "read"]})
        );
        assert_eq!(
            fields(r#"payload={"id":"A"}&payload={"id":"B"}"#),
            json!({"payload": [{"id": "A"}, {"id": "B"}]})
        );
        let budget = ReadingBudget::default();
        let lines = parse_lines("id: x=1\n\nno value\nstatus=sent", &budget).unwrap();
        let expected = json!({"id": "x=1", "status": "sent"});
        assert_eq!(lines.finish(), Some(Ok(expected)));
    }

    #[test]
    fn json_in_a_field_is_read() {
        let held = json!({"payload": {"id": "a+b=="}});
        for encoded in [
            "payload=%7B%22id%22%3A%22a%2Bb%3D%3D%22%7D",
            "payload={\"id\":\"a+b==\"}",
            "notification=%7b%22id%22:%22a%2bb==%22%7d",
            "%7B%22id%22%3A%22a%2Bb%3D%3D%22%7D=",
            "%7B%22id%22%3A%22a%2Bb%3D%3D%22%7D",
            "%257B%2522id%2522%253A%2522a%252Bb%253D%253D%2522%257D",
        ] {
            assert_eq!(fields(encoded), held, "{encoded}");
        }
        assert_eq!(
            fields("note=%7B%7D&statuses=%5B%7B%22id%22:1%7D%5D&data={"),
            json!({"note": "{}", "statuses": [{"id": 1}], "data": "{"})
        );
    }

    #[test]
    fn reading_ends_at_the_limit_and_long_values_are_cut() {
        let end = |encoded: String| parse(&encoded, &ReadingBudget::default()).err();
        assert_eq!(
            end("a=&".repeat(200_001)),
            Some(ReadingLimit::TooManyValues)
        );
        let json = format!("a=1&data=[{}1]", "1,".repeat(200_000));
        assert_eq!(end(json), Some(ReadingLimit::TooManyValues));
        let budget = ReadingBudget::default();
        let lines = parse_lines(&"a:\n".repeat(200_001), &budget);
        assert_eq!(lines.err(), Some(ReadingLimit::TooManyValues));
        let long = format!("text={}&status=sent", "%C3%A4".repeat(100_000));
        assert_eq!(
            fields(&long),
            json!({"text": "ä".repeat(TEXT_LIMIT / 2), "status": "sent"})
        );
    }
}
