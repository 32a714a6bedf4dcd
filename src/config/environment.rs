//! The environment: `BLUETICK_…` variables that override configuration keys.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use crate::config::problem::{ConfigProblem, nearest};
use crate::config::reference::KEYS;

pub type Environment = BTreeMap<String, String>;

const PREFIX: &str = "BLUETICK_";
/// Variables that are not configuration keys.
const RESERVED: &[&str] = &["BLUETICK_CONFIG", "BLUETICK_LOG"];

/// The variables of this process that are valid UTF-8.
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

pub(super) struct Overrides {
    values: Dict,
    /// Overridden keys, each with its variable.
    pub(super) keys: BTreeMap<String, String>,
    /// Unknown `BLUETICK_…` variables.
    pub(super) problems: Vec<ConfigProblem>,
}

impl Overrides {
    /// Reads every `BLUETICK_…` variable except those that the file refers to as `env:NAME`.
    pub(super) fn read(environment: &Environment, file: &Dict) -> Self {
        let mut overrides = Self {
            values: Dict::new(),
            keys: BTreeMap::new(),
            problems: Vec::new(),
        };
        let known: BTreeMap<String, &str> = KEYS
            .iter()
            .filter_map(|key| Some((key.variable()?, key.name)))
            .collect();
        let mut referenced = BTreeSet::new();
        collect_referenced(file.values(), &mut referenced);
        for (variable, text) in environment {
            if let Some(key) = known.get(variable) {
                set(&mut overrides.values, key, text);
                overrides.keys.insert((*key).to_owned(), variable.clone());
            } else if variable.starts_with(PREFIX)
                && !RESERVED.contains(&variable.as_str())
                && !referenced.contains(variable)
                && !is_service_link(variable)
            {
                overrides.problems.push(ConfigProblem {
                    key: variable.clone(),
                    message: unknown_variable(variable, known.keys()),
                });
            }
        }
        overrides
    }
}

impl Provider for Overrides {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Names are compared without their common prefix.
fn unknown_variable<'k>(variable: &str, known: impl Iterator<Item = &'k String>) -> String {
    let without_prefix = |name: &'k str| name.strip_prefix(PREFIX).unwrap_or(name);
    let names: Vec<&str> = known.map(|name| without_prefix(name)).collect();
    let wanted = variable.strip_prefix(PREFIX).unwrap_or(variable);
    match nearest(wanted, &names) {
        Some(name) => format!("unknown key, did you mean {PREFIX}{name}?"),
        None => "unknown key: there is no such setting, and no `env:` refers to it".to_owned(),
    }
}

/// Whether Kubernetes sets the variable for a service named `bluetick`.
fn is_service_link(variable: &str) -> bool {
    variable == "BLUETICK_PORT"
        || variable.starts_with("BLUETICK_PORT_")
        || variable.starts_with("BLUETICK_SERVICE_")
}

fn collect_referenced<'v>(
    values: impl IntoIterator<Item = &'v Value>,
    referenced: &mut BTreeSet<String>,
) {
    for value in values {
        match value {
            Value::String(_, text) => {
                referenced.extend(text.strip_prefix("env:").map(str::to_owned));
            }
            Value::Array(_, items) => collect_referenced(items, referenced),
            Value::Dict(_, inner) => collect_referenced(inner.values(), referenced),
            _ => {}
        }
    }
}

fn set(values: &mut Dict, key: &str, text: &str) {
    match key.split_once('.') {
        None => {
            values.insert(key.to_owned(), Value::from(text));
        }
        Some((section, rest)) => {
            let inner = values
                .entry(section.to_owned())
                .or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                set(inner, rest, text);
            }
        }
    }
}
