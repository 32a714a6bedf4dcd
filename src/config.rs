//! The configuration: file and environment merged into one validated value.

use std::path::PathBuf;

use crate::domain::provider::Account;
use crate::domain::secret::Secret;

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
