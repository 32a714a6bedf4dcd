//! Stores uploaded files from acceptance until the submission has ended.
//!
//! With SQLite the files are in a folder (0700). With PostgreSQL they are in the database, so that
//! any process can submit the message; a copy is in the folder during the submission.

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

/// Files without a waiting message are kept this long: their message may not be stored yet.
const GRACE: TimeDelta = TimeDelta::minutes(15);
const FILES_PER_QUERY: usize = 500;

#[derive(Debug, Error)]
pub enum UploadStorageError {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] db::Error),
}

#[derive(Clone, Debug)]
pub struct UploadStorage {
    folder: PathBuf,
    store: Store,
}

impl UploadStorage {
    /// Creates the folder (0700) if it is missing.
    pub fn open(folder: PathBuf, store: Store) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        Ok(Self { folder, store })
    }

    /// Creates a file (0600) for a request body; it is removed on drop unless it is stored.
    pub fn create_temporary(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(&self.folder)
    }

    /// Stores a temporary file for a message: in the database, or by renaming it within the folder.
    pub(super) async fn store_file(
        &self,
        received: &Path,
        id: MessageId,
        mime_type: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<PathBuf, UploadStorageError> {
        let extension = mime_type.and_then(extension_of_mime_type).unwrap_or("bin");
        let stored = self.folder.join(format!("{id}.{extension}"));
        if self.store.is_shared() {
            let content = tokio::fs::read(received).await?;
            self.store.store_upload(id, content, now).await?;
        } else {
            tokio::fs::rename(received, &stored).await?;
        }
        Ok(stored)
    }

    /// With PostgreSQL, changes the path of an uploaded file to this process's folder: the process
    /// that accepted it may use another.
    pub(super) fn set_local_path(&self, media: &mut Media) {
        if self.store.is_shared()
            && let MediaSource::Upload(upload) = &mut media.source
            && let Some(name) = upload.path.file_name()
        {
            upload.path = self.folder.join(name);
        }
    }

    /// With PostgreSQL, copies the file of a claimed message from the database into the folder. If
    /// it is missing, the submission fails when it opens the file.
    pub(super) async fn fetch(&self, id: MessageId, media: &Media) {
        let MediaSource::Upload(upload) = &media.source else {
            return;
        };
        if !self.store.is_shared() {
            return;
        }
        if let Err(error) = self.copy(id, &upload.path).await {
            tracing::warn!(%error, message.id = %id, "cannot read an uploaded file from the database");
        }
    }

    async fn copy(&self, id: MessageId, path: &Path) -> Result<(), UploadStorageError> {
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

    /// Deletes files in the database whose message is no longer waiting. Only one process may call
    /// this at a time.
    pub async fn drop_shared(&self, now: DateTime<Utc>) -> Result<(), db::Error> {
        if self.store.is_shared() {
            self.store.delete_finished_uploads(now - GRACE).await?;
        }
        Ok(())
    }

    /// Removes files whose message is no longer waiting, after a crash or a failed commit.
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

/// Has no limit: files of waiting messages would hide the others.
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

pub(crate) fn discard(media: Option<&Media>) {
    if let Some(MediaSource::Upload(upload)) = media.map(|media| &media.source) {
        remove(&upload.path);
    }
}

/// Synchronous, because unlinking is fast.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "cannot remove an uploaded file");
    }
}
