//! Backups that exist in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::files;
use crate::operating::backup::layout::{MANIFEST_FILE, is_automatic};
use crate::operating::backup::manifest::Manifest;

/// A backup with its folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExistingBackup {
    pub folder: PathBuf,
    pub manifest: Manifest,
}

/// The complete backups directly in a folder, oldest first; none if it does not exist. Those with
/// an unreadable manifest are left out.
pub fn list_backups(folder: &Path) -> Result<Vec<ExistingBackup>, BackupError> {
    let mut found = Vec::new();
    for folder in files::list_folders(folder)? {
        if folder.join(MANIFEST_FILE).exists() {
            match Manifest::read(&folder) {
                Ok(manifest) => found.push(ExistingBackup { folder, manifest }),
                Err(error) => {
                    tracing::warn!(%error, "a backup is skipped: its manifest is unreadable");
                }
            }
        }
    }
    found.sort_by_key(|backup| backup.manifest.taken_at);
    Ok(found)
}

/// The folders that hold a backup, whether its manifest can be read or not.
pub fn list_backup_folders(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut folders = files::list_folders(folder)?;
    folders.retain(|folder| folder.join(MANIFEST_FILE).exists());
    Ok(folders)
}

/// Removes the manifest first: without it the folder is not a backup.
pub(super) fn remove_backup(folder: &Path) -> Result<(), BackupError> {
    let manifest = folder.join(MANIFEST_FILE);
    if manifest.exists() {
        fs::remove_file(&manifest).map_err(BackupError::at(&manifest))?;
    }
    fs::remove_dir_all(folder).map_err(BackupError::at(folder))
}

/// Removes automatic backups that are incomplete because the process was stopped or killed.
pub(super) fn remove_unfinished(folder: &Path) -> Result<(), BackupError> {
    for path in files::list_folders(folder)? {
        if is_automatic(&path) && !path.join(MANIFEST_FILE).exists() {
            remove_backup(&path)?;
        }
    }
    Ok(())
}
