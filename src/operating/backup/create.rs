//! Makes a backup, also while `serve` runs, then opens and checks it.

use std::path::Path;
use std::{fs, io};

use chrono::{DateTime, SubsecRound, Utc};

use crate::domain::clock::Clock;
use crate::journal::{self, Journal};
use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::files;
use crate::operating::backup::layout::{
    CONNECTIONS, JOURNAL_FILE, MAIN_FILE, MANIFEST_FILE, UPLOADS_FOLDER, database_url,
};
use crate::operating::backup::manifest::{BackupCounts, BackupFile, Manifest, SchemaVersions};
use crate::operating::verify::{VerifyProgress, VerifyReport, verify};
use crate::store::Store;

/// What is backed up.
pub struct BackupSource<'a> {
    pub store: &'a Store,
    pub journal: &'a Journal,
    pub data_dir: &'a Path,
}

/// Copies both databases, the spool and the uploads into an empty folder, and checks the copies.
/// The manifest is written last: a folder without it is not a backup. After an error the folder is
/// empty.
///
/// The order matters: a callback that the main database has processed must be in the journal, and
/// one that moves from the spool to the journal must be in one of them.
pub async fn create_backup(
    source: &BackupSource<'_>,
    folder: &Path,
    clock: &dyn Clock,
    progress: &mut impl FnMut(VerifyProgress),
) -> Result<Manifest, BackupError> {
    files::create_empty_folder(folder)?;
    let created = write_backup(source, folder, clock, progress).await;
    if created.is_err() {
        remove_content(folder);
    }
    created
}

async fn write_backup(
    source: &BackupSource<'_>,
    folder: &Path,
    clock: &dyn Clock,
    progress: &mut impl FnMut(VerifyProgress),
) -> Result<Manifest, BackupError> {
    let taken_at = clock.now().trunc_subsecs(3);
    source.store.copy_into(&folder.join(MAIN_FILE)).await?;
    let uploads = source.data_dir.join(UPLOADS_FOLDER);
    let mut listed = in_background(folder, move |folder| copy_uploads(&uploads, folder)).await?;
    let callbacks_complete_until = clock.now().trunc_subsecs(3);
    let data_dir = source.data_dir.to_owned();
    listed.extend(in_background(folder, move |folder| copy_spool(&data_dir, folder)).await?);
    source.journal.copy_into(&folder.join(JOURNAL_FILE)).await?;
    let mut manifest = check(folder, progress, taken_at).await?;
    manifest.callbacks_complete_until = callbacks_complete_until;
    // Hashed only now: opening the copies may have changed them.
    let databases = [MAIN_FILE, JOURNAL_FILE].map(|name| folder.join(name));
    let hash_all = move |_: &Path| -> Result<Vec<BackupFile>, BackupError> {
        databases.iter().map(|path| files::hash(path)).collect()
    };
    listed.extend(in_background(folder, hash_all).await?);
    manifest.files = listed;
    files::write(&folder.join(MANIFEST_FILE), &manifest.to_json())?;
    files::sync_folder(folder)?;
    Ok(manifest)
}

/// Runs blocking work on files in a thread of its own.
pub(super) async fn in_background<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce(&Path) -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let target = folder.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&target)).await;
    done.map_err(|error| BackupError::at(folder)(io::Error::other(error)))?
}

pub(super) fn copy_spool(data_dir: &Path, folder: &Path) -> Result<Vec<BackupFile>, BackupError> {
    let mut copied = Vec::new();
    for file in files::list_files(data_dir)? {
        if journal::spool::is_spool_file(&file) {
            let name = file.file_name().unwrap_or_default();
            copied.extend(files::copy(&file, &folder.join(name))?);
        }
    }
    Ok(copied)
}

pub(super) fn copy_uploads(uploads: &Path, folder: &Path) -> Result<Vec<BackupFile>, BackupError> {
    let target = folder.join(UPLOADS_FOLDER);
    let found = files::list_files(uploads)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    files::create_empty_folder(&target)?;
    let mut copied = Vec::new();
    for file in found {
        let name = file.file_name().unwrap_or_default();
        // The file may have been deleted since, because its message was sent.
        if let Some(copy) = files::copy(&file, &target.join(name))? {
            copied.push(BackupFile {
                name: format!("{UPLOADS_FOLDER}/{}", copy.name),
                ..copy
            });
        }
    }
    files::sync_folder(&target)?;
    Ok(copied)
}

/// Opens the copies and verifies that they agree.
async fn check(
    folder: &Path,
    progress: &mut impl FnMut(VerifyProgress),
    taken_at: DateTime<Utc>,
) -> Result<Manifest, BackupError> {
    let url = database_url(folder);
    let store = Store::open(&url, CONNECTIONS).await?;
    let journal = Journal::open(journal::connect(&url, CONNECTIONS).await?).await?;
    let checked = check_opened(&store, &journal, progress, taken_at).await;
    journal.close().await?;
    store.close().await?;
    checked
}

async fn check_opened(
    store: &Store,
    journal: &Journal,
    progress: &mut impl FnMut(VerifyProgress),
    taken_at: DateTime<Utc>,
) -> Result<Manifest, BackupError> {
    for (file, faults) in [
        (MAIN_FILE, store.find_faults().await?),
        (JOURNAL_FILE, journal.find_faults().await?),
    ] {
        if let Some(fault) = faults.into_iter().next() {
            return Err(BackupError::DamagedDatabase { file, fault });
        }
    }
    let state = journal.state().await?;
    store.check_journal(store.position().await?, &state).await?;
    let VerifyReport {
        callbacks,
        backlog,
        messages,
        ..
    } = verify_copies(store, journal, progress).await?;
    Ok(Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: SchemaVersions {
            main: store.schema_version().await?,
            journal: journal.schema_version().await?,
        },
        taken_at,
        callbacks_complete_until: taken_at,
        journal_position: state.end,
        counts: BackupCounts {
            callbacks: callbacks + backlog,
            messages,
        },
        key_fingerprint: store.key_fingerprint().await?.unwrap_or_default(),
        files: Vec::new(),
    })
}

async fn verify_copies(
    store: &Store,
    journal: &Journal,
    progress: &mut impl FnMut(VerifyProgress),
) -> Result<VerifyReport, BackupError> {
    let mut number = 0;
    let mut first = None;
    let mut found = |discrepancy| {
        number += 1;
        first.get_or_insert(discrepancy);
    };
    let report = verify(store, journal, &mut found, progress).await?;
    match first {
        Some(first) => Err(BackupError::Disagreeing { number, first }),
        None => Ok(report),
    }
}

/// Empties the folder. It was empty before, so it holds only what `write_backup` created.
fn remove_content(folder: &Path) {
    let removed = fs::remove_dir_all(folder).and_then(|()| fs::create_dir(folder));
    if let Err(error) = removed {
        tracing::warn!(%error, "an unfinished backup could not be removed");
    }
}
