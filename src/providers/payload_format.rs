//! Converts a callback of any format to JSON documents.

use serde_json::Value;

use crate::domain::invisible_characters::is_blank;
use crate::providers::form::FormFields;
use crate::providers::json::Document;
use crate::providers::probe::is_test_text;
use crate::providers::protocol::Callback;
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};
use crate::providers::text_decoding::decode;
use crate::providers::{form, json, multipart, xml};

/// Parses the body as JSON, XML, form fields, multipart or lines of `name: value`. An empty body
/// has no documents. The content type matters only if the body could have several formats. Reasons
/// have no personal data.
pub(super) fn parse_body(
    callback: &Callback,
    budget: &ReadingBudget,
) -> Result<Vec<Document>, ReadingLimit> {
    let decoded = decode(&callback.body)?;
    let text = decoded.trim_matches(|c: char| is_blank(c) || c == '\0');
    let is_form = callback
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("form-urlencoded"));
    if let Some(delimiter) = multipart::find_delimiter(text) {
        let form = multipart::parse(text, delimiter, budget)?;
        return Ok(vec![object(form, "multipart without fields")]);
    }
    let document = match text.as_bytes().first() {
        None => return Ok(Vec::new()),
        Some(b'{' | b'[' | b'"' | b'\x1e') => return json::parse(text, budget),
        Some(b'<') => xml::parse(text, budget),
        _ if is_test_text(text) && !text.contains(['=', ':']) => Ok(Value::from(text)),
        _ if !is_form && text.lines().nth(1).is_some() => {
            let form = form::parse_lines(text, budget)?;
            object(form, "text without names and values")
        }
        _ if is_form || text.contains('=') || text.starts_with('%') => {
            object(form::parse(text, budget)?, "an empty form")
        }
        _ => return json::parse(text, budget),
    };
    match budget.exceeded() {
        Some(limit) => Err(limit),
        None => Ok(vec![document]),
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

fn object(form: FormFields<'_>, reason_if_empty: &str) -> Document {
    form.finish()
        .unwrap_or_else(|| Err(reason_if_empty.to_owned()))
}
