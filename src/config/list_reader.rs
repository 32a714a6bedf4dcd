//! Reads lists of a table. An absent key gives an empty list. Invalid elements are reported and
//! left out.

use std::fmt::Display;

use figment::value::Value;

use crate::config::config_reader::ConfigReader;
use crate::config::table_reader::{TableReader, replace_indexes, to_whole_number};
use crate::domain::secret::Secret;

impl<'e> TableReader<'_, 'e> {
    pub(super) fn secrets(&mut self, name: &'static str) -> Vec<Secret> {
        self.read_strings(name, ConfigReader::secret)
    }

    pub(super) fn parse_each<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        self.read_strings(name, |_, text| parse(text))
    }

    /// Whether the key has a list without elements, and was not read yet.
    pub(super) fn is_empty_list(&self, name: &str) -> bool {
        matches!(self.peek(name), Some(Value::Array(_, items)) if items.is_empty())
    }

    fn read_strings<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&ConfigReader<'e>, &str) -> Result<T, E>,
    ) -> Vec<T> {
        let texts = self.list(name, "a list of quoted strings", Value::into_string);
        let mut parsed = Vec::new();
        for (index, text) in texts {
            match parse(self.reader, &text) {
                Ok(value) => parsed.push(value),
                Err(error) => self.problem(&format!("{name}[{index}]"), error),
            }
        }
        parsed
    }

    pub(super) fn read_whole_numbers(&mut self, name: &'static str) -> Vec<u32> {
        let numbers = self.list(name, "a list of whole numbers", |value| {
            to_whole_number(&value)
        });
        numbers.into_iter().map(|(_, number)| number).collect()
    }

    pub(super) fn read_tables<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut TableReader<'_, 'e>) -> Option<T>,
    ) -> Vec<T> {
        // `accounts[0].callback_auth.basic` is written as `[[accounts.callback_auth.basic]]`.
        let header = replace_indexes(&self.key(name)).replace("[]", "");
        let expected = format!("an array of tables, written as [[{header}]]");
        let tables = self.list(name, &expected, Value::into_dict);
        let mut parsed = Vec::new();
        for (index, values) in tables {
            let path = format!("{}[{index}]", self.key(name));
            parsed.extend(self.read_inner(path, values, &mut read));
        }
        parsed
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        convert: impl Fn(Value) -> Option<T>,
    ) -> Vec<(usize, T)> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Value::Array(_, items)) => items,
            Some(_) => {
                self.problem(name, format!("must be {expected}"));
                return Vec::new();
            }
        };
        let mut converted = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            match convert(item) {
                Some(item) => converted.push((index, item)),
                None => self.problem(name, format!("must be {expected}")),
            }
        }
        converted
    }
}
