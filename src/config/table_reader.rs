//! Reads one TOML table key by key and records every problem under its key. Checks the types of
//! values, not the meaning of keys.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::{Dict, Value};

use crate::config::config_reader::ConfigReader;
use crate::config::misplaced_key::find_place;
use crate::config::problem::unknown_key;
use crate::domain::secret::Secret;

const MAX_DURATION: Duration = Duration::from_hours(366 * 24);

/// One table of the file. Keys that were never requested are reported as unknown in the end.
pub(super) struct TableReader<'r, 'e> {
    pub(super) reader: &'r mut ConfigReader<'e>,
    path: String,
    values: Dict,
    requested: Vec<&'static str>,
}

impl<'r, 'e> TableReader<'r, 'e> {
    /// The top level of the file.
    pub(super) fn top_level(reader: &'r mut ConfigReader<'e>, values: Dict) -> Self {
        Self {
            reader,
            path: String::new(),
            values,
            requested: Vec::new(),
        }
    }
}

impl<'e> TableReader<'_, 'e> {
    pub(super) fn problem(&mut self, name: &str, message: impl Display) {
        let key = self.key(name);
        self.reader.add_problem(key, message);
    }

    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.reader.resolve(path)
    }

    /// Whether the key exists and was not read yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.peek(name).is_some()
    }

    /// The value, unless it was read already.
    pub(super) fn peek(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Option<T>,
    ) -> Option<T> {
        if !self.has(name) {
            self.problem(name, "is required");
        }
        read(self, name)
    }

    /// A string; rejects an empty one.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(_, text) if text.trim().is_empty() => {
                self.problem(name, "is empty");
                None
            }
            Value::String(_, text) => Some(text),
            _ => {
                self.problem(name, "must be a quoted string");
                None
            }
        }
    }

    pub(super) fn parse<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|error| self.problem(name, error)).ok()
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        self.parse(name, |text| {
            let chosen = choices.iter().find(|(choice, _)| *choice == text);
            chosen.map(|(_, value)| *value).ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
                format!("`{text}` is not one of {}", names.join(", "))
            })
        })
    }

    /// A literal, `env:NAME` or `file:PATH`.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<Secret> {
        let text = self.text(name)?;
        if let Some(variable) = text.strip_prefix("env:") {
            let key = self.key(name);
            self.reader
                .secret_variables
                .insert(key, variable.to_owned());
        }
        let secret = self
            .reader
            .secret(&text)
            .map_err(|error| self.problem(name, error))
            .ok()?;
        if is_variable(secret.expose()) {
            let key = self.key(name);
            self.reader.unreplaced_variables.push(key);
        }
        Some(secret)
    }

    pub(super) fn whole_number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.take(name)?;
        let number = to_whole_number(&value).filter(|number| range.contains(number));
        if number.is_none() {
            let (min, max) = (range.start(), range.end());
            self.problem(name, format!("must be a whole number from {min} to {max}"));
        }
        number
    }

    pub(super) fn positive_number(&mut self, name: &'static str) -> Option<f64> {
        let number = self.take(name)?.deserialize::<f64>().ok();
        let number = number.filter(|number| number.is_finite() && *number > 0.0);
        if number.is_none() {
            self.problem(name, "must be a number above 0");
        }
        number
    }

    /// Accepts `30s`, `10m`, `24h`.
    pub(super) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.parse(name, |text| match humantime::parse_duration(text) {
            Err(_) => Err(format!("`{text}` is not a duration; write 30s, 10m or 24h")),
            Ok(duration) if duration.is_zero() => Err("must be longer than 0".to_owned()),
            Ok(duration) if duration > MAX_DURATION => Err("must be at most 366 days".to_owned()),
            Ok(duration) => Ok(duration),
        })
    }

    pub(super) fn within<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut TableReader<'_, 'e>) -> T,
    ) -> Option<T> {
        let Some(values) = self.take(name)?.into_dict() else {
            self.problem(name, "must be a table");
            return None;
        };
        let path = self.key(name);
        Some(self.read_inner(path, values, read))
    }

    /// Reports the remaining keys as unknown; `explain` can supply a better message for a key.
    pub(super) fn finish(&mut self, explain: impl Fn(&str) -> Option<String>) {
        for name in std::mem::take(&mut self.values).into_keys() {
            let message = explain(&name).unwrap_or_else(|| {
                let place = find_place(&replace_indexes(&self.path), &name);
                unknown_key(&name, &self.requested, place.as_deref())
            });
            self.problem(&name, message);
        }
    }

    pub(super) fn read_inner<T>(
        &mut self,
        path: String,
        values: Dict,
        read: impl FnOnce(&mut TableReader<'_, 'e>) -> T,
    ) -> T {
        let mut table = TableReader {
            reader: self.reader,
            path,
            values,
            requested: Vec::new(),
        };
        let value = read(&mut table);
        table.finish(|_| None);
        value
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.requested.push(name);
        let key = self.key(name);
        self.reader.requested.insert(replace_indexes(&key));
        self.values.remove(name)
    }

    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

/// Whether the text is `$NAME` or `${NAME}`, which shells and Compose replace.
fn is_variable(text: &str) -> bool {
    let Some(name) = text.strip_prefix('$') else {
        return false;
    };
    let in_braces = name.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    let name = in_braces.unwrap_or(name);
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub(super) fn to_whole_number(value: &Value) -> Option<u32> {
    match value {
        // Values from the environment are always texts.
        Value::String(_, text) => text.trim().parse().ok(),
        number => number.deserialize().ok(),
    }
}

/// `accounts[0].id` becomes `accounts[].id`.
pub(super) fn replace_indexes(key: &str) -> String {
    let mut outside = true;
    key.chars()
        .filter(|&character| {
            outside |= character == ']';
            let keep = outside;
            outside &= character != '[';
            keep
        })
        .collect()
}
