//! Restores a backup into an empty data folder. Messages that may have been sent since the backup
//! become uncertain before anything can send them.

use std::fs;
use std::path::{Component, Path};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::audit_action::{Action, ActionKind};
use crate::operating::action_context::ActionContext;
use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::files;
use crate::operating::backup::layout::{
    CONNECTIONS, JOURNAL_FILE, MAIN_FILE, STAGING_FOLDER, UPLOADS_FOLDER, database_url,
};
use crate::operating::backup::manifest::Manifest;
use crate::operating::backup::possibly_sent::PossiblySent;
use crate::operating::backup::restored_access::RestoredAccess;
use crate::store::Store;
use crate::store::backup::QueuedMessages;

/// Where and how a backup is restored.
pub struct RestoreTarget<'a> {
    pub data_dir: &'a Path,
    /// Of the current secret key and the earlier ones.
    pub key_fingerprints: Vec<String>,
    pub queued: QueuedMessages,
}

pub struct RestoreReport {
    pub manifest: Manifest,
    pub possibly_sent: PossiblySent,
    pub access: RestoredAccess,
}

pub async fn restore_backup(
    backup: &Path,
    target: &RestoreTarget<'_>,
    context: &ActionContext<'_>,
) -> Result<RestoreReport, BackupError> {
    let manifest = Manifest::read(backup)?;
    for name in [MAIN_FILE, JOURNAL_FILE] {
        files::refuse_existing_database(target.data_dir, name)?;
        if !manifest.files.iter().any(|file| file.name == name) {
            return Err(BackupError::Missing(name));
        }
    }
    if !target.key_fingerprints.contains(&manifest.key_fingerprint) {
        return Err(BackupError::OtherKey);
    }
    let staging = target.data_dir.join(STAGING_FOLDER);
    // Left by a restore that was interrupted.
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(BackupError::at(&staging))?;
    }
    copy_checked(backup, &staging, &manifest)?;
    let (possibly_sent, access) =
        mark_possibly_sent(&staging, &manifest, target.queued, context).await?;
    move_into_place(&staging, target.data_dir, &manifest)?;
    Ok(RestoreReport {
        manifest,
        possibly_sent,
        access,
    })
}

fn copy_checked(backup: &Path, staging: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    files::create_empty_folder(staging)?;
    files::create_empty_folder(&staging.join(UPLOADS_FOLDER))?;
    for file in &manifest.files {
        check_name(&file.name)?;
        let copied = files::copy(&backup.join(&file.name), &staging.join(&file.name))?;
        let is_same =
            copied.is_some_and(|copy| copy.bytes == file.bytes && copy.sha256 == file.sha256);
        if !is_same {
            return Err(BackupError::ChangedFile {
                file: file.name.clone(),
            });
        }
    }
    Ok(())
}

/// Fails for a file outside the backup, which a manifest must not name.
fn check_name(name: &str) -> Result<(), BackupError> {
    let path = Path::new(name);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_file = path.file_name().is_some();
    if is_file && is_plain && (folder == Path::new("") || folder == Path::new(UPLOADS_FOLDER)) {
        return Ok(());
    }
    Err(BackupError::ForeignFile {
        file: name.to_owned(),
    })
}

async fn mark_possibly_sent(
    staging: &Path,
    manifest: &Manifest,
    queued: QueuedMessages,
    context: &ActionContext<'_>,
) -> Result<(PossiblySent, RestoredAccess), BackupError> {
    let url = database_url(staging);
    let store = Store::open(&url, CONNECTIONS).await?;
    store.check_schema().await?;
    store.migrate().await?;
    let taken_at = format_time(manifest.taken_at);
    let reason = format!("restored from a backup taken at {taken_at}: it may have been sent");
    let possibly_sent = PossiblySent::mark(&store, queued, &reason, context).await?;
    let access = RestoredAccess::end_sign_ins(&store, context).await?;
    let action = Action {
        detail: Some(format!("taken at {taken_at}; {possibly_sent}; {access}")),
        ..Action::new(context.actor, ActionKind::RestoreBackup, context.now)
    };
    store.record_action(&action).await?;
    // The backup was recorded only after it was made.
    store.record_backup(manifest.taken_at).await?;
    store.close().await?;
    Ok((possibly_sent, access))
}

/// Moves the main database last: without it, `serve` cannot send anything.
fn move_into_place(
    staging: &Path,
    data_dir: &Path,
    manifest: &Manifest,
) -> Result<(), BackupError> {
    let uploads = data_dir.join(UPLOADS_FOLDER);
    if !uploads.exists() {
        files::create_empty_folder(&uploads)?;
    }
    let others = manifest.files.iter().map(|file| file.name.as_str());
    let others = others.filter(|name| *name != MAIN_FILE);
    for name in others.chain([MAIN_FILE]) {
        files::move_in(staging, data_dir, name)?;
    }
    files::sync_folder(&uploads)?;
    files::sync_folder(data_dir)?;
    fs::remove_dir_all(staging).map_err(BackupError::at(staging))
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_only_files_of_its_backup() {
        for name in ["bluetick.db", "uploads/x.jpg", "1.spool"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "uploads/../../x",
            "a/b",
            "uploads/a/b",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
