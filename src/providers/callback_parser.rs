//! Parses a callback of an account into its parts: the body's documents, what is wrapped in them, or
//! the query string.

use serde_json::Value;

use crate::domain::callback_fields::CallbackFields;
use crate::providers::json::Document;
use crate::providers::payload::collect_parts;
use crate::providers::payload_format::{parse_body, parse_query};
use crate::providers::probe::{is_empty, is_probe};
use crate::providers::profile;
use crate::providers::protocol::{Callback, CallbackPart, Provider};
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};

/// Members that may hold the whole content, as an object or as a text with JSON.
const WRAPPERS: &[&str] = &["payload", "data", "json", "event", "notification"];

/// Parses a callback with the operator's field names where it uses them: in the body, or else in the
/// query string. The query string also counts where the body reports nothing.
pub fn parse_callback(
    provider: &dyn Provider,
    fields: &CallbackFields,
    callback: &Callback,
) -> Vec<CallbackPart> {
    DocumentParser { provider, fields }
        .parse_callback(callback)
        .unwrap_or_else(|limit| vec![CallbackPart::Unparseable(limit.into())])
}

struct DocumentParser<'a> {
    provider: &'a dyn Provider,
    fields: &'a CallbackFields,
}

impl DocumentParser<'_> {
    fn parse_callback(&self, callback: &Callback) -> Result<Vec<CallbackPart>, ReadingLimit> {
        let budget = ReadingBudget::default();
        let documents = parse_body(callback, &budget)?;
        let uses_names = |document: &Document| {
            let document = document.as_ref().ok();
            document
                .and_then(|document| self.parse_chosen(document))
                .is_some()
        };
        let ignores_names = !self.fields.is_empty() && !documents.iter().any(uses_names);
        let parts = collect_parts(documents.iter().flat_map(|document| match document {
            Ok(document) => self.parse(document),
            Err(reason) => vec![CallbackPart::Unparseable(reason.clone())],
        }));
        let reports = parts.iter().any(has_content);
        if (reports && !ignores_names) || callback.query.is_empty() {
            return Ok(probe_if_empty(parts));
        }
        let Some(query) = parse_query(&callback.query, &budget)? else {
            return Ok(probe_if_empty(parts));
        };
        if ignores_names && let Some(chosen) = self.parse_chosen(&query) {
            return Ok(chosen);
        }
        if reports {
            return Ok(parts);
        }
        let of_query = self.parse(&query);
        let is_empty = |document: &Document| document.as_ref().is_ok_and(is_empty);
        if of_query.iter().any(has_content) || documents.iter().all(is_empty) {
            return Ok(of_query);
        }
        Ok(parts)
    }

    fn parse(&self, document: &Value) -> Vec<CallbackPart> {
        if is_probe(document) {
            return vec![CallbackPart::Probe];
        }
        let parts = self.parse_unwrapped(document);
        if parts.iter().any(has_content) {
            return parts;
        }
        let wrapped = WRAPPERS.iter().filter_map(|name| document.get(name));
        wrapped
            .filter(|inner| inner.is_object() || inner.is_array())
            .map(|inner| self.parse_unwrapped(inner))
            .find(|inner| inner.iter().any(has_content))
            .unwrap_or(parts)
    }

    fn parse_unwrapped(&self, document: &Value) -> Vec<CallbackPart> {
        self.parse_chosen(document)
            .unwrap_or_else(|| self.provider.parse_payload(document))
    }

    /// `None` if the document uses no name of the operator.
    fn parse_chosen(&self, document: &Value) -> Option<Vec<CallbackPart>> {
        if self.fields.is_empty() {
            return None;
        }
        profile::parse(document, self.fields, self.provider.exceptions())
    }
}

/// Whether a part says something. A probe beside a query string is an empty body.
fn has_content(part: &CallbackPart) -> bool {
    !matches!(part, CallbackPart::Unparseable(_) | CallbackPart::Probe)
}

fn probe_if_empty(parts: Vec<CallbackPart>) -> Vec<CallbackPart> {
    if parts.is_empty() {
        return vec![CallbackPart::Probe];
    }
    parts
}
