//! Query parameters of lists: unknown ones refused by name, every bad value told at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::web::error::{ApiError, FieldError};

/// Rows of a page that asks for nothing else.
const DEFAULT_LIMIT: usize = 50;
/// The most rows of a page.
const LARGEST_LIMIT: usize = 500;
/// Bytes of the filters' fingerprint inside a cursor.
const FINGERPRINT: usize = 8;

/// Parameters by name, each given once.
#[derive(Debug)]
pub(crate) struct Parameters {
    values: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Parameters {
    /// Reads a query string; empty values count as absent.
    pub(crate) fn read(query: &str, known: &[&str]) -> Self {
        let mut values = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                errors.push(FieldError::new(
                    name,
                    format!("is not known here; use {}", known.join(", ")),
                ));
            } else if !value.is_empty()
                && values
                    .insert(name.to_string(), value.into_owned())
                    .is_some()
            {
                errors.push(FieldError::new(name, "is given twice"));
            }
        }
        Self { values, errors }
    }

    /// A parameter by its own parser; what cannot be read is noted.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        self.parse_with(name, |text| {
            text.parse::<T>().map_err(|error| error.to_string())
        })
    }

    /// A parameter by a parser of the caller's.
    pub(crate) fn parse_with<T>(
        &mut self,
        name: &str,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.values.get(name)?;
        match parser(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.push(FieldError::new(name, message));
                None
            }
        }
    }

    /// How many rows.
    pub(crate) fn limit(&mut self) -> usize {
        self.parse_with("limit", |text| match text.parse::<usize>() {
            Ok(limit) if (1..=LARGEST_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(format!("is not a whole number from 1 to {LARGEST_LIMIT}")),
        })
        .unwrap_or(DEFAULT_LIMIT)
    }

    /// Where a page starts; only the same parameters (whatever their order, `limit` aside) accept the word.
    pub(crate) fn cursor<T>(&mut self, parser: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let fingerprint = self.fingerprint();
        self.parse_with("cursor", |text| {
            text.split_once('.')
                .filter(|(_, bound)| *bound == fingerprint)
                .and_then(|(place, _)| parser(place))
                .ok_or_else(|| "belongs to no page of these filters".to_owned())
        })
    }

    /// The word that [`Parameters::cursor`] reads.
    pub(crate) fn write_cursor(&self, place: &str) -> String {
        format!("{place}.{}", self.fingerprint())
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let filters = self.values.iter();
        for (name, value) in
            filters.filter(|(name, _)| !["cursor", "limit"].contains(&name.as_str()))
        {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        }
        URL_SAFE_NO_PAD.encode(&hash.finalize()[..FINGERPRINT])
    }

    /// Notes what is wrong with a parameter that can be read.
    pub(crate) fn refuse(&mut self, name: &str, message: &str) {
        self.errors.push(FieldError::new(name, message));
    }

    /// What was read, unless anything was wrong.
    pub(crate) fn finish<T>(&mut self, value: T) -> Result<T, ApiError> {
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(ApiError::Invalid(std::mem::take(&mut self.errors)))
        }
    }
}
