//! Runs all checks, one after the other. A check that fails is a finding and does not prevent the
//! others.

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::db::disk::Disk;
use crate::http_client::url_check_client::UrlCheckClient;
use crate::journal;
use crate::keys::Keys;
use crate::operating::doctor::data_checks::{
    check_accounts, check_configured_accounts, check_manual_backups, check_scheduled_backups,
    check_sqlite,
};
use crate::operating::doctor::database_files::check_database_files;
use crate::operating::doctor::finding::Finding;
use crate::operating::doctor::folder_checks::{check_folder, check_missing_folder};
use crate::operating::doctor::machine_checks::{check_clock, check_disk, check_file_limit};
use crate::operating::doctor::public_url::{PublicUrl, check_public_url};
use crate::store::Store;

/// The installation to examine.
pub struct Installation<'a> {
    pub config: &'a Config,
    /// Why the database cannot be opened, if it cannot.
    pub store: Result<&'a Store, String>,
    /// Why there is no secret key, if there is none.
    pub keys: Result<&'a Keys, String>,
    pub now: DateTime<Utc>,
}

/// Returns the findings, problems first.
pub async fn examine(installation: &Installation<'_>) -> Vec<Finding> {
    let Installation { config, now, .. } = *installation;
    let is_new = is_new(config);
    let folder = if is_new && !config.data_dir.exists() {
        check_missing_folder(&config.data_dir)
    } else {
        check_folder(&config.data_dir)
    };
    let mut findings = folder.findings;
    findings.extend(check_clock(now, folder.newest));
    findings.extend(check_file_limit());
    let disk = Disk::measure(&config.data_dir);
    findings.extend(
        disk.ok()
            .and_then(|disk| check_disk(&config.data_dir, disk)),
    );
    findings.extend(config.warnings().into_iter().map(|warning| {
        let fix = "change it in the configuration, or leave it if it is intended";
        Finding::warning("configuration", warning, fix)
    }));
    match check_scheduled_backups(config, now) {
        Ok(found) => findings.extend(found),
        Err(error) => {
            let fix = "make the folder readable for the user that `serve` runs as";
            findings.push(Finding::problem("backup_stale", error.to_string(), fix));
        }
    }
    findings.extend(check_configured_accounts(config));
    if is_new {
        findings.push(first_start_finding(config));
    } else {
        findings.extend(check_database_files(config).await);
        findings.extend(check_database(installation).await);
        findings.extend(check_url(installation).await);
    }
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// Whether `serve` has not created the databases yet. PostgreSQL's schema is checked when it is
/// opened.
fn is_new(config: &Config) -> bool {
    let url = &config.database_url;
    !config.uses_postgres() && !Store::exists(url) && !journal::exists(url)
}

/// Reported in place of the checks of the databases and of the public URL, which need what the first
/// start creates.
fn first_start_finding(config: &Config) -> Finding {
    let summary = format!(
        "`bluetick serve` has not run yet: there is no database for {}",
        config.data_dir.display()
    );
    let fix = "run `bluetick config check`, then `bluetick serve`, which creates the folder, the databases and the secret key; then `bluetick doctor` again. If it has run before, correct `data_dir`, or restore a backup";
    Finding::problem("database", summary, fix)
}

async fn check_database(installation: &Installation<'_>) -> Vec<Finding> {
    let store = match &installation.store {
        Ok(store) => *store,
        Err(reason) => {
            let fix = "fix the reported cause; `bluetick serve` or `bluetick migrate` creates and migrates databases";
            return vec![Finding::problem("database", reason.clone(), fix)];
        }
    };
    let mut findings = Vec::new();
    let failed = |error: crate::db::Error| {
        let fix = "run `bluetick doctor` again when the database is available; the log of `serve` has details";
        Finding::problem("database", error.to_string(), fix)
    };
    match check_sqlite(store).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(failed(error)),
    }
    match check_manual_backups(store, installation.config, installation.now).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(failed(error)),
    }
    match check_accounts(store, installation.config).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(failed(error)),
    }
    findings
}

async fn check_url(installation: &Installation<'_>) -> Vec<Finding> {
    let config = installation.config;
    let keys = match &installation.keys {
        Ok(keys) => keys,
        Err(reason) => {
            let fix = "restore the file secret_key in data_dir, or set `secret_key`";
            return vec![Finding::problem("secret_key", reason.clone(), fix)];
        }
    };
    let target = PublicUrl::new(config, keys.url_check_token());
    match UrlCheckClient::new() {
        Ok(client) => check_public_url(&client, &target, installation.now).await,
        Err(error) => {
            let fix = "install the package ca-certificates";
            vec![Finding::problem("unreachable", error.to_string(), fix)]
        }
    }
}
