//! Damaged database files: found by reading all of them, as a backup does.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::db::database_location::DatabaseLocation;
use crate::db::file_check::find_file_faults;
use crate::journal;
use crate::operating::backup::list_backups;
use crate::operating::doctor::finding::Finding;

/// Empty with PostgreSQL, which checks its own files.
pub(super) async fn check_database_files(config: &Config) -> Vec<Finding> {
    let main = DatabaseLocation::parse(&config.database_url);
    let mut findings = Vec::new();
    for location in [main, journal::location(&config.database_url)] {
        let DatabaseLocation::File(path) = location else {
            continue;
        };
        // A missing file is reported when the database is opened.
        if path.exists() {
            findings.extend(check_file(&path, config).await);
        }
    }
    findings
}

async fn check_file(path: &Path, config: &Config) -> Option<Finding> {
    let shown = path.display();
    match find_file_faults(path).await {
        Ok(faults) => {
            let first = faults.first()?;
            let more = match faults.len() {
                1 => String::new(),
                number => format!(", and {} more faults", number - 1),
            };
            let summary = format!("{shown} is damaged: {first}{more}");
            Some(Finding::problem(
                "database_damaged",
                summary,
                damage_fix(config),
            ))
        }
        Err(error) => {
            let summary = format!("{shown} cannot be checked: {error}");
            let fix = "run `bluetick doctor` again as the user that `serve` runs as; if that fails too, check the disk";
            Some(Finding::problem("database", summary, fix))
        }
    }
}

/// Both databases must be from the same point in time, so both are restored.
fn damage_fix(config: &Config) -> String {
    let folder = config.data_dir.display();
    let restore = match newest_backup_folder(config) {
        Some(backup) => format!("bluetick restore {}", backup.display()),
        None => "bluetick restore FOLDER, with your newest backup".to_owned(),
    };
    format!(
        "stop `serve`; move bluetick.db* and journal.db* in {folder} to another folder and keep them; {restore}; then check the disk and the memory of the machine"
    )
}

/// Among the backups in the folder of scheduled backups, which may have other names.
fn newest_backup_folder(config: &Config) -> Option<PathBuf> {
    let scheduled = &config.backup.as_ref()?.directory;
    let newest = list_backups(scheduled).ok()?.pop()?;
    Some(newest.folder)
}
