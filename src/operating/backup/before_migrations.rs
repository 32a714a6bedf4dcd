//! A backup of databases whose schema is older than this program, before it migrates them.
//!
//! Their structure is checked, and not whether they agree: that needs this program's schema.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, Utc};

use crate::db::pools::Pools;
use crate::journal;
use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::create::{copy_spool, copy_uploads};
use crate::operating::backup::existing_backups::{list_backups, remove_backup};
use crate::operating::backup::files;
use crate::operating::backup::layout::{
    JOURNAL_FILE, MAIN_FILE, MANIFEST_FILE, UPLOADS_FOLDER, folder_name, is_ours,
};
use crate::operating::backup::manifest::{BackupCounts, Manifest, SchemaVersions};
use crate::store::Store;

/// Older ones are removed.
const KEPT: usize = 3;

/// Databases that are opened but not migrated.
pub struct UnmigratedSource<'a> {
    pub store: &'a Store,
    pub journal: &'a Pools,
    pub data_dir: &'a Path,
}

/// Returns the folder of the backup in `folder`.
pub async fn back_up_before_migrations(
    source: &UnmigratedSource<'_>,
    folder: &Path,
    now: DateTime<Utc>,
) -> Result<PathBuf, BackupError> {
    let target = folder.join(folder_name(now));
    files::create_empty_folder(&target)?;
    let written = write(source, &target, now.trunc_subsecs(3)).await;
    if written.is_err() {
        remove_backup(&target)?;
    }
    written?;
    let backups = list_backups(folder)?;
    let ours = backups
        .iter()
        .rev()
        .filter(|backup| is_ours(&backup.folder));
    for old in ours.skip(KEPT) {
        remove_backup(&old.folder)?;
    }
    Ok(target)
}

async fn write(
    source: &UnmigratedSource<'_>,
    folder: &Path,
    now: DateTime<Utc>,
) -> Result<(), BackupError> {
    let (store, journal) = (source.store, source.journal);
    store.copy_into(&folder.join(MAIN_FILE)).await?;
    let mut listed = copy_uploads(&source.data_dir.join(UPLOADS_FOLDER), folder)?;
    listed.extend(copy_spool(source.data_dir, folder)?);
    journal.copy_into(&folder.join(JOURNAL_FILE)).await?;
    for (file, faults) in [
        (MAIN_FILE, store.find_faults().await?),
        (JOURNAL_FILE, journal.find_faults().await?),
    ] {
        if let Some(fault) = faults.into_iter().next() {
            return Err(BackupError::Broken { file, fault });
        }
    }
    for name in [MAIN_FILE, JOURNAL_FILE] {
        listed.push(files::hash(&folder.join(name))?);
    }
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
        journal_position: journal::read_end(journal).await?,
        counts: BackupCounts {
            callbacks: journal.count_rows("journal").await?,
            messages: store.pools().count_rows("messages").await?,
        },
        key_fingerprint: store.key_fingerprint().await?.unwrap_or_default(),
        files: listed,
    };
    files::write(&folder.join(MANIFEST_FILE), &manifest.to_json())?;
    files::sync_folder(folder)
}
