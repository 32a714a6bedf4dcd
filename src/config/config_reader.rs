//! State shared while one configuration is read: overrides, secrets, and the problems found so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::config::environment::{Environment, Overrides};
use crate::config::problem::ConfigProblem;
use crate::domain::secret::Secret;

pub(super) struct ConfigReader<'e> {
    /// The folder that relative paths start at.
    folder: PathBuf,
    environment: &'e Environment,
    /// Overridden keys, each with its environment variable.
    overridden: BTreeMap<String, String>,
    /// Keys whose secret is in an environment variable, each with the variable.
    pub(super) secret_variables: BTreeMap<String, String>,
    /// Keys whose secret is an unreplaced variable such as `$NAME`, in the order of the file.
    pub(super) unreplaced_variables: Vec<String>,
    pub(super) problems: Vec<ConfigProblem>,
    /// Every requested key, without list indexes: `accounts[].id`. Compared with the reference by a
    /// test.
    pub(super) requested: BTreeSet<String>,
}

impl<'e> ConfigReader<'e> {
    pub(super) fn new(folder: &Path, environment: &'e Environment) -> Self {
        Self {
            folder: folder.to_owned(),
            environment,
            overridden: BTreeMap::new(),
            secret_variables: BTreeMap::new(),
            unreplaced_variables: Vec::new(),
            problems: Vec::new(),
            requested: BTreeSet::new(),
        }
    }

    pub(super) fn apply_overrides(&mut self, overrides: &Overrides) {
        self.overridden.clone_from(&overrides.keys);
        self.problems.extend_from_slice(&overrides.problems);
    }

    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn add_problem(&mut self, key: String, message: impl Display) {
        let message = match self.overridden.get(&key) {
            Some(variable) => format!("{message} (from {variable})"),
            None => message.to_string(),
        };
        self.problems.push(ConfigProblem { key, message });
    }

    /// Resolves a literal, `env:NAME` or `file:PATH`. Error messages never contain the secret.
    pub(super) fn secret(&self, text: &str) -> Result<Secret, String> {
        let text = if let Some(name) = text.strip_prefix("env:") {
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
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(Secret::new(secret))
    }
}
