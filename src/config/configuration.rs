//! The validated configuration and its defaults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::config::backup_schedule::BackupSchedule;
use crate::config::retention_days::RetentionDays;
use crate::domain::alert::AlertRule;
use crate::domain::budget::Budget;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::domain::secret::Secret;

pub const MIN_SECRET_KEY_BYTES: usize = 32;
/// The folder in `data_dir` for backups before migrations.
pub(super) const MIGRATION_BACKUPS_FOLDER: &str = "backups";
pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
pub(super) const DEFAULT_DATA_DIR: &str = "data";
pub(super) const DEFAULT_DATABASE_CONNECTIONS: u32 = 12;

#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from, absolute.
    pub file: Option<PathBuf>,
    /// Keys whose secret is in an environment variable, each with the variable: `accounts[0].api_key`.
    pub secret_variables: BTreeMap<String, String>,
    /// Keys whose secret is an unreplaced variable such as `$NAME`.
    pub unreplaced_variables: Vec<String>,
    pub listen: String,
    /// Address of a second listener, for callbacks only; the first then serves none.
    pub callback_listen: Option<String>,
    /// Where providers reach us. No trailing slash; may have a path.
    pub public_url: String,
    /// Folder for databases, spool, uploads and the generated secret key.
    pub data_dir: PathBuf,
    /// `sqlite://path` or `postgres://…`.
    pub database_url: Secret,
    /// Maximum number of PostgreSQL connections of this process, in all pools together.
    pub database_connections: u32,
    /// Every other key is derived from it. `None`: generated in `data_dir` for a new SQLite
    /// database.
    pub secret_key: Option<Secret>,
    /// Earlier keys that still verify tokens.
    pub secret_key_previous: Vec<Secret>,
    /// The time zone of the days in reports.
    pub report_time_zone: chrono_tz::Tz,
    pub retention: RetentionDays,
    /// `None`: no scheduled backups.
    pub backup: Option<BackupSchedule>,
    /// Proxies whose `Forwarded` and `X-Forwarded-For` headers are trusted to name the client.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that are not public, but from which media may be fetched for checks.
    pub media_networks: Vec<IpNet>,
    /// The rates of messages, as CSV.
    pub rates_file: Option<PathBuf>,
    /// What all accounts may cost per month.
    pub monthly_budget: Option<Budget>,
    pub accounts: Vec<Account>,
    pub alerts: Vec<AlertRule>,
}

impl Config {
    /// The configuration of an empty file, with all data in `data_dir`.
    pub fn in_folder(data_dir: PathBuf) -> Self {
        Self {
            file: None,
            secret_variables: BTreeMap::new(),
            unreplaced_variables: Vec::new(),
            listen: DEFAULT_LISTEN.to_owned(),
            callback_listen: None,
            public_url: format!("http://{DEFAULT_LISTEN}"),
            database_url: default_database(&data_dir),
            database_connections: DEFAULT_DATABASE_CONNECTIONS,
            data_dir,
            secret_key: None,
            media_networks: Vec::new(),
            rates_file: None,
            monthly_budget: None,
            secret_key_previous: Vec::new(),
            report_time_zone: chrono_tz::UTC,
            retention: RetentionDays::default(),
            backup: None,
            trusted_proxies: Vec::new(),
            accounts: Vec::new(),
            alerts: Vec::new(),
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

    /// The folder for backups before migrations.
    pub fn migration_backups(&self) -> PathBuf {
        self.data_dir.join(MIGRATION_BACKUPS_FOLDER)
    }

    /// The folders in which `serve` makes backups.
    pub fn backup_folders(&self) -> Vec<PathBuf> {
        let scheduled = self.backup.as_ref();
        let scheduled = scheduled.map(|schedule| schedule.directory.clone());
        std::iter::once(self.migration_backups())
            .chain(scheduled)
            .collect()
    }

    /// The environment variables that the secrets of an account come from, with their keys.
    pub fn variables_of(&self, account: &AccountId) -> Vec<(&str, &str)> {
        let place = self.accounts.iter().position(|it| it.id == *account);
        let Some(place) = place else {
            return Vec::new();
        };
        let prefix = format!("accounts[{place}].");
        let variables = self.secret_variables.iter();
        variables
            .filter_map(|(key, variable)| Some((key.strip_prefix(&prefix)?, variable.as_str())))
            .collect()
    }

    pub fn uses_postgres(&self) -> bool {
        is_postgres(self.database_url.expose())
    }
}

pub(super) fn default_database(data_dir: &Path) -> Secret {
    Secret::new(format!(
        "sqlite://{}",
        data_dir.join("bluetick.db").display()
    ))
}

pub(super) fn is_postgres(database_url: &str) -> bool {
    database_url.starts_with("postgres")
}
