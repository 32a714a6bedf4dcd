//! Uploaded files: kept from acceptance until the hand-over is over, readable by their owner alone, never longer.
//!
//! Beside SQLite they lie in a folder. Several processes on one PostgreSQL keep them in the database, so that any of them can hand a
//! message over and none takes a file with it when it dies; a copy lies in the folder while it is being sent.

use std::fs::{DirEntry, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::NamedTempFile;
use thiserror::Error;
use tokio::io::AsyncWriteExt;

use crate::db;
use crate::domain::ids::MessageId;
use crate::domain::media::{Media, MediaSource, extension_of_mime_type};
use crate::store::Store;

/// A file that belongs to no waiting message stays this long: its message may be about to be stored, or the request to be read.
const GRACE: TimeDelta = TimeDelta::minutes(15);
/// Files whose messages are asked for at once.
const FILES_PER_QUERY: usize = 500;

/// Why a file could not be kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The folder.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] db::Error),
}

/// The folder of uploaded files.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: PathBuf,
    store: Store,
}

impl Uploads {
    /// Makes the folder (0700) where it is missing.
    pub fn open(folder: PathBuf, store: Store) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        Ok(Self { folder, store })
    }

    /// A file (0600) for a request that is being read; removed with its handle unless it is kept.
    pub fn receive(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(&self.folder)
    }

    /// Keeps a received file for a message: in the database, or by a rename, since both lie in one folder.
    pub(super) async fn keep(
        &self,
        received: &Path,
        id: MessageId,
        mime_type: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<PathBuf, KeepError> {
        let extension = mime_type.and_then(extension_of_mime_type).unwrap_or("bin");
        let kept = self.folder.join(format!("{id}.{extension}"));
        if self.store.is_shared() {
            let content = tokio::fs::read(received).await?;
            self.store.keep_upload(id, content, now).await?;
        } else {
            tokio::fs::rename(received, &kept).await?;
        }
        Ok(kept)
    }

    /// Puts the file of a claimed message where it can be read. A file that is not there is found missing by whoever sends it.
    pub(super) async fn fetch(&self, id: MessageId, media: &mut Media) {
        let MediaSource::Upload(upload) = &mut media.source else {
            return;
        };
        if !self.store.is_shared() {
            return;
        }
        // It was named by the process that took it, and that may have had another folder.
        let Some(name) = upload.path.file_name() else {
            return;
        };
        upload.path = self.folder.join(name);
        if let Err(error) = self.copy(id, &upload.path).await {
            tracing::warn!(%error, message.id = %id, "an uploaded file could not be fetched");
        }
    }

    async fn copy(&self, id: MessageId, path: &Path) -> Result<(), KeepError> {
        let Some(content) = self.store.find_upload(id).await? else {
            return Ok(());
        };
        let mut open = tokio::fs::OpenOptions::new();
        let mut file = open
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .await?;
        file.write_all(&content).await?;
        Ok(file.flush().await?)
    }

    /// Forgets files in the database whose message does not wait any more; one process at a time.
    pub async fn drop_shared(&self, now: DateTime<Utc>) -> Result<(), db::Error> {
        if self.store.is_shared() {
            self.store.drop_uploads(now - GRACE).await?;
        }
        Ok(())
    }

    /// Removes files whose message does not wait any more: what a killed process or a lost commit left behind.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Result<(), db::Error> {
        for files in list_old(&self.folder, now).chunks(FILES_PER_QUERY) {
            let ids: Vec<MessageId> = files.iter().filter_map(|path| message_of(path)).collect();
            let waiting = self.store.list_waiting(&ids).await?;
            for path in files {
                if message_of(path).is_none_or(|id| !waiting.contains(&id)) {
                    remove(path);
                }
            }
        }
        Ok(())
    }
}

/// All of them: those that wait would hide what lies behind them.
fn list_old(folder: &Path, now: DateTime<Utc>) -> Vec<PathBuf> {
    let is_old = |entry: &DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|at| DateTime::<Utc>::from(at) + GRACE < now)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(is_old).map(|entry| entry.path()).collect()
}

fn message_of(path: &Path) -> Option<MessageId> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// Removes the file of a message that no longer needs it.
pub(crate) fn discard(media: Option<&Media>) {
    if let Some(MediaSource::Upload(upload)) = media.map(|media| &media.source) {
        remove(&upload.path);
    }
}

/// Unlinking is quick enough to be done where one is.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "an uploaded file could not be removed");
    }
}
