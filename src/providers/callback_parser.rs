//! Parses a callback of an account into its parts: the body's documents, what is wrapped in them, or
//! the query string.

use serde_json::Value;

use crate::domain::callback_fields::CallbackFields;
use crate::providers::configured_fields;
use crate::providers::customer_ids::{self, CustomerIds};
use crate::providers::json::Document;
use crate::providers::payload::collect_parts;
use crate::providers::payload_format::{parse_body, parse_query};
use crate::providers::placeholder_id;
use crate::providers::probe::{is_empty, is_probe};
use crate::providers::protocol::{Callback, CallbackPart, Provider};
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};

/// Members that may hold the whole content, as an object or as a text with JSON.
const WRAPPERS: &[&str] = &["payload", "data", "json", "event", "notification"];

/// What a callback contains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedContent {
    pub parts: Vec<CallbackPart>,
    /// What stands in the place of an id, if a report has none.
    pub placeholder_id: Option<String>,
    /// Ids that it names for one customer.
    pub customer_ids: Vec<CustomerIds>,
}

/// Parses a callback with the operator's field names where it uses them: in the body, or else in the
/// query string. The query string also counts where the body reports nothing.
pub fn parse_callback(
    provider: &dyn Provider,
    fields: &CallbackFields,
    callback: &Callback,
) -> ParsedContent {
    DocumentParser { provider, fields }
        .parse_callback(callback)
        .unwrap_or_else(|limit| ParsedContent::unparseable(limit.into()))
}

impl ParsedContent {
    /// The reason has no personal data.
    pub fn unparseable(reason: String) -> Self {
        Self {
            parts: vec![CallbackPart::Unparseable(reason)],
            placeholder_id: None,
            customer_ids: Vec::new(),
        }
    }
}

struct DocumentParser<'a> {
    provider: &'a dyn Provider,
    fields: &'a CallbackFields,
}

impl DocumentParser<'_> {
    fn parse_callback(&self, callback: &Callback) -> Result<ParsedContent, ReadingLimit> {
        let budget = ReadingBudget::default();
        let documents = parse_body(callback, &budget)?;
        let query = parse_query(&callback.query, &budget)?;
        let parts = self.parse_documents(&documents, query.as_ref());
        let placeholder_id = if parts.iter().any(lacks_id) {
            let mut documents = documents.iter().flatten().chain(&query);
            documents.find_map(|document| placeholder_id::find(document, self.fields))
        } else {
            None
        };
        let documents = documents.iter().flatten().chain(&query);
        Ok(ParsedContent {
            parts,
            placeholder_id,
            customer_ids: customer_ids::find(documents),
        })
    }

    fn parse_documents(&self, documents: &[Document], query: Option<&Value>) -> Vec<CallbackPart> {
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
        let Some(query) = query.filter(|_| !reports || ignores_names) else {
            return probe_if_empty(parts);
        };
        if ignores_names && let Some(chosen) = self.parse_chosen(query) {
            return chosen;
        }
        if reports {
            return parts;
        }
        let of_query = self.parse(query);
        let is_empty = |document: &Document| document.as_ref().is_ok_and(is_empty);
        if of_query.iter().any(has_content) || documents.iter().all(is_empty) {
            return of_query;
        }
        parts
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
        configured_fields::parse(document, self.fields, self.provider.status_words())
    }
}

/// Whether a part says something. A probe beside a query string is an empty body.
fn has_content(part: &CallbackPart) -> bool {
    !matches!(part, CallbackPart::Unparseable(_) | CallbackPart::Probe)
}

/// Whether a placeholder may stand in the place of its id.
fn lacks_id(part: &CallbackPart) -> bool {
    match part {
        CallbackPart::Report(report) => report.ids.is_empty() && !report.is_notice(),
        CallbackPart::Unparseable(_) => true,
        CallbackPart::Inbound(_)
        | CallbackPart::Notice(_)
        | CallbackPart::AccountEvent(_)
        | CallbackPart::Probe => false,
    }
}

fn probe_if_empty(parts: Vec<CallbackPart>) -> Vec<CallbackPart> {
    if parts.is_empty() {
        return vec![CallbackPart::Probe];
    }
    parts
}
