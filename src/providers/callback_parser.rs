//! Parses a callback of an account into its parts: the body's documents, what is wrapped in them,
//! or the query string.

use serde_json::Value;

use crate::domain::callback_fields::CallbackFields;
use crate::providers::configured_fields;
use crate::providers::customer_id_links::{self, CustomerIdLink};
use crate::providers::json::Document;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::collect_parts;
use crate::providers::payload_format::{parse_body, parse_content, parse_query};
use crate::providers::placeholder_id;
use crate::providers::probe::{is_empty, is_probe};
use crate::providers::protocol::{Callback, CallbackPart, Provider};
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};
use crate::providers::recased_names::recase;

/// Members that may hold the whole content, as an object or as a text that contains JSON.
const WRAPPERS: &[&str] = &["payload", "data", "json", "event", "notification"];

/// What a callback contains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedContent {
    pub parts: Vec<CallbackPart>,
    /// The placeholder, such as `{{id}}`, that a report has instead of an id.
    pub placeholder_id: Option<String>,
    pub id_links: Vec<CustomerIdLink>,
}

/// Parses a callback with the operator's field names where it uses them: in the body, or else in
/// the query string. The query string is also parsed if the body reports nothing.
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
    /// `reason` must not contain personal data.
    pub fn unparseable(reason: String) -> Self {
        Self {
            parts: vec![CallbackPart::Unparseable(reason)],
            placeholder_id: None,
            id_links: Vec::new(),
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
        let mut documents = parse_body(callback, &budget)?;
        let query = parse_query(&callback.query, &budget)?;
        let mut parts = self.parse_documents(&documents, query.as_ref());
        let is_read =
            |part: &CallbackPart| has_content(part) && !matches!(part, CallbackPart::Notice(_));
        if !parts.iter().any(is_read)
            && let Some(other) =
                self.parse_otherwise(callback, &documents, parts.iter().any(has_content))
        {
            (documents, parts) = other;
        }
        let placeholder_id = if parts.iter().any(lacks_id) {
            let mut documents = documents.iter().chain(&query).flatten();
            documents.find_map(|document| placeholder_id::find(document, self.fields))
        } else {
            None
        };
        let documents = documents.iter().chain(&query).flatten();
        Ok(ParsedContent {
            parts,
            placeholder_id,
            id_links: customer_id_links::find(documents),
        })
    }

    /// Parses what an envelope contains, and names in another case, if that has a report or a
    /// message. Nothing was recognized in the documents as written, except a notice: a provider may
    /// take the name of the envelope's event for one of its own.
    #[cold]
    fn parse_otherwise(
        &self,
        callback: &Callback,
        documents: &[Document],
        has_notice: bool,
    ) -> Option<(Vec<Document>, Vec<CallbackPart>)> {
        let recased = || {
            let recased = documents.iter().flatten().filter_map(recase);
            recased.map(Ok).collect()
        };
        let contents = parse_content(callback).unwrap_or_default();
        let recase_content = |document: &Document| match document {
            Ok(value) => Ok(recase(value).unwrap_or_else(|| value.clone())),
            Err(reason) => Err(reason.clone()),
        };
        let recased_contents = || contents.iter().map(recase_content).collect();
        let is_about_message = |part: &CallbackPart| {
            matches!(part, CallbackPart::Report(_) | CallbackPart::Inbound(_))
        };
        let parse = |documents: Vec<Document>| {
            let parts = self.parse_documents(&documents, None);
            parts
                .iter()
                .any(is_about_message)
                .then_some((documents, parts))
        };
        parse(contents.clone())
            .or_else(|| parse(recased_contents()))
            .or_else(|| parse(recased()).filter(|_| !has_notice))
    }

    fn parse_documents(
        &self,
        documents: &[Document],
        query: Option<&Document>,
    ) -> Vec<CallbackPart> {
        let uses_configured_names = |document: &Document| {
            let document = document.as_ref().ok();
            document
                .and_then(|document| self.parse_configured(document))
                .is_some()
        };
        let ignores_configured_names =
            !self.fields.is_empty() && !documents.iter().any(uses_configured_names);
        let parts = collect_parts(documents.iter().flat_map(|document| match document {
            Ok(document) => self.parse(document),
            Err(reason) => vec![CallbackPart::Unparseable(reason.clone())],
        }));
        let body_has_content = parts.iter().any(has_content);
        let Some(query) = query.filter(|_| !body_has_content || ignores_configured_names) else {
            return probe_if_empty(parts);
        };
        let query = match query {
            Ok(query) => query,
            Err(_) if body_has_content => return parts,
            Err(reason) => return vec![CallbackPart::Unparseable(reason.clone())],
        };
        if ignores_configured_names && let Some(configured) = self.parse_configured(query) {
            return configured;
        }
        if body_has_content {
            return parts;
        }
        let query_parts = self.parse(query);
        let is_empty = |document: &Document| document.as_ref().is_ok_and(is_empty);
        if query_parts.iter().any(has_content) || documents.iter().all(is_empty) {
            return query_parts;
        }
        parts
    }

    fn parse(&self, document: &Value) -> Vec<CallbackPart> {
        if is_probe(document) {
            return vec![CallbackPart::Probe];
        }
        self.parse_list_or_object(document)
    }

    /// Also parses what is wrapped in each element of a list.
    fn parse_list_or_object(&self, document: &Value) -> Vec<CallbackPart> {
        let Value::Array(elements) = document else {
            return self.parse_wrapped(document);
        };
        let together = self.parse_unwrapped(document);
        if together.iter().all(has_content) {
            return together;
        }
        let each = elements
            .iter()
            .flat_map(|element| self.parse_wrapped(element));
        let each = collect_parts(each);
        let count = |parts: &[CallbackPart]| parts.iter().filter(|part| has_content(part)).count();
        if count(&each) > count(&together) {
            each
        } else {
            together
        }
    }

    fn parse_wrapped(&self, document: &Value) -> Vec<CallbackPart> {
        let parts = self.parse_unwrapped(document);
        if parts.iter().any(has_content) {
            return parts;
        }
        let wrapped = WRAPPERS.iter().filter_map(|name| document.member(name));
        wrapped
            .filter(|inner| inner.is_object() || inner.is_array())
            .map(|inner| self.parse_unwrapped(inner))
            .find(|inner| inner.iter().any(has_content))
            .unwrap_or(parts)
    }

    fn parse_unwrapped(&self, document: &Value) -> Vec<CallbackPart> {
        self.parse_configured(document)
            .unwrap_or_else(|| self.provider.parse_payload(document))
    }

    /// Parses with the operator's field names; `None` if the document has none of them.
    fn parse_configured(&self, document: &Value) -> Option<Vec<CallbackPart>> {
        if self.fields.is_empty() {
            return None;
        }
        configured_fields::parse(document, self.fields, self.provider.status_words())
    }
}

/// Whether a part reports anything. A probe does not: an empty body together with a query string is
/// parsed as one.
fn has_content(part: &CallbackPart) -> bool {
    !matches!(part, CallbackPart::Unparseable(_) | CallbackPart::Probe)
}

/// Whether the part has no id, so that a placeholder may be the reason.
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
