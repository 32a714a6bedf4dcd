//! The configuration: file and environment merged into one validated value. All problems are
//! reported together, by key.

mod account;
mod address;
mod alert_table;
mod backup_schedule;
mod budget_key;
mod callback_auth;
mod callback_field_names;
mod config_reader;
mod configuration;
mod credential_keys;
mod environment;
mod list_reader;
mod misplaced_key;
mod problem;
pub mod reference;
mod retention_days;
mod table_reader;
mod time_zone;
mod top_level;
mod warnings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::Dict;

pub use account::account_with_defaults;
pub use address::{Reachability, are_providers_local, reachability};
pub use alert_table::SIGNING_KEY_PREFIX;
pub use backup_schedule::BackupSchedule;
pub use configuration::{Config, MIN_SECRET_KEY_BYTES};
pub use environment::{Environment, process_environment};
pub use problem::{ConfigErrors, ConfigProblem};
pub use retention_days::RetentionDays;

use crate::config::config_reader::ConfigReader;
use crate::config::environment::Overrides;
use crate::config::table_reader::TableReader;
use crate::config::top_level::read_config;

/// Read, if it exists, when no file is named.
pub const DEFAULT_FILE: &str = "bluetick.toml";

impl Config {
    /// Reads `path`, else the file named by `BLUETICK_CONFIG`, else `bluetick.toml` if it exists,
    /// and applies overrides from `environment`.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Self, ConfigErrors> {
        let named = environment.get("BLUETICK_CONFIG").map(PathBuf::from);
        let path = match (path, named) {
            (Some(path), _) => Some(path.to_owned()),
            (None, Some(named)) => Some(named),
            (None, None) => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
        };
        let Some(path) = path else {
            return Self::parse("", Path::new(""), environment);
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let config = std::fs::read_to_string(&path)
            .map_err(|error| file_problem(format!("cannot be read: {error}")))
            .and_then(|text| Self::parse(&text, folder, environment));
        let config = config.map(|config| Self {
            file: Some(std::path::absolute(&path).unwrap_or_else(|_| path.clone())),
            ..config
        });
        config.map_err(|mut errors| {
            for problem in &mut errors.0 {
                if problem.key.is_empty() {
                    problem.key = path.display().to_string();
                }
            }
            errors
        })
    }

    /// Relative paths in `text` start at `folder`.
    pub fn parse(
        text: &str,
        folder: &Path,
        environment: &Environment,
    ) -> Result<Self, ConfigErrors> {
        let mut reader = ConfigReader::new(folder, environment);
        let config = read_merged(text, environment, &mut reader)?;
        if reader.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(reader.problems))
        }
    }

    /// Every key that is requested while `text` is read, without list indexes: `accounts[].id`.
    #[doc(hidden)]
    pub fn requested_keys(text: &str, environment: &Environment) -> BTreeSet<String> {
        let mut reader = ConfigReader::new(Path::new(""), environment);
        let _ = read_merged(text, environment, &mut reader);
        reader.requested
    }
}

fn read_merged(
    text: &str,
    environment: &Environment,
    reader: &mut ConfigReader<'_>,
) -> Result<Config, ConfigErrors> {
    let file = Figment::from(Toml::string(text));
    let values: Dict = file.extract().map_err(|error| syntax_error(&error))?;
    let overrides = Overrides::read(environment, &values);
    reader.apply_overrides(&overrides);
    let merged: Dict = file
        .merge(overrides)
        .extract()
        .map_err(|error| syntax_error(&error))?;
    let mut top = TableReader::top_level(reader, merged);
    let config = read_config(&mut top);
    top.finish(|_| None);
    Ok(config)
}

/// A problem of the whole file. [`Config::load`] sets the path as its key.
fn file_problem(message: String) -> ConfigErrors {
    ConfigErrors(vec![ConfigProblem {
        key: String::new(),
        message,
    }])
}

/// Shows position and reason of a syntax error, not the line: it may contain a secret.
fn syntax_error(error: &figment::Error) -> ConfigErrors {
    // Displaying the error itself would append its source.
    let text = error.kind.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let position = lines.next().unwrap_or("not TOML").to_owned();
    file_problem(match lines.next_back() {
        Some(reason) => format!("{position}: {reason}"),
        None => position,
    })
}
