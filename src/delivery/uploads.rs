//! Uploaded files: kept from acceptance until the hand-over is over, readable by their owner alone, never longer.

use std::fs::{DirEntry, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::NamedTempFile;

use crate::domain::ids::MessageId;
use crate::domain::media::{Media, MediaSource, extension_of_mime_type};
use crate::store::{Error, Store};

/// A file that belongs to no waiting message stays this long: its message may be about to be stored, or the request to be read.
const GRACE: TimeDelta = TimeDelta::minutes(15);
/// Files looked at in one sweep.
const SWEEP_LIMIT: usize = 500;

/// The folder of uploaded files.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: PathBuf,
}

impl Uploads {
    /// Makes the folder (0700) where it is missing.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        Ok(Self { folder })
    }

    /// A file (0600) for a request that is being read; removed with its handle unless it is kept.
    pub fn receive(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(&self.folder)
    }

    /// Keeps a received file for a message: a rename, since both lie in one folder.
    pub(super) async fn keep(
        &self,
        received: &Path,
        id: MessageId,
        mime_type: Option<&str>,
    ) -> io::Result<PathBuf> {
        let extension = mime_type.and_then(extension_of_mime_type).unwrap_or("bin");
        let kept = self.folder.join(format!("{id}.{extension}"));
        tokio::fs::rename(received, &kept).await?;
        Ok(kept)
    }

    /// Removes files whose message does not wait any more: what a killed process or a lost commit left behind.
    pub async fn sweep(&self, store: &Store, now: DateTime<Utc>) -> Result<(), Error> {
        let old = list_old(&self.folder, now);
        if old.is_empty() {
            return Ok(());
        }
        let ids: Vec<MessageId> = old.iter().filter_map(|path| message_of(path)).collect();
        let waiting = store.list_waiting(&ids).await?;
        for path in old {
            if message_of(&path).is_none_or(|id| !waiting.contains(&id)) {
                remove(&path);
            }
        }
        Ok(())
    }
}

/// At most [`SWEEP_LIMIT`]; the rest comes with the next sweep.
fn list_old(folder: &Path, now: DateTime<Utc>) -> Vec<PathBuf> {
    let is_old = |entry: &DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|at| DateTime::<Utc>::from(at) + GRACE < now)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(is_old)
        .take(SWEEP_LIMIT)
        .map(|entry| entry.path())
        .collect()
}

fn message_of(path: &Path) -> Option<MessageId> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// Removes the file of a message that no longer needs it.
pub(super) fn discard(media: Option<&Media>) {
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
