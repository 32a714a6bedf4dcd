//! A spool file whose blocking operations run outside the writer task.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::db::Error;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::spool::record_format::{self, RecordMarker};
use crate::journal::spool::spool_file::SpoolFile;

/// How often to try to create a file, since another process may remove it before it is locked.
const MAX_CREATE_ATTEMPTS: u32 = 5;

#[derive(Clone, Debug)]
pub(super) struct SharedFile(Arc<Mutex<SpoolFile>>);

impl SharedFile {
    pub(super) fn new(file: SpoolFile) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    /// Creates a file with a random name.
    pub(super) async fn create(
        folder: &Path,
        extension: &'static str,
        journal: Uuid,
    ) -> Result<Self, Error> {
        let parent = folder.to_owned();
        let created = run_blocking(move || {
            let mut attempts = 1;
            loop {
                let name = Uuid::from_bytes(rand::random()).simple().to_string();
                let path = parent.join(name).with_extension(extension);
                let marker: RecordMarker = rand::random();
                match SpoolFile::create(path, marker, journal) {
                    Err(error) if attempts == MAX_CREATE_ATTEMPTS => return Err(error),
                    Err(_) => attempts += 1,
                    created => return created,
                }
            }
        });
        match created.await {
            Ok(file) => Ok(Self::new(file)),
            Err(source) => Err(file_error(folder, source)),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SpoolFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.lock().path().to_owned()
    }

    /// Runs a blocking operation on the file, outside the async threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SpoolFile) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let file = self.clone();
        let result = run_blocking(move || work(&mut file.lock())).await;
        result.map_err(|source| file_error(&self.path(), source))
    }

    /// Appends and syncs records if `check` accepts their size. After an error none of them is
    /// stored.
    pub(super) async fn append<'r>(
        &self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
        check: impl FnOnce(&SpoolFile, u64) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let count = records.len() as u64;
        let marker = self.lock().marker();
        let encoded = record_format::encode(marker, records);
        let bytes = encoded.map_err(|source| file_error(&self.path(), source))?;
        self.run(move |file| {
            check(file, bytes.len() as u64)?;
            file.append(&bytes, count)
        })
        .await
    }
}

pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}

pub(super) fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        source,
    }
}
