//! `manifest.json`: what a backup holds, and the hashes that show whether it is whole.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::layout::MANIFEST_FILE;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the program that made the backup.
    pub version: String,
    pub schema: SchemaVersions,
    /// The databases are as of this instant or a little later.
    pub taken_at: DateTime<Utc>,
    /// Every callback that was acknowledged before is in the backup.
    pub callbacks_complete_until: DateTime<Utc>,
    /// The last sequence number of the journal.
    pub journal_position: i64,
    pub counts: BackupCounts,
    /// The fingerprint of the secret key, which itself is not in the backup.
    pub key_fingerprint: String,
    pub files: Vec<BackupFile>,
}

/// The last migration of each database.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SchemaVersions {
    pub main: String,
    pub journal: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackupCounts {
    pub callbacks: u64,
    pub messages: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackupFile {
    /// Relative to the backup.
    pub name: String,
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn read(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MANIFEST_FILE);
        let text = fs::read_to_string(&path).map_err(BackupError::at(&path))?;
        serde_json::from_str(&text).map_err(|source| BackupError::Manifest { path, source })
    }

    /// Contains no personal data.
    pub(super) fn to_json(&self) -> String {
        // It has only texts and numbers, so serialising it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
