//! Query parameters, read once for every call: unknown, repeated, empty and bad ones are told by name, all at once; cursors belong to their filters.
//!
//! What a parameter means is its reader's business.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::web::error::FieldError;

/// Rows of a page when nobody says how many.
const DEFAULT_LIMIT: usize = 50;
/// The most rows of a page.
const LARGEST_LIMIT: usize = 500;
/// Bytes of the filters' fingerprint inside a cursor.
const FINGERPRINT: usize = 8;

/// A query parameter: its name for [`Parameters::read`], its description for the OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryParameter {
    name: &'static str,
    description: &'static str,
}

impl QueryParameter {
    pub(crate) const fn new(name: &'static str, description: &'static str) -> Self {
        Self { name, description }
    }

    pub(crate) fn document(self) -> Parameter {
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(self.description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
    }
}

/// Declares a type that stands for a list of parameters in `params(…)` of `#[utoipa::path]`; its
/// `LIST` is for [`Parameters::read`].
macro_rules! query_parameters {
    ($name:ident, $list:expr) => {
        pub(crate) struct $name;

        impl $name {
            pub(crate) const LIST: &'static [$crate::web::api::parameters::QueryParameter] = &$list;
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let list = Self::LIST.iter();
                list.map(|parameter| parameter.document()).collect()
            }
        }
    };
}
pub(crate) use query_parameters;

pub(crate) const ACCOUNT: QueryParameter = QueryParameter::new("account", "Account id.");

query_parameters!(
    PageParameters,
    [
        QueryParameter::new("limit", "Rows per page, 1 to 500; default 50."),
        QueryParameter::new(
            "cursor",
            "`next_cursor` of the previous page, with the same filters."
        ),
    ]
);

/// A query string as names and values.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// Parameters by name.
#[derive(Debug)]
pub(crate) struct Parameters {
    values: BTreeMap<String, Vec<String>>,
    /// The names as they came, for the order in which bad ones are told.
    names: Vec<String>,
    /// Every filter that was read, in one spelling, for the cursor.
    normal: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

/// Tells filters apart, whatever their order and spelling; a part of every cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint([u8; FINGERPRINT]);

impl Fingerprint {
    /// The opaque word for where the next page starts; only the same filters accept it.
    pub(crate) fn write_cursor(self, place: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([place, &self.0].concat())
    }

    fn read_cursor(self, word: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(word).ok()?;
        let place = bytes.len().checked_sub(FINGERPRINT)?;
        let bound = bytes.split_off(place);
        (bound == self.0).then_some(bytes)
    }
}

impl Parameters {
    /// Takes the pairs whose names are known; the others are errors.
    pub(crate) fn read(pairs: &[(String, String)], known: &[&[QueryParameter]]) -> Self {
        let known: Vec<&str> = known
            .iter()
            .flat_map(|list| list.iter().map(|parameter| parameter.name))
            .collect();
        let mut parameters = Self {
            values: BTreeMap::new(),
            names: pairs.iter().map(|(name, _)| name.clone()).collect(),
            normal: BTreeMap::new(),
            errors: Vec::new(),
        };
        for (name, value) in pairs {
            let value = value.trim();
            if !known.contains(&name.as_str()) {
                let words = format!("is not known here; use {}", known.join(", "));
                parameters.refuse(name, words);
            } else if value.is_empty() {
                parameters.refuse(name, "is empty; leave it out");
            } else {
                let values = parameters.values.entry(name.clone()).or_default();
                values.push(value.to_owned());
            }
        }
        parameters
    }

    /// A filter by its own parser; what cannot be read is told.
    pub(crate) fn parse<T: FromStr<Err: Display> + Debug>(&mut self, name: &str) -> Option<T> {
        self.parse_with(name, |text| {
            text.parse::<T>().map_err(|error| error.to_string())
        })
    }

    /// A filter by a parser of the caller's.
    pub(crate) fn parse_with<T: Debug>(
        &mut self,
        name: &str,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(name, parser)?;
        self.normal.insert(name.to_owned(), format!("{value:?}"));
        Some(value)
    }

    /// A filter that may be given again, each time with several words between commas: each of them once, sorted.
    pub(crate) fn parse_words<T: Ord + Debug>(
        &mut self,
        name: &str,
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let values = self.values.remove(name).unwrap_or_default();
        let mut words = Vec::new();
        for word in values.iter().flat_map(|value| value.split(',')) {
            match parser(word.trim()) {
                Ok(word) => words.push(word),
                Err(message) => self.refuse(name, message),
            }
        }
        words.sort_unstable();
        words.dedup();
        if !words.is_empty() {
            self.normal.insert(name.to_owned(), format!("{words:?}"));
        }
        words
    }

    /// How many rows.
    pub(crate) fn limit(&mut self) -> usize {
        self.take("limit", |text| match text.parse::<usize>() {
            Ok(limit) if (1..=LARGEST_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(format!("is not a whole number from 1 to {LARGEST_LIMIT}")),
        })
        .unwrap_or(DEFAULT_LIMIT)
    }

    /// Where a page starts. To be called when every filter was read: only the same filters accept the word.
    pub(crate) fn cursor<T>(&mut self, parser: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let fingerprint = self.fingerprint();
        self.take("cursor", |word| {
            fingerprint
                .read_cursor(word)
                .and_then(|place| parser(&place))
                .ok_or_else(|| "belongs to no page of these filters".to_owned())
        })
    }

    /// What tells the filters that were read from others.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        for (name, value) in &self.normal {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        }
        let mut fingerprint = [0; FINGERPRINT];
        fingerprint.copy_from_slice(&hash.finalize()[..FINGERPRINT]);
        Fingerprint(fingerprint)
    }

    /// Tells what is wrong with a parameter.
    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, message));
    }

    /// What was read, unless anything was wrong; that is told in the order of the query.
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
            _ => Err("is given twice".to_owned()),
        };
        read.inspect_err(|message| self.refuse(name, message)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [QueryParameter; 4] = [
        QueryParameter::new("number", ""),
        QueryParameter::new("word", ""),
        QueryParameter::new("limit", ""),
        QueryParameter::new("cursor", ""),
    ];

    fn read(query: &str) -> (Parameters, Option<i64>, Option<Vec<u8>>) {
        let mut parameters = Parameters::read(&pairs(query), &[&KNOWN]);
        let number = parameters.parse("number");
        parameters.parse_words("word", |word| Ok(word.to_owned()));
        let cursor = parameters.cursor(|place| Some(place.to_vec()));
        (parameters, number, cursor)
    }

    #[test]
    fn everything_wrong_is_told_in_the_order_of_the_query() {
        let query = "word=&colour=red&number=1&limit=501&number=2&cursor=AAAA";
        let (mut parameters, ..) = read(query);
        parameters.limit();
        let errors = parameters.finish(()).unwrap_err();
        let told: Vec<(&str, &str)> = errors
            .iter()
            .map(|error| (error.field.as_str(), error.message.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("word", "is empty; leave it out"),
                (
                    "colour",
                    "is not known here; use number, word, limit, cursor"
                ),
                ("number", "is given twice"),
                ("limit", "is not a whole number from 1 to 500"),
                ("cursor", "belongs to no page of these filters"),
            ]
        );
    }

    #[test]
    fn a_cursor_is_opaque_and_fits_its_filters_however_they_are_written() {
        let (parameters, ..) = read("number=7&word=b,a");
        let word = parameters.fingerprint().write_cursor(b"a place");
        assert!(!word.contains("place"));
        let (same, number, place) =
            read(&format!("word=a&limit=3&number=%2B07&word=b&cursor={word}"));
        assert_eq!(
            (number, place.as_deref()),
            (Some(7), Some(b"a place".as_slice()))
        );
        assert!(same.finish(()).is_ok());
        for other in ["number=8&word=a,b", "number=7", "word=a,b", ""] {
            let (parameters, _, place) = read(&format!("{other}&cursor={word}"));
            assert_eq!(place, None, "{other}");
            assert!(parameters.finish(()).is_err(), "{other}");
        }
    }
}
