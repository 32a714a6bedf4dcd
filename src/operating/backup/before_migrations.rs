//! A backup of databases whose schema is older than this program, before it migrates them.
//! Callbacks may be received meanwhile.
//!
//! Not checked any further: copying reads every row and builds the indexes again, so it fails on a
//! damaged file, and everything but receiving callbacks waits meanwhile (a check of ten million
//! messages takes five minutes). Whether the databases agree needs this program's schema.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, Utc};

use crate::db::pools::Pools;
use crate::journal;
use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::create::{copy_spool, copy_uploads, in_background};
use crate::operating::backup::existing_backups::{list_backups, remove_backup, remove_unfinished};
use crate::operating::backup::files;
use crate::operating::backup::layout::{
    CONNECTIONS, JOURNAL_FILE, MAIN_FILE, MANIFEST_FILE, UPLOADS_FOLDER, database_url, folder_name,
    is_automatic,
};
use crate::operating::backup::manifest::{BackupCounts, BackupFile, Manifest, SchemaVersions};
use crate::store::Store;

/// Older backups are removed.
const BACKUPS_KEPT: usize = 3;

/// Databases that are opened but not migrated.
pub struct UnmigratedSource<'a> {
    pub store: &'a Store,
    pub journal: &'a Pools,
    pub data_dir: &'a Path,
}

/// Makes the backup in a new folder within `folder`, and returns the path of the new folder.
pub async fn back_up_before_migrations(
    source: &UnmigratedSource<'_>,
    folder: &Path,
    now: DateTime<Utc>,
) -> Result<PathBuf, BackupError> {
    let target = folder.join(folder_name(now));
    remove_unfinished(folder)?;
    files::create_empty_folder(&target)?;
    let written = write(source, &target, now.trunc_subsecs(3)).await;
    if written.is_err() {
        remove_backup(&target)?;
    }
    written?;
    let backups = list_backups(folder)?;
    let automatic = backups
        .iter()
        .rev()
        .filter(|backup| is_automatic(&backup.folder));
    for old in automatic.skip(BACKUPS_KEPT) {
        remove_backup(&old.folder)?;
    }
    Ok(target)
}

/// In the order of [`create_backup`](crate::operating::backup::create_backup), for the same reason.
async fn write(
    source: &UnmigratedSource<'_>,
    folder: &Path,
    now: DateTime<Utc>,
) -> Result<(), BackupError> {
    let (store, journal) = (source.store, source.journal);
    store.copy_into(&folder.join(MAIN_FILE)).await?;
    let data_dir = source.data_dir.to_owned();
    let copy_files = move |folder: &Path| {
        let mut copied = copy_uploads(&data_dir.join(UPLOADS_FOLDER), folder)?;
        copied.extend(copy_spool(&data_dir, folder)?);
        Ok(copied)
    };
    let mut listed = in_background(folder, copy_files).await?;
    journal.copy_into(&folder.join(JOURNAL_FILE)).await?;
    let (journal_position, callbacks) = read_journal_copy(folder).await?;
    let hash_databases = |folder: &Path| -> Result<Vec<BackupFile>, BackupError> {
        let names = [MAIN_FILE, JOURNAL_FILE].iter();
        names.map(|name| files::hash(&folder.join(name))).collect()
    };
    listed.extend(in_background(folder, hash_databases).await?);
    let manifest = Manifest {
        version: store
            .written_by()
            .await?
            .unwrap_or_else(|| "unknown".to_owned()),
        schema: SchemaVersions {
            main: store.schema_version().await?,
            journal: journal.schema_version("journal_migrations").await?,
        },
        taken_at: now,
        callbacks_complete_until: now,
        journal_position,
        counts: BackupCounts {
            callbacks,
            messages: store.pools().count_rows("messages").await?,
        },
        key_fingerprint: store.key_fingerprint().await?.unwrap_or_default(),
        files: listed,
    };
    files::write(&folder.join(MANIFEST_FILE), &manifest.to_json())?;
    files::sync_folder(folder)
}

/// The end of the copied journal, and how many callbacks it holds. The journal itself may have more
/// by now.
async fn read_journal_copy(folder: &Path) -> Result<(i64, u64), BackupError> {
    let copy = journal::connect(&database_url(folder), CONNECTIONS).await?;
    let end = journal::read_end(&copy).await?;
    let callbacks = copy.count_rows("journal").await?;
    copy.close().await?;
    Ok((end, callbacks))
}
