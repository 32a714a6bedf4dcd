//! Stores uploaded files from acceptance until the submission has ended.
//!
//! With SQLite the files are in a folder (0700). With PostgreSQL they are in the database, so that
//! any process can submit the message; a copy is in the folder during the submission.
//!
//! A provider that takes only links fetches the file from `/media/{token}`. Such a file is kept
//! until its message has been final for `HOSTED_FOR`.

use std::collections::BTreeSet;
use std::fs::{DirEntry, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::db;
use crate::domain::ids::MessageId;
use crate::domain::media::{Media, MediaSource, Upload, extension_of_mime_type};
use crate::domain::message::{MessageDraft, Origin};
use crate::domain::secret::Secret;
use crate::providers;
use crate::store::Store;
use crate::store::ledger::Ledger;
use crate::store::uploads::HostingEnd;

/// Files without a waiting message are kept this long, because their message may not be stored yet.
const GRACE: TimeDelta = TimeDelta::minutes(15);
const FILES_PER_QUERY: usize = 500;
/// After the message reached its final state.
const HOSTED_FOR: TimeDelta = TimeDelta::days(7);
/// WhatsApp drops a message that was not delivered within 30 days.
const HOSTED_AT_MOST: TimeDelta = TimeDelta::days(37);
/// 128 bits.
const TOKEN_BYTES: usize = 16;
/// The length of a token in base64url.
pub(crate) const TOKEN_CHARACTERS: usize = 22;

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
    /// The base of the URLs of files.
    public_url: String,
}

/// A file that is served at a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostedFile {
    pub path: PathBuf,
    pub mime_type: String,
}

impl UploadStorage {
    /// Creates the folder (0700) if it is missing.
    pub fn open(folder: PathBuf, store: Store, public_url: &str) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        Ok(Self {
            folder,
            store,
            public_url: public_url.to_owned(),
        })
    }

    /// The base of the URLs of files and reports.
    pub(super) fn public_url(&self) -> &str {
        &self.public_url
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

    /// Replaces an uploaded file by its URL if the provider fetches it, else sets its path in this
    /// process's folder: with PostgreSQL, the process that accepted it may use another folder.
    pub(super) fn resolve_upload(&self, media: &mut Media) {
        if let MediaSource::Upload(Upload {
            token: Some(token), ..
        }) = &media.source
        {
            let url = format!("{}/media/{}", self.public_url, token.expose());
            media.source = MediaSource::Url(url);
            return;
        }
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
        // Renamed into place, because another request may copy the same file.
        let (folder, path) = (self.folder.clone(), path.to_owned());
        let written = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let mut copy = NamedTempFile::new_in(folder)?;
            copy.write_all(&content)?;
            copy.persist(path).map_err(|error| error.error)?;
            Ok(())
        });
        Ok(written.await.map_err(io::Error::other)??)
    }

    /// The file at `/media/{token}`; `None` for an unknown token or a removed file.
    pub async fn find_hosted(&self, token: &str) -> Result<Option<HostedFile>, UploadStorageError> {
        // Strict: rejects other encodings of the same bytes (padding, trailing bits).
        let is_token = token.len() == TOKEN_CHARACTERS
            && URL_SAFE_NO_PAD
                .decode(token)
                .is_ok_and(|bytes| bytes.len() == TOKEN_BYTES);
        if !is_token {
            return Ok(None);
        }
        let Some(message) = self.store.find_by_media_token(token).await? else {
            return Ok(None);
        };
        let Some(media) = message.media else {
            return Ok(None);
        };
        let (MediaSource::Upload(upload), Some(mime_type)) = (&media.source, media.mime_type)
        else {
            return Ok(None);
        };
        let Some(name) = upload.path.file_name() else {
            return Ok(None);
        };
        let path = self.folder.join(name);
        if !tokio::fs::try_exists(&path).await? {
            if !self.store.is_shared() {
                return Ok(None);
            }
            self.copy(message.id, &path).await?;
            if !tokio::fs::try_exists(&path).await? {
                return Ok(None);
            }
        }
        Ok(Some(HostedFile { path, mime_type }))
    }

    /// Whether the file of a message still exists.
    pub(super) async fn is_kept(
        &self,
        of: MessageId,
        upload: &Upload,
    ) -> Result<bool, UploadStorageError> {
        if self.store.is_shared() {
            return Ok(self.store.has_upload(of).await?);
        }
        let name = upload.path.file_name().unwrap_or_default();
        Ok(tokio::fs::try_exists(self.folder.join(name)).await?)
    }

    /// Links or copies the file of a message for another one, which `ledger` is about to store;
    /// `None` if the file was removed.
    pub(super) async fn reuse(
        &self,
        ledger: &Ledger,
        of: MessageId,
        upload: &Upload,
        id: MessageId,
    ) -> Result<Option<PathBuf>, UploadStorageError> {
        if self.store.is_shared() {
            let path = self.path_for(upload, id);
            return Ok(ledger.copy_upload(of, id).await?.then_some(path));
        }
        Ok(self.link(upload, id, ledger.now())?)
    }

    /// Links or copies the file of a message into the folder, for [`UploadStorage::store_file`];
    /// `None` if the file was removed.
    pub(super) async fn duplicate(
        &self,
        of: MessageId,
        upload: &Upload,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Result<Option<PathBuf>, UploadStorageError> {
        if !self.store.is_shared() {
            return Ok(self.link(upload, id, now)?);
        }
        let path = self.path_for(upload, id);
        self.copy(of, &path).await?;
        Ok(tokio::fs::try_exists(&path).await?.then_some(path))
    }

    fn path_for(&self, upload: &Upload, id: MessageId) -> PathBuf {
        let extension = upload.path.extension().unwrap_or_default();
        self.folder.join(id.to_string()).with_extension(extension)
    }

    /// Links the file under the name of another message, so that resends of a video take no space.
    fn link(
        &self,
        upload: &Upload,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> io::Result<Option<PathBuf>> {
        let name = upload.path.file_name().unwrap_or_default();
        let linked = self.path_for(upload, id);
        match std::fs::hard_link(self.folder.join(name), &linked) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result?,
        }
        // Otherwise the sweep might remove it before its message is stored.
        File::open(&linked)?.set_modified(now.into())?;
        Ok(Some(linked))
    }

    /// The files in the folder that belong to these messages.
    pub fn list_files(&self, messages: &BTreeSet<MessageId>) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let paths = entries.flatten().map(|entry| entry.path());
        paths
            .filter(|path| message_of(path).is_some_and(|id| messages.contains(&id)))
            .collect()
    }

    /// Removes the files of these messages from the folder.
    pub fn remove_files(&self, messages: &BTreeSet<MessageId>) {
        for path in self.list_files(messages) {
            remove(&path);
        }
    }

    /// Deletes files in the database whose message is no longer waiting. Only one process may call
    /// this at a time.
    pub async fn sweep_database(&self, now: DateTime<Utc>) -> Result<(), db::Error> {
        if self.store.is_shared() {
            self.store
                .delete_finished_uploads(now - GRACE, hosting_end(now))
                .await?;
        }
        Ok(())
    }

    /// Removes files whose message is no longer waiting, after a crash or a failed commit.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Result<(), db::Error> {
        let folder = self.folder.clone();
        let listed = tokio::task::spawn_blocking(move || list_old(&folder, now)).await;
        for files in listed.unwrap_or_default().chunks(FILES_PER_QUERY) {
            let ids: Vec<MessageId> = files.iter().filter_map(|path| message_of(path)).collect();
            let waiting = self.store.list_waiting(&ids).await?;
            let hosted = self.store.list_hosted(&ids, hosting_end(now)).await?;
            for path in files {
                let is_needed = |id: &MessageId| waiting.contains(id) || hosted.contains(id);
                if message_of(path).is_none_or(|id| !is_needed(&id)) {
                    remove(path);
                }
            }
        }
        Ok(())
    }
}

fn hosting_end(now: DateTime<Utc>) -> HostingEnd {
    HostingEnd {
        final_before: now - HOSTED_FOR,
        created_before: now - HOSTED_AT_MOST,
    }
}

/// A token for the file of this message, if its provider fetches it from a URL.
pub(super) fn token_for(draft: &MessageDraft) -> Option<Secret> {
    let takes_bytes = providers::get(draft.provider).capabilities().sources.upload;
    // A message that is never sent needs no URL.
    if draft.origin == Origin::DryRun || (takes_bytes && draft.template.is_none()) {
        return None;
    }
    let random: [u8; TOKEN_BYTES] = rand::random();
    Some(Secret::new(URL_SAFE_NO_PAD.encode(random)))
}

/// Lists all old files: with a limit, files of waiting messages could hide the others.
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

/// Discards the file of a message that was not stored.
pub(super) fn discard_unused(media: &Media) {
    if let MediaSource::Upload(upload) = &media.source {
        remove(&upload.path);
    }
}

/// Removes the file unless it has a URL: such a file is removed later, by the sweep.
pub(crate) fn discard(media: Option<&Media>) {
    if let Some(MediaSource::Upload(upload)) = media.map(|media| &media.source)
        && upload.token.is_none()
    {
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
