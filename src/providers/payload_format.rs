//! Converts a callback of any format to JSON documents.

use serde_json::Value;

use crate::domain::invisible_characters::is_blank;
use crate::providers::envelope;
use crate::providers::form::FormFields;
use crate::providers::json::Document;
use crate::providers::json_in_text::{begins_json, may_hold_json};
use crate::providers::probe::is_test_text;
use crate::providers::protocol::Callback;
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};
use crate::providers::text_decoding::{decode, decode_double_bytes, drop_second_bytes};
use crate::providers::{form, form_or_lines, json, multipart, xml};

/// Parses the body as JSON, XML, form fields, multipart or lines of `name: value`. An empty body
/// has no documents. The content type matters only if the body could have several formats. Reasons
/// have no personal data.
pub(super) fn parse_body(
    callback: &Callback,
    budget: &ReadingBudget,
) -> Result<Vec<Document>, ReadingLimit> {
    let decoded = decode(&callback.body)?;
    let text = trim(&decoded);
    if begins_json_text(text) {
        let other = || decode_double_bytes(&callback.body);
        return parse_json(text, other, budget);
    }
    parse_text(text, BodyLabel::of(callback), budget)
}

/// Parses the content that a queue, a gateway or an event bus put into a JSON body, and JSON with a
/// mistake in a text of the body or the query; `None` without any. It has its own limits, because the
/// documents of the body are dropped if it is used.
pub(super) fn parse_content(callback: &Callback) -> Option<Vec<Document>> {
    let budget = ReadingBudget::default();
    let decoded = decode(&callback.body).ok()?;
    let mut contents = envelope::find_contents(trim(&decoded)).ok()?;
    if contents.is_empty() {
        let mut query = form::parse(&callback.query, &budget).ok()?;
        contents.extend(query.take_unparsed());
    }
    let documents = contents
        .iter()
        .map(|content| parse_text(trim(content), BodyLabel::default(), &budget));
    let documents = documents.collect::<Result<Vec<_>, _>>().ok()?.concat();
    (!documents.is_empty()).then_some(documents)
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| is_blank(c) || c == '\0')
}

/// What the content type says.
#[derive(Clone, Copy, Default)]
struct BodyLabel {
    is_form: bool,
    is_multipart: bool,
}

impl BodyLabel {
    fn of(callback: &Callback) -> Self {
        let kind = callback.content_type.as_deref().unwrap_or_default();
        let kind = kind.to_ascii_lowercase();
        Self {
            is_form: kind.contains("form-urlencoded"),
            is_multipart: kind.starts_with("multipart/"),
        }
    }
}

fn begins_json_text(text: &str) -> bool {
    text.starts_with(['{', '[', '"', '\x1e'])
}

/// The JSON behind a short prefix, such as `callback(` or `var x = `. What is behind a longer one may be a
/// customer's. Without an object or a list, it is the whole text.
fn find_behind_prefix(text: &str) -> Option<&str> {
    const LIMIT: usize = 100;
    let Some(bracket) = text.find(['{', '[']) else {
        return Some(text);
    };
    let (prefix, json) = text.split_at(bracket);
    let value = prefix.split_once('=').map_or("", |(_, value)| value);
    let is_prefix = prefix.len() <= LIMIT
        && !prefix.contains(['<', '&', '%', '"'])
        && value.trim_ascii().is_empty();
    let is_prefix = is_prefix && !form_or_lines::has_field_on_later_line(text);
    (is_prefix && json.contains(['"', '\'', '&', '\\'])).then(|| json.trim_end_matches([';', ')']))
}

/// Whether it is a form whose first field may hold JSON and begins like it.
fn begins_field_of_json(text: &str) -> bool {
    let field = text.split_once('=');
    field.is_some_and(|(name, value)| may_hold_json(name, 1) && begins_json(value))
}

fn parse_text(
    text: &str,
    label: BodyLabel,
    budget: &ReadingBudget,
) -> Result<Vec<Document>, ReadingLimit> {
    if let Some(delimiter) = multipart::find_delimiter(text, label.is_multipart) {
        let form = multipart::parse(text, delimiter, budget)?;
        return parse_fields(form, "multipart without fields", budget);
    }
    let document = match text.as_bytes().first() {
        None => return Ok(Vec::new()),
        Some(_) if begins_json_text(text) => {
            return parse_json(text, || drop_second_bytes(text), budget);
        }
        Some(b'<') => xml::parse(text, budget),
        _ if is_test_text(text) && !text.contains(['=', ':']) => Ok(Value::from(text)),
        _ if text.lines().nth(1).is_some()
            && form_or_lines::begins_with_field(text)
            && !begins_field_of_json(text) =>
        {
            return match form_or_lines::parse(text, label.is_form, budget)? {
                Some(form) => parse_fields(form, "text without names and values", budget),
                None => Ok(vec![Err("text that may be a form or lines".to_owned())]),
            };
        }
        _ if form_or_lines::begins_with_pair(text)
            && (label.is_form || text.contains('=') || text.starts_with('%')) =>
        {
            let form = form::parse(text, budget)?;
            return parse_fields(form, "an empty form", budget);
        }
        _ => {
            return match find_behind_prefix(text) {
                Some(json) => json::parse(json, budget),
                None => Ok(vec![Err("neither JSON, XML, a form nor lines".to_owned())]),
            };
        }
    };
    match budget.exceeded() {
        Some(limit) => Err(limit),
        None => Ok(vec![document]),
    }
}

/// Parses JSON, and if that has a mistake, the same text in another charset.
fn parse_json(
    text: &str,
    decode_otherwise: impl FnOnce() -> Option<String>,
    budget: &ReadingBudget,
) -> Result<Vec<Document>, ReadingLimit> {
    let counted = budget.counted();
    let documents = json::parse(text, budget)?;
    let mistakes = |documents: &[Document]| documents.iter().filter(|it| it.is_err()).count();
    if mistakes(&documents) == 0 {
        return Ok(documents);
    }
    let Some(other) = decode_otherwise() else {
        return Ok(documents);
    };
    budget.forget_since(counted);
    let others = json::parse(trim(&other), budget)?;
    if mistakes(&others) < mistakes(&documents) {
        return Ok(others);
    }
    Ok(documents)
}

/// One object, or the documents of a field with several of them.
fn parse_fields(
    mut form: FormFields<'_>,
    reason_if_empty: &str,
    budget: &ReadingBudget,
) -> Result<Vec<Document>, ReadingLimit> {
    let mut documents = Vec::new();
    if let Some(text) = form.take_unparsed() {
        documents = parse_json(&text, || drop_second_bytes(&text), budget)?;
        if documents.iter().all(Result::is_err) {
            documents.clear();
        }
    }
    if documents.is_empty() || !form.is_one_field() {
        let object = form.finish();
        documents.insert(0, object.unwrap_or_else(|| Err(reason_if_empty.to_owned())));
    }
    match budget.exceeded() {
        Some(limit) => Err(limit),
        None => Ok(documents),
    }
}

/// The documents of a body; `None` if one of them cannot be read.
pub fn read_documents(callback: &Callback) -> Option<Vec<Value>> {
    let documents = parse_body(callback, &ReadingBudget::default()).ok()?;
    documents.into_iter().map(Result::ok).collect()
}

/// Parses the query string as form fields; `None` if it has none.
pub(super) fn parse_query(
    query: &str,
    budget: &ReadingBudget,
) -> Result<Option<Document>, ReadingLimit> {
    let joined = join_second_query(query);
    form::parse(joined.as_deref().unwrap_or(query), budget).map(FormFields::finish)
}

/// Some senders add `?id=…` to a URL that has a query already: `token=1?id=…`.
fn join_second_query(query: &str) -> Option<String> {
    let (first, second) = query.trim_start_matches('?').split_once('?')?;
    let is_plain = !first.contains([':', '/', '%', '{', '"']);
    let begins_field = second
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty());
    (is_plain && begins_field).then(|| format!("{first}&{second}"))
}
