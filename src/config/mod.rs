//! The configuration: file and environment merged into one validated value, every problem reported at once by its key.
//!
//! Does not open databases and makes no keys: `keys` and `store` do.

mod account;
mod address;
mod callback_auth;
mod callback_fields;
mod environment;
mod problem;
mod reading;
pub mod reference;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::Dict;

pub use account::account_with_defaults;
pub use problem::{ConfigErrors, Problem};

use crate::config::account::read_account;
use crate::config::address::{Reach, parse_address, parse_database, parse_listen, reach};
use crate::config::environment::Overrides;
use crate::config::reading::{Reading, Section};
use crate::domain::provider::{Account, Mode};
use crate::domain::secret::Secret;

/// Environment variables by name.
pub type Environment = BTreeMap<String, String>;

/// The file that is read when none is named and it is there.
pub const DEFAULT_FILE: &str = "bluetick.toml";
/// The fewest bytes of a secret key.
pub const SECRET_KEY_BYTES: usize = 32;

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_DATA_DIR: &str = "data";
/// A hundred years: longer overflows no calendar, and is a slip of the finger.
const LONGEST_RETENTION: u32 = 36_500;

/// Everything that can be configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: String,
    /// Where providers reach us, without trailing slash; may have a path.
    pub public_url: String,
    /// Folder for databases, spool, uploads and the made secret key.
    pub data_dir: PathBuf,
    /// `sqlite://path` or `postgres://…`.
    pub database_url: Secret,
    /// The root of every derived key; absent: made in `data_dir` for a new SQLite database.
    pub secret_key: Option<Secret>,
    /// Earlier keys that still verify.
    pub secret_key_previous: Vec<Secret>,
    /// Zone of days in reports.
    pub report_time_zone: chrono_tz::Tz,
    /// How long things are kept.
    pub retention: Retention,
    /// Logins at providers.
    pub accounts: Vec<Account>,
}

/// How long things are kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Raw callbacks.
    pub callbacks: u32,
    /// Messages and all that belongs to them.
    pub messages: u32,
}

impl Default for Retention {
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
            retention: Retention::default(),
            accounts: Vec::new(),
        }
    }

    /// Reads the file at `path` — or the one `BLUETICK_CONFIG` names, or `bluetick.toml` where it exists — and what `environment` overrides.
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

    /// Reads the text of a file whose relative paths start at `folder`.
    pub fn parse(
        text: &str,
        folder: &Path,
        environment: &Environment,
    ) -> Result<Self, ConfigErrors> {
        let mut reading = Reading::new(folder, environment);
        let config = read_merged(text, environment, &mut reading)?;
        if reading.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(reading.problems))
        }
    }

    /// What works and yet is probably not meant, in words.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match reach(&self.public_url) {
            Reach::Machine => warnings.push(format!(
                "public_url: {} can only be reached from this machine; no provider can call back",
                self.public_url
            )),
            Reach::PrivateNetwork => warnings.push(format!(
                "public_url: {} can only be reached from a private network; no provider can call back",
                self.public_url
            )),
            Reach::Anywhere if self.public_url.starts_with("http://") => warnings.push(
                "public_url: is http; callbacks and sign-ins travel unencrypted".to_owned(),
            ),
            Reach::Anywhere => {}
        }
        for (place, account) in self.accounts.iter().enumerate() {
            if let Some(base_url) = &account.base_url
                && base_url.starts_with("http://")
            {
                warnings.push(format!(
                    "accounts[{place}].base_url: is http; {}'s keys travel unencrypted",
                    account.id
                ));
            }
            if account.mode == Mode::DryRun {
                warnings.push(format!(
                    "accounts[{place}].mode: is dry-run; {} hands nothing to {}",
                    account.id,
                    account.provider()
                ));
            }
        }
        warnings
    }

    /// The public address once the port is known: `bound` where nothing else was configured.
    pub fn public_url_at(&self, bound: SocketAddr) -> String {
        if self.public_url == format!("http://{}", self.listen) {
            format!("http://{bound}")
        } else {
            self.public_url.clone()
        }
    }

    /// Whether the database is PostgreSQL rather than SQLite.
    pub fn uses_postgres(&self) -> bool {
        is_postgres(self.database_url.expose())
    }
}

/// The variables of this process; those that are no UTF-8 are left out.
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn read_merged(
    text: &str,
    environment: &Environment,
    reading: &mut Reading<'_>,
) -> Result<Config, ConfigErrors> {
    let file = Figment::from(Toml::string(text));
    let values: Dict = file.extract().map_err(|error| not_toml(&error))?;
    let overrides = Overrides::read(environment, &values);
    reading.override_by(&overrides);
    let merged: Dict = file
        .merge(overrides)
        .extract()
        .map_err(|error| not_toml(&error))?;
    let mut top = reading.section(merged);
    let config = read_config(&mut top);
    top.finish(|_| None);
    Ok(config)
}

fn read_config(top: &mut Section<'_, '_>) -> Config {
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

fn read_retention(section: &mut Section<'_, '_>) -> Retention {
    let defaults = Retention::default();
    let callbacks = section.whole("callbacks", 1..=LONGEST_RETENTION);
    let messages = section.whole("messages", 1..=LONGEST_RETENTION);
    let messages = messages.unwrap_or(defaults.messages);
    let retention = Retention {
        callbacks: callbacks.unwrap_or(defaults.callbacks.min(messages)),
        messages,
    };
    if retention.messages < retention.callbacks {
        // Read again, a callback would make a message that is gone anew.
        let days = retention.callbacks;
        section.problem(
            "messages",
            format!("must not be less than retention.callbacks ({days}): messages outlive what was said of them"),
        );
    }
    retention
}

fn read_database(top: &mut Section<'_, '_>) -> Option<Secret> {
    let url = top.secret("database_url")?;
    match parse_database(url.expose(), |path| top.resolve(path)) {
        Ok(url) => Some(Secret::new(url)),
        Err(error) => {
            top.problem("database_url", error);
            None
        }
    }
}

fn read_secret_key(top: &mut Section<'_, '_>, database_url: &Secret) -> Option<Secret> {
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
    ConfigErrors(vec![Problem {
        key: path.display().to_string(),
        message,
    }])
}

/// The place and the reason of a syntax error; the line itself may hold a secret.
fn not_toml(error: &figment::Error) -> ConfigErrors {
    let text = error.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let place = lines.next().unwrap_or("not TOML").to_owned();
    let message = match lines.next_back() {
        Some(reason) => format!("{place}: {reason}"),
        None => place,
    };
    ConfigErrors(vec![Problem {
        key: String::new(),
        message,
    }])
}
