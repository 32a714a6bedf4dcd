//! The configuration: file and environment merged into one validated value. All problems are reported together, by key.

mod account;
mod address;
mod callback_auth;
mod callback_field_names;
mod config_reader;
mod environment;
mod problem;
pub mod reference;
mod table_reader;
mod warnings;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::Dict;

pub use account::account_with_defaults;
pub use environment::{Environment, process_environment};
pub use problem::{ConfigErrors, ConfigProblem};

use crate::config::account::read_account;
use crate::config::address::{parse_address, parse_database, parse_listen};
use crate::config::config_reader::ConfigReader;
use crate::config::environment::Overrides;
use crate::config::table_reader::TableReader;
use crate::domain::provider_account::Account;
use crate::domain::secret::Secret;

/// Read if no file is named and it exists.
pub const DEFAULT_FILE: &str = "bluetick.toml";
/// Minimum length of a secret key, in bytes.
pub const SECRET_KEY_BYTES: usize = 32;

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_DATA_DIR: &str = "data";
/// A hundred years, in days. A larger number is a typing error.
const MAX_RETENTION: u32 = 36_500;

/// The validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: String,
    /// Where providers reach us. No trailing slash; may have a path.
    pub public_url: String,
    /// Folder for databases, spool, uploads and the generated secret key.
    pub data_dir: PathBuf,
    /// `sqlite://path` or `postgres://…`.
    pub database_url: Secret,
    /// Every other key is derived from it. `None`: generated in `data_dir` for a new SQLite database.
    pub secret_key: Option<Secret>,
    /// Earlier keys that still verify tokens.
    pub secret_key_previous: Vec<Secret>,
    /// Zone in which reports begin their days.
    pub report_time_zone: chrono_tz::Tz,
    pub retention: RetentionDays,
    pub accounts: Vec<Account>,
}

/// In days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionDays {
    pub callbacks: u32,
    /// Messages and everything that belongs to them.
    pub messages: u32,
}

impl Default for RetentionDays {
    fn default() -> Self {
        Self {
            callbacks: 90,
            messages: 400,
        }
    }
}

impl Config {
    /// The configuration of an empty file, with all data in `data_dir`.
    pub fn in_folder(data_dir: PathBuf) -> Self {
        Self {
            listen: DEFAULT_LISTEN.to_owned(),
            public_url: format!("http://{DEFAULT_LISTEN}"),
            database_url: default_database(&data_dir),
            data_dir,
            secret_key: None,
            secret_key_previous: Vec::new(),
            report_time_zone: chrono_tz::UTC,
            retention: RetentionDays::default(),
            accounts: Vec::new(),
        }
    }

    /// Reads `path`, else the file named by `BLUETICK_CONFIG`, else `bluetick.toml` if it exists, and applies
    /// overrides from `environment`.
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
        let text = std::fs::read_to_string(&path)
            .map_err(|error| whole_file(&path, format!("cannot be read: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder, environment).map_err(|mut errors| {
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

    /// The public URL once the port is known: `http://{bound}` if none was configured.
    pub fn public_url_at(&self, bound: SocketAddr) -> String {
        if self.public_url == format!("http://{}", self.listen) {
            format!("http://{bound}")
        } else {
            self.public_url.clone()
        }
    }

    /// Every key that is requested while `text` is read, without list indexes: `accounts[].id`.
    #[doc(hidden)]
    pub fn requested_keys(text: &str, environment: &Environment) -> BTreeSet<String> {
        let mut reader = ConfigReader::new(Path::new(""), environment);
        let _ = read_merged(text, environment, &mut reader);
        reader.requested
    }

    pub fn uses_postgres(&self) -> bool {
        is_postgres(self.database_url.expose())
    }
}

fn read_merged(
    text: &str,
    environment: &Environment,
    reader: &mut ConfigReader<'_>,
) -> Result<Config, ConfigErrors> {
    let file = Figment::from(Toml::string(text));
    let values: Dict = file.extract().map_err(|error| not_toml(&error))?;
    let overrides = Overrides::read(environment, &values);
    reader.apply_overrides(&overrides);
    let merged: Dict = file
        .merge(overrides)
        .extract()
        .map_err(|error| not_toml(&error))?;
    let mut top = TableReader::top_level(reader, merged);
    let config = read_config(&mut top);
    top.finish(|_| None);
    Ok(config)
}

fn read_config(top: &mut TableReader<'_, '_>) -> Config {
    let listen = top
        .parse("listen", parse_listen)
        .unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let public_url = top
        .parse("public_url", parse_address)
        .unwrap_or_else(|| format!("http://{listen}"));
    let data_dir = top
        .text("data_dir")
        .unwrap_or_else(|| DEFAULT_DATA_DIR.to_owned());
    let data_dir = top.resolve(&data_dir);
    let database_url = read_database(top).unwrap_or_else(|| default_database(&data_dir));
    let secret_key = read_secret_key(top, &database_url);
    let report_time_zone = top.parse("report_time_zone", |text| {
        text.parse::<chrono_tz::Tz>()
            .map_err(|_| format!("`{text}` is not a time zone; write a name such as Asia/Kolkata"))
    });
    let retention = top.within("retention", read_retention);
    let secret_key_previous = top.secrets("secret_key_previous");
    let mut taken = BTreeSet::new();
    let accounts = top.each("accounts", |account| read_account(account, &mut taken));
    Config {
        listen,
        public_url,
        data_dir,
        database_url,
        secret_key,
        secret_key_previous,
        report_time_zone: report_time_zone.unwrap_or(chrono_tz::UTC),
        retention: retention.unwrap_or_default(),
        accounts,
    }
}

fn read_retention(table: &mut TableReader<'_, '_>) -> RetentionDays {
    let defaults = RetentionDays::default();
    let callbacks = table.whole_number("callbacks", 1..=MAX_RETENTION);
    let messages = table.whole_number("messages", 1..=MAX_RETENTION);
    let messages = messages.unwrap_or(defaults.messages);
    let retention = RetentionDays {
        callbacks: callbacks.unwrap_or(defaults.callbacks.min(messages)),
        messages,
    };
    if retention.messages < retention.callbacks {
        // Replaying a callback would otherwise create a purged message again.
        let days = retention.callbacks;
        table.problem(
            "messages",
            format!("must not be less than retention.callbacks ({days}): a message must outlive its callbacks"),
        );
    }
    retention
}

fn read_database(top: &mut TableReader<'_, '_>) -> Option<Secret> {
    let url = top.secret("database_url")?;
    match parse_database(url.expose(), |path| top.resolve(path)) {
        Ok(url) => Some(Secret::new(url)),
        Err(error) => {
            top.problem("database_url", error);
            None
        }
    }
}

fn read_secret_key(top: &mut TableReader<'_, '_>, database_url: &Secret) -> Option<Secret> {
    if !top.has("secret_key") && is_postgres(database_url.expose()) {
        top.problem("secret_key", "is required with PostgreSQL");
    }
    let key = top.secret("secret_key")?;
    let bytes = key.expose().len();
    if bytes < SECRET_KEY_BYTES {
        top.problem(
            "secret_key",
            format!("has {bytes} bytes; it needs at least {SECRET_KEY_BYTES}"),
        );
    }
    Some(key)
}

fn default_database(data_dir: &Path) -> Secret {
    Secret::new(format!(
        "sqlite://{}",
        data_dir.join("bluetick.db").display()
    ))
}

fn is_postgres(database_url: &str) -> bool {
    database_url.starts_with("postgres")
}

fn whole_file(path: &Path, message: String) -> ConfigErrors {
    ConfigErrors(vec![ConfigProblem {
        key: path.display().to_string(),
        message,
    }])
}

/// Shows position and reason of a syntax error, not the line: it may contain a secret.
fn not_toml(error: &figment::Error) -> ConfigErrors {
    let text = error.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let place = lines.next().unwrap_or("not TOML").to_owned();
    let message = match lines.next_back() {
        Some(reason) => format!("{place}: {reason}"),
        None => place,
    };
    ConfigErrors(vec![ConfigProblem {
        key: String::new(),
        message,
    }])
}
