//! The query parameters of a request. Unknown, repeated, empty and invalid ones are reported by
//! name, all at once; a cursor is bound to the filters of its list.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::reporting::filter_fields::FilterField;
use crate::reporting::message_query::MessageQuery;
use crate::web::api::cursor::Fingerprint;
use crate::web::api::query_parameter::{LARGEST_LIMIT, QueryParameter};
use crate::web::problem_json::FieldError;

/// Rows per page.
const DEFAULT_LIMIT: usize = 50;
const GIVEN_TWICE: &str = "is given twice";

/// Names and values of a query string.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

#[derive(Debug)]
pub(crate) struct Parameters {
    values: BTreeMap<String, Vec<String>>,
    /// In the order of the query, for the order of the errors.
    names: Vec<String>,
    /// The canonical value of every parsed filter, for the fingerprint.
    canonical: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Parameters {
    /// Names outside of `known` are errors.
    pub(crate) fn read(pairs: &[(String, String)], known: &[&[QueryParameter]]) -> Self {
        let known: Vec<&str> = known
            .iter()
            .flat_map(|list| list.iter().map(|parameter| parameter.name))
            .collect();
        let mut parameters = Self {
            values: BTreeMap::new(),
            names: pairs.iter().map(|(name, _)| name.clone()).collect(),
            canonical: BTreeMap::new(),
            errors: Vec::new(),
        };
        for (name, value) in pairs {
            let value = value.trim();
            if !known.contains(&name.as_str()) {
                let message = format!("is not known here; use {}", known.join(", "));
                parameters.refuse(name, message);
            } else if value.is_empty() {
                parameters.refuse(name, "is empty; leave it out");
            } else if value.contains('\0') {
                // PostgreSQL cannot compare NUL with a text.
                parameters.refuse(name, "contains a NUL character");
            } else {
                let values = parameters.values.entry(name.clone()).or_default();
                values.push(value.to_owned());
            }
        }
        parameters
    }

    /// Parses a filter that has one value.
    pub(crate) fn parse_with<T: Debug>(
        &mut self,
        name: &str,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(name, parser)?;
        self.canonical.insert(name.to_owned(), format!("{value:?}"));
        Some(value)
    }

    /// Parses the values of a field of the message filter.
    pub(crate) fn parse_field(&mut self, field: FilterField, query: &mut MessageQuery) {
        let values = self.values.remove(field.name).unwrap_or_default();
        if values.len() > 1 && !field.repeatable {
            self.refuse(field.name, GIVEN_TWICE);
            return;
        }
        for value in values.iter().flat_map(|value| field.split(value)) {
            if let Err(message) = (field.parse)(query, value) {
                self.refuse(field.name, message);
            }
        }
        if let Some(value) = (field.print)(query) {
            self.canonical.insert(field.name.to_owned(), value);
        }
    }

    /// Rows per page.
    pub(crate) fn limit(&mut self) -> usize {
        self.take("limit", |text| match text.parse::<usize>() {
            Ok(limit) if (1..=LARGEST_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(format!("is not a whole number from 1 to {LARGEST_LIMIT}")),
        })
        .unwrap_or(DEFAULT_LIMIT)
    }

    /// Where the page starts. Call it after every filter is parsed.
    pub(crate) fn cursor<T>(&mut self, parser: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let fingerprint = self.fingerprint();
        self.take("cursor", |word| {
            fingerprint
                .read_cursor(word)
                .and_then(|position| parser(&position))
                .ok_or_else(|| "is not a cursor of a list with these filters".to_owned())
        })
    }

    /// A hash of the filters parsed so far; a cursor is valid for these only.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.canonical)
    }

    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, message));
    }

    /// All errors, in the order of the query, if there is one.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() {
            return Ok(value);
        }
        let names = self.names;
        self.errors
            .sort_by_key(|error| names.iter().position(|name| *name == error.field));
        Err(self.errors)
    }

    fn take<T>(&mut self, name: &str, parser: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.values.remove(name)?.as_slice() {
            [value] => parser(value),
            _ => Err(GIVEN_TWICE.to_owned()),
        };
        read.inspect_err(|message| self.refuse(name, message)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporting::value_shape::ValueShape;

    const KNOWN: [QueryParameter; 4] = [
        QueryParameter::new("number", "", ValueShape::Text),
        QueryParameter::new("text", "", ValueShape::Text),
        QueryParameter::new("limit", "", ValueShape::Text),
        QueryParameter::new("cursor", "", ValueShape::Text),
    ];

    fn read(query: &str) -> (Parameters, Option<i64>, Option<Vec<u8>>) {
        let mut parameters = Parameters::read(&pairs(query), &[&KNOWN]);
        let number = parameters.parse_with("number", |text| {
            text.parse::<i64>().map_err(|error| error.to_string())
        });
        parameters.parse_with("text", |text| Ok(text.to_owned()));
        let cursor = parameters.cursor(|position| Some(position.to_vec()));
        (parameters, number, cursor)
    }

    #[test]
    fn every_error_is_reported_in_the_order_of_the_query() {
        let query = "text=&colour=red&number=1&limit=501&number=2&cursor=AAAA";
        let (mut parameters, ..) = read(query);
        parameters.limit();
        let errors = parameters.finish(()).unwrap_err();
        let reported: Vec<(&str, &str)> = errors
            .iter()
            .map(|error| (error.field.as_str(), error.message.as_str()))
            .collect();
        assert_eq!(
            reported,
            [
                ("text", "is empty; leave it out"),
                (
                    "colour",
                    "is not known here; use number, text, limit, cursor"
                ),
                ("number", "is given twice"),
                ("limit", "is not a whole number from 1 to 500"),
                ("cursor", "is not a cursor of a list with these filters"),
            ]
        );
    }

    #[test]
    fn a_cursor_is_opaque_and_accepts_its_filters_in_any_spelling() {
        let (parameters, ..) = read("number=7&text=a");
        let word = parameters.fingerprint().write_cursor(b"a position");
        assert!(!word.contains("position"));
        let (same, number, position) = read(&format!("text=a&limit=3&number=%2B07&cursor={word}"));
        assert_eq!(
            (number, position.as_deref()),
            (Some(7), Some(b"a position".as_slice()))
        );
        assert!(same.finish(()).is_ok());
        for other in ["number=8&text=a", "number=7", "text=a", ""] {
            let (parameters, _, position) = read(&format!("{other}&cursor={word}"));
            assert_eq!(position, None, "{other}");
            assert!(parameters.finish(()).is_err(), "{other}");
        }
    }
}
