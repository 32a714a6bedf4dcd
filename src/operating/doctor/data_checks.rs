//! Checks of the data: the version of SQLite, backups, accounts that send nothing or never received
//! a callback.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Config;
use crate::data_dir;
use crate::db;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::failure_codes;
use crate::domain::masking::mask_numbers_and_wamids;
use crate::domain::paused_by::PausedBy;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::Account;
use crate::operating::backup::{BackupError, newest_backup};
use crate::operating::doctor::finding::Finding;
use crate::store::Store;
use crate::store::account_records::Pause;

/// Earlier versions can corrupt a database in WAL mode.
const FIRST_SAFE_SQLITE: [u32; 3] = [3, 51, 3];
/// A week, and a day for a late one.
const MANUAL_BACKUP_LIFE: TimeDelta = TimeDelta::days(8);

pub(super) async fn check_sqlite(store: &Store) -> Result<Option<Finding>, db::Error> {
    let version = store.sqlite_version().await?;
    Ok(version.and_then(|version| check_sqlite_version(&version)))
}

fn check_sqlite_version(version: &str) -> Option<Finding> {
    let numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let numbers: Vec<u32> = numbers.collect();
    (numbers.as_slice() < FIRST_SAFE_SQLITE.as_slice()).then(|| {
        Finding::problem(
            "sqlite_version",
            format!("SQLite {version} can damage a database that several connections write"),
            "build Bluetick with its bundled SQLite, 3.51.3 or later",
        )
    })
}

/// Whether there are recent backups without a schedule: those of the command.
pub(super) async fn check_manual_backups(
    store: &Store,
    config: &Config,
    now: DateTime<Utc>,
) -> Result<Option<Finding>, db::Error> {
    if config.uses_postgres() || config.backup.is_some() {
        return Ok(None);
    }
    let last = store.find_last_backup().await?;
    if last.is_some_and(|last| now - last <= MANUAL_BACKUP_LIFE) {
        return Ok(None);
    }
    let summary = match last {
        Some(last) => format!(
            "the last backup is from {}, and none are scheduled",
            last.format("%Y-%m-%d %H:%M UTC")
        ),
        None => "no backup was ever made, and none are scheduled".to_owned(),
    };
    let fix = "set `backup.directory` to a folder on another disk, or run `bluetick backup DIR` at least once a week";
    Ok(Some(Finding::warning("backup_missing", summary, fix)))
}

/// The newest scheduled backup is stale once the next two were missed.
pub(super) fn check_scheduled_backups(
    config: &Config,
    now: DateTime<Utc>,
) -> Result<Option<Finding>, BackupError> {
    let schedule = config.backup.as_ref().filter(|_| !config.uses_postgres());
    let Some(schedule) = schedule else {
        return Ok(None);
    };
    if let Err(error) = data_dir::check_usable(&schedule.directory) {
        return Ok(Some(Finding::problem(
            "backup_directory",
            format!("no backups can be made: backup.directory: {error}"),
            "mount or create the folder, or make it writable for the user that `serve` runs as; or set `backup.directory` to another one",
        )));
    }
    let newest = newest_backup(&schedule.directory)?;
    let every = TimeDelta::from_std(schedule.every).unwrap_or(TimeDelta::MAX);
    if newest.is_some_and(|newest| now - newest <= every.checked_mul(2).unwrap_or(every)) {
        return Ok(None);
    }
    let directory = schedule.directory.display();
    let summary = match newest {
        Some(newest) => format!(
            "the newest backup in {directory} is from {}; one is due every {}",
            newest.format("%Y-%m-%d %H:%M"),
            humantime::format_duration(schedule.every)
        ),
        None => format!("there is no backup in {directory} yet"),
    };
    let fix = format!(
        "the line \"the backup failed\" in the log of `serve` has the reason; make one now: bluetick backup {directory}/now"
    );
    Ok(Some(Finding::problem("backup_stale", summary, fix)))
}

pub(super) fn check_configured_accounts(config: &Config) -> Option<Finding> {
    config.accounts.is_empty().then(|| {
        Finding::warning(
            "accounts",
            "no account is configured",
            "add `[[accounts]]` to the configuration; docs/configuration.md lists its keys",
        )
    })
}

/// Configured accounts that are paused, and those from which no callback ever arrived.
pub(super) async fn check_accounts(
    store: &Store,
    config: &Config,
) -> Result<Vec<Finding>, db::Error> {
    let known = store.list_accounts().await?;
    let mut findings = Vec::new();
    for account in &config.accounts {
        let record = known.get(&account.id);
        let pause = record.and_then(|record| record.pause.as_ref());
        findings.extend(pause.map(|pause| pause_finding(account, pause)));
        if record.is_some_and(|record| record.last_callback_at.is_some()) {
            continue;
        }
        findings.push(Finding::warning(
            "account_never_received",
            format!("no callback has ever arrived for account {}", account.id),
            format!(
                "enter its callback URL, which the page /accounts shows, in the console of {}",
                account.provider()
            ),
        ));
    }
    Ok(findings)
}

fn pause_finding(account: &Account, pause: &Pause) -> Finding {
    let (id, provider) = (&account.id, account.provider());
    let since = pause.since.format("%Y-%m-%d %H:%M");
    let (by, cause) = match pause.by {
        PausedBy::Operator => ("an operator".to_owned(), String::new()),
        PausedBy::Provider => (
            format!("the replies or reports of {provider}"),
            format!("correct the cause at {provider} or in the configuration; then: "),
        ),
    };
    let reason = redact_reason(account.provider(), pause);
    let summary = format!("account {id} sends nothing: paused by {by} since {since} UTC: {reason}");
    Finding::warning(
        "account_paused",
        summary,
        format!("{cause}bluetick account resume {id}"),
    )
}

/// A provider's text may quote a message, so only a documented code is shown, with its meaning.
fn redact_reason(provider: ProviderId, pause: &Pause) -> String {
    let reason = pause.reason.as_str();
    if pause.by == PausedBy::Operator {
        return mask_numbers_and_wamids(reason);
    }
    let code = reason.split_once(':').map_or(reason, |(code, _)| code);
    let failure = Failure {
        code: Some(code.to_owned()),
        ..Failure::default()
    };
    let known = failure_codes::describe(provider, &failure);
    if known.class == FailureClass::Unknown {
        return "the page /accounts shows the reply".to_owned();
    }
    format!("{}: {}", mask_numbers_and_wamids(code), known.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_sqlite_are_compared_by_number() {
        for (version, is_old) in [
            ("3.51.3", false),
            ("3.51.10", false),
            ("3.52.0", false),
            ("3.51.2", true),
            ("3.9.0", true),
        ] {
            assert_eq!(check_sqlite_version(version).is_some(), is_old, "{version}");
        }
    }
}
