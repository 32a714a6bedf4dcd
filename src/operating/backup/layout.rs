//! Names of files and folders, which are the same in a backup and in the data folder.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::domain::secret::Secret;

pub(super) const MANIFEST_FILE: &str = "manifest.json";
pub(super) const MAIN_FILE: &str = "bluetick.db";
pub(super) const JOURNAL_FILE: &str = "journal.db";
pub(super) const UPLOADS_FOLDER: &str = "uploads";
/// A folder in the data folder that holds restored files until all are complete.
pub(super) const STAGING_FOLDER: &str = "restoring";
/// The pool size for PostgreSQL; SQLite ignores it.
pub(super) const CONNECTIONS: u32 = 1;

/// The URL of the main database in a folder; the journal is beside it.
pub(super) fn database_url(folder: &Path) -> Secret {
    Secret::new(format!("sqlite://{}", folder.join(MAIN_FILE).display()))
}

/// The name of the folder of an automatic backup. Names sort by time.
pub(super) fn folder_name(now: DateTime<Utc>) -> String {
    format!("bluetick-{}", now.format("%Y%m%dT%H%M%S%3fZ"))
}

/// Whether the folder is from an automatic backup, by the form of its name ([`folder_name`]).
pub(super) fn is_automatic(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let stamp = name
        .strip_prefix("bluetick-")
        .and_then(|rest| rest.strip_suffix('Z'));
    stamp.is_some_and(|stamp| {
        stamp.len() == 18
            && stamp
                .split('T')
                .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    })
}
