//! Reading one section of the configuration key by key, while every problem is collected under its key.
//!
//! Knows TOML's shapes, secrets and files, but no key's meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::value::{Dict, Value};

use crate::config::environment::Overrides;
use crate::config::{Environment, Problem};
use crate::domain::secret::Secret;

/// The longest duration that can be configured.
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// How alike two words must be for one to be suggested in place of the other.
const ALIKE: f64 = 0.75;

/// What is shared while one configuration is read.
pub(super) struct Reading<'e> {
    /// Relative paths start here.
    folder: PathBuf,
    environment: &'e Environment,
    /// Keys that the environment overrides, each with its variable.
    overridden: BTreeMap<String, String>,
    /// Everything found wrong so far.
    pub(super) problems: Vec<Problem>,
    /// Every key that was asked for, positions in lists left out: `accounts[].id`.
    pub(super) asked: BTreeSet<String>,
}

impl<'e> Reading<'e> {
    /// Starts to read a file of `folder`.
    pub(super) fn new(folder: &Path, environment: &'e Environment) -> Self {
        Self {
            folder: folder.to_owned(),
            environment,
            overridden: BTreeMap::new(),
            problems: Vec::new(),
            asked: BTreeSet::new(),
        }
    }

    /// Notes which keys come from the environment, and what is wrong there.
    pub(super) fn override_by(&mut self, overrides: &Overrides) {
        self.overridden.clone_from(&overrides.keys);
        self.problems.extend_from_slice(&overrides.problems);
    }

    /// The top level of the file.
    pub(super) fn section(&mut self, values: Dict) -> Section<'_, 'e> {
        Section {
            reading: self,
            path: String::new(),
            values,
            asked: Vec::new(),
        }
    }

    /// A path as the file means it: relative ones start at the file's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn add(&mut self, key: String, message: impl Display) {
        let message = match self.overridden.get(&key) {
            Some(variable) => format!("{message} (from {variable})"),
            None => message.to_string(),
        };
        self.problems.push(Problem { key, message });
    }

    /// The text behind a literal, `env:NAME` or `file:PATH`; never part of a message.
    fn secret(&self, text: &str) -> Result<Secret, String> {
        let found = if let Some(name) = text.strip_prefix("env:") {
            self.environment
                .get(name)
                .ok_or_else(|| format!("environment variable {name} is not set"))?
                .clone()
        } else if let Some(path) = text.strip_prefix("file:") {
            let path = self.resolve(path);
            std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?
        } else {
            text.to_owned()
        };
        let found = found.strip_suffix('\n').unwrap_or(&found);
        let found = found.strip_suffix('\r').unwrap_or(found);
        if found.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(Secret::new(found))
    }
}

/// One table of the file. What nobody asks for by the time it is finished is an unknown key.
pub(super) struct Section<'r, 'e> {
    reading: &'r mut Reading<'e>,
    path: String,
    values: Dict,
    asked: Vec<&'static str>,
}

impl<'e> Section<'_, 'e> {
    /// Notes a problem with one key.
    pub(super) fn problem(&mut self, name: &str, message: impl Display) {
        let key = self.key(name);
        self.reading.add(key, message);
    }

    /// A path as the file means it.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.reading.resolve(path)
    }

    /// Whether the key is there and was not read yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Reads a key that must be there.
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

    /// A text that is not empty.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(_, text) if text.trim().is_empty() => {
                self.problem(name, "is empty");
                None
            }
            Value::String(_, text) => Some(text),
            _ => {
                self.problem(name, "must be a text in quotes");
                None
            }
        }
    }

    /// A text with a meaning.
    pub(super) fn parse<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|error| self.problem(name, error)).ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.parse(name, |text| {
            let known = words.iter().find(|(word, _)| *word == text);
            known.map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("`{text}` is not one of {}", words.join(", "))
            })
        })
    }

    /// A literal, `env:NAME` or `file:PATH`.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<Secret> {
        let text = self.text(name)?;
        self.reading
            .secret(&text)
            .map_err(|error| self.problem(name, error))
            .ok()
    }

    /// A list of secrets; absent is empty.
    pub(super) fn secrets(&mut self, name: &'static str) -> Vec<Secret> {
        let texts = self.list(name, "texts in quotes", Value::into_string);
        let mut secrets = Vec::new();
        for (place, text) in texts {
            match self.reading.secret(&text) {
                Ok(secret) => secrets.push(secret),
                Err(error) => self.problem(&format!("{name}[{place}]"), error),
            }
        }
        secrets
    }

    /// A list of texts, each parsed; absent is empty.
    pub(super) fn parse_each<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let texts = self.list(name, "texts in quotes", Value::into_string);
        let mut parsed = Vec::new();
        for (place, text) in texts {
            match parse(&text) {
                Ok(value) => parsed.push(value),
                Err(error) => self.problem(&format!("{name}[{place}]"), error),
            }
        }
        parsed
    }

    /// A whole number.
    pub(super) fn whole(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.take(name)?;
        let number = whole_number(&value).filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.problem(
                name,
                format!("must be a whole number from {least} to {most}"),
            );
        }
        number
    }

    /// A list of whole numbers; absent is empty.
    pub(super) fn wholes(&mut self, name: &'static str) -> Vec<u32> {
        self.list(name, "whole numbers", |value| whole_number(&value))
            .into_iter()
            .map(|(_, number)| number)
            .collect()
    }

    /// A number above zero.
    pub(super) fn positive(&mut self, name: &'static str) -> Option<f64> {
        let number = match self.take(name)? {
            Value::Num(_, number) => number.to_f64().or_else(|| {
                number
                    .to_i128()
                    .and_then(|n| i32::try_from(n).ok())
                    .map(f64::from)
            }),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite() && *number > 0.0);
        if number.is_none() {
            self.problem(name, "must be a number above 0");
        }
        number
    }

    /// A duration as people write it: `30s`, `10m`, `24h`.
    pub(super) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.parse(name, |text| match humantime::parse_duration(text) {
            Err(_) => Err(format!("`{text}` is not a duration; write 30s, 10m or 24h")),
            Ok(duration) if duration.is_zero() => Err("must be longer than nothing".to_owned()),
            Ok(duration) if duration > LONGEST => Err("must be at most 366 days".to_owned()),
            Ok(duration) => Ok(duration),
        })
    }

    /// Reads a table inside this one.
    pub(super) fn within<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Section<'_, 'e>) -> T,
    ) -> Option<T> {
        let Some(values) = self.take(name)?.into_dict() else {
            self.problem(name, "must be a table");
            return None;
        };
        let path = self.key(name);
        Some(self.inner(path, values, read))
    }

    /// Reads every table of a list; absent is empty.
    pub(super) fn each<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'e>) -> Option<T>,
    ) -> Vec<T> {
        let tables = self.list(name, "tables", Value::into_dict);
        let mut found = Vec::new();
        for (place, values) in tables {
            let path = format!("{}[{place}]", self.key(name));
            found.extend(self.inner(path, values, &mut read));
        }
        found
    }

    /// Ends the section: keys that nobody asked for are unknown. `stray` may know better what to say of one.
    pub(super) fn finish(&mut self, stray: impl Fn(&str) -> Option<String>) {
        for name in std::mem::take(&mut self.values).into_keys() {
            let message = stray(&name).unwrap_or_else(|| unknown(&name, &self.asked));
            self.problem(&name, message);
        }
    }

    fn inner<T>(
        &mut self,
        path: String,
        values: Dict,
        read: impl FnOnce(&mut Section<'_, 'e>) -> T,
    ) -> T {
        let mut section = Section {
            reading: self.reading,
            path,
            values,
            asked: Vec::new(),
        };
        let found = read(&mut section);
        section.finish(|_| None);
        found
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        of: &str,
        convert: impl Fn(Value) -> Option<T>,
    ) -> Vec<(usize, T)> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Value::Array(_, items)) => items,
            Some(_) => {
                self.problem(name, format!("must be a list of {of}"));
                return Vec::new();
            }
        };
        let mut converted = Vec::new();
        for (place, item) in items.into_iter().enumerate() {
            match convert(item) {
                Some(item) => converted.push((place, item)),
                None => self.problem(name, format!("must be a list of {of}")),
            }
        }
        converted
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.asked.push(name);
        let key = self.key(name);
        self.reading.asked.insert(without_places(&key));
        self.values.remove(name)
    }

    fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

/// What is said of a key that does not exist.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (strsim::jaro_winkler(name, word), word))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((likeness, word)) if likeness >= ALIKE => {
            format!("unknown key, did you mean {word}?")
        }
        _ => "unknown key".to_owned(),
    }
}

fn whole_number(value: &Value) -> Option<u32> {
    match value {
        Value::Num(_, number) => number
            .to_i128()
            .or_else(|| number.to_u128().and_then(|n| i128::try_from(n).ok()))
            .and_then(|n| u32::try_from(n).ok()),
        // The environment knows only texts.
        Value::String(_, text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn without_places(key: &str) -> String {
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
