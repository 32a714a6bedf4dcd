//! The keys at the top level of the file.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use crate::config::account::read_account;
use crate::config::address::{parse_database_url, parse_http_url, parse_listen};
use crate::config::alert_table::read_alert;
use crate::config::backup_schedule::{BackupSchedule, read_backup};
use crate::config::budget_key::read_budget;
use crate::config::configuration::{
    Config, DEFAULT_DATA_DIR, DEFAULT_DATABASE_CONNECTIONS, DEFAULT_LISTEN,
    MIGRATION_BACKUPS_FOLDER, MIN_SECRET_KEY_BYTES, default_database, is_postgres,
};
use crate::config::retention_days::read_retention;
use crate::config::table_reader::TableReader;
use crate::config::time_zone::parse_time_zone;
use crate::domain::secret::Secret;

/// The main database and the journal each need one for writing and one for reading.
const MIN_DATABASE_CONNECTIONS: u32 = 4;
/// A larger number is a typo.
const MAX_DATABASE_CONNECTIONS: u32 = 1000;

pub(super) fn read_config(top: &mut TableReader<'_, '_>) -> Config {
    let listen = top
        .parse("listen", parse_listen)
        .unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let callback_listen = read_callback_listen(top, &listen);
    let public_url = top
        .parse("public_url", parse_http_url)
        .unwrap_or_else(|| format!("http://{listen}"));
    let data_dir = top
        .text("data_dir")
        .unwrap_or_else(|| DEFAULT_DATA_DIR.to_owned());
    let data_dir = top.resolve(&data_dir);
    let database_url = read_database(top).unwrap_or_else(|| default_database(&data_dir));
    let database_connections = top.whole_number(
        "database_connections",
        MIN_DATABASE_CONNECTIONS..=MAX_DATABASE_CONNECTIONS,
    );
    let secret_key = read_secret_key(top, &database_url);
    let report_time_zone = top.parse("report_time_zone", parse_time_zone);
    let retention = top.within("retention", read_retention);
    let backup = top.within("backup", read_backup).flatten();
    if backup.is_some() && is_postgres(database_url.expose()) {
        top.problem(
            "backup.directory",
            "is for SQLite; back up PostgreSQL with pg_dump",
        );
    }
    let is_migration_folder =
        |it: &BackupSchedule| it.directory == data_dir.join(MIGRATION_BACKUPS_FOLDER);
    if backup.as_ref().is_some_and(is_migration_folder) {
        top.problem(
            "backup.directory",
            "is the folder for backups before migrations, where only a few are kept; choose another one",
        );
    }
    let is_data_dir = |it: &BackupSchedule| same_folder(&it.directory, &data_dir);
    if backup.as_ref().is_some_and(is_data_dir) {
        top.problem(
            "backup.directory",
            "is data_dir, so the backups would be lost with the data; choose another folder, best on another disk",
        );
    }
    let trusted_proxies = top.parse_each("trusted_proxies", parse_network);
    let secret_key_previous = top.secrets("secret_key_previous");
    let media_networks = top.parse_each("media_networks", parse_network);
    let rates_file = top.text("rates_file").map(|path| top.resolve(&path));
    let monthly_budget = read_budget(top);
    let mut used_ids = BTreeSet::new();
    let accounts = top.read_tables("accounts", |account| read_account(account, &mut used_ids));
    let alerts = top.read_tables("alerts", read_alert);
    Config {
        file: None,
        secret_variables: std::mem::take(&mut top.reader.secret_variables),
        unreplaced_variables: std::mem::take(&mut top.reader.unreplaced_variables),
        listen,
        callback_listen,
        public_url,
        data_dir,
        database_url,
        database_connections: database_connections.unwrap_or(DEFAULT_DATABASE_CONNECTIONS),
        secret_key,
        secret_key_previous,
        report_time_zone: report_time_zone.unwrap_or(chrono_tz::UTC),
        retention: retention.unwrap_or_default(),
        backup,
        trusted_proxies,
        media_networks,
        rates_file,
        monthly_budget,
        accounts,
        alerts,
    }
}

/// Whether these are the same folder, however they are written.
fn same_folder(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    match (resolved(one), resolved(other)) {
        (Ok(one), Ok(other)) => one.components().eq(other.components()),
        _ => one == other,
    }
}

/// Parses a network. An address without a prefix length means that one address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(|| address().ok());
    network.ok_or_else(|| format!("`{text}` is not a network such as 10.0.0.0/8"))
}

fn read_callback_listen(top: &mut TableReader<'_, '_>, listen: &str) -> Option<String> {
    let address = top.parse("callback_listen", parse_listen)?;
    if address == listen && !address.ends_with(":0") {
        top.problem("callback_listen", "must not be the address of listen");
    }
    if !top.has("public_url") {
        // Callback URLs begin with it, and `listen` does not serve them.
        let message = "needs public_url: the address at which providers reach this listener";
        top.problem("callback_listen", message);
    }
    Some(address)
}

fn read_database(top: &mut TableReader<'_, '_>) -> Option<Secret> {
    let url = top.secret("database_url")?;
    match parse_database_url(url.expose(), |path| top.resolve(path)) {
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
    if bytes < MIN_SECRET_KEY_BYTES {
        top.problem(
            "secret_key",
            format!("has {bytes} bytes; it needs at least {MIN_SECRET_KEY_BYTES}"),
        );
    }
    Some(key)
}
