//! Synced files for callbacks while the journal accepts none: one file of this process, and the
//! files of ended processes.
//!
//! Owns the files and their size limit. The journal writer decides when records come here and when
//! they move to the journal.

mod abandoned_files;
mod file_names;
mod record_erasure;
mod record_format;
mod record_scan;
mod shared_file;
mod spool_file;
mod status;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;
use uuid::Uuid;

use crate::db::Error;
use crate::db::disk::DiskReserve;
use crate::domain::callback_record::CallbackRecord;
use abandoned_files::AbandonedFiles;
pub(crate) use abandoned_files::FileSearch;
pub(crate) use file_names::is_spool_file;
use file_names::{EXTENSION, REJECTED_EXTENSION};
pub(crate) use record_erasure::{erase_records, holds_records};
use shared_file::SharedFile;
use spool_file::SpoolFile;
pub use status::{SpoolLimits, SpoolSettings, SpoolStatus};

#[derive(Debug)]
pub(crate) struct Spool {
    settings: SpoolSettings,
    journal: Uuid,
    own: SharedFile,
    abandoned: AbandonedFiles,
    rejected: Option<SharedFile>,
    status: watch::Sender<SpoolStatus>,
}

/// Records read from a file to be inserted into the journal.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) records: Vec<CallbackRecord>,
    file: SharedFile,
    next: u64,
}

impl Spool {
    /// Creates this process's file. Fails if the folder cannot be written to; a full disk is not a
    /// failure.
    pub(crate) async fn open(settings: SpoolSettings, journal: Uuid) -> Result<Self, Error> {
        let own = SharedFile::create(&settings.folder, EXTENSION, journal).await?;
        Ok(Self {
            settings,
            journal,
            own,
            abandoned: AbandonedFiles::default(),
            rejected: None,
            status: watch::Sender::default(),
        })
    }

    pub(crate) fn status(&self) -> watch::Receiver<SpoolStatus> {
        self.status.subscribe()
    }

    pub(crate) fn change_status(&self, change: impl FnOnce(&mut SpoolStatus)) {
        self.status.send_modify(change);
    }

    /// After an error none of the records is stored.
    pub(crate) async fn append<'r>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
    ) -> Result<(), Error> {
        let count = records.len() as u64;
        let limits = self.settings.limits;
        let check = move |file: &SpoolFile, bytes| check_limits(file, bytes, limits);
        self.own.append(records, check).await?;
        self.update_status(|status| status.spooled += count);
        Ok(())
    }

    /// Whether a record would be accepted now, given the limits and the disk.
    pub(crate) async fn accepts_records(&self) -> bool {
        let limits = self.settings.limits;
        let checked = self.own.run(move |file| check_limits(file, 0, limits));
        checked.await.is_ok()
    }

    pub(crate) fn holds_records(&self) -> bool {
        self.abandoned.iter().next().is_some() || !self.own.lock().is_drained()
    }

    /// The next records to drain: this process's before those of ended ones. Removes drained files.
    pub(crate) async fn next_chunk(
        &mut self,
        max_records: usize,
        max_bytes: u64,
    ) -> Result<Option<Chunk>, Error> {
        loop {
            let is_own = !self.own.lock().is_drained();
            let file = if is_own {
                Some(&self.own)
            } else {
                self.abandoned.iter().next()
            };
            let Some(file) = file.cloned() else {
                return Ok(None);
            };
            let read = file.run(move |file| file.read(max_records, max_bytes));
            let read = read.await?;
            let chunk = Chunk {
                records: read.records,
                file,
                next: read.next,
            };
            if !chunk.records.is_empty() {
                return Ok(Some(chunk));
            }
            let is_drained = self.mark_drained(&chunk).await?;
            if !is_own && is_drained {
                self.abandoned.remove_first().await?;
                self.update_status(|_| {});
            }
        }
    }

    /// Marks the records as drained; true if the file has no more.
    pub(crate) async fn mark_drained(&mut self, chunk: &Chunk) -> Result<bool, Error> {
        let is_drained = chunk.mark_drained().await?;
        self.update_status(|status| status.drained += chunk.count());
        Ok(is_drained)
    }

    /// Stores the only record of a chunk, which the journal rejected, in a file for inspection.
    pub(crate) async fn store_rejected(&mut self, chunk: &Chunk) -> Result<PathBuf, Error> {
        let file = if let Some(file) = &self.rejected {
            file.clone()
        } else {
            let folder = &self.settings.folder;
            let file = SharedFile::create(folder, REJECTED_EXTENSION, self.journal).await?;
            self.rejected.insert(file).clone()
        };
        file.append(chunk.records.iter(), |_, _| Ok(())).await?;
        chunk.mark_drained().await?;
        self.update_status(|status| status.set_aside += chunk.count());
        Ok(file.path())
    }

    /// Searches for files of ended processes in the background and claims them. Call it again until
    /// the search has finished.
    pub(crate) async fn claim_abandoned(&mut self) -> Result<FileSearch, Error> {
        let (folder, own) = (&self.settings.folder, self.own.path());
        let search = self.abandoned.search(folder, EXTENSION, self.journal, own);
        let search = search.await?;
        if search == FileSearch::Finished {
            self.update_status(|_| {});
        }
        Ok(search)
    }

    /// Removes this process's file if it is empty; the next process drains the rest.
    pub(crate) async fn close(self) {
        let closed = self.own.run(|file| {
            if file.is_drained() {
                file.remove_drained()?;
            }
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "cannot remove the spool file");
        }
    }

    /// Changes the status, and recalculates the number and bytes of records in the files.
    fn update_status(&self, change: impl FnOnce(&mut SpoolStatus)) {
        let (mut depth, mut bytes) = (0, 0);
        for file in self.abandoned.iter().chain([&self.own]) {
            let file = file.lock();
            depth += file.undrained();
            bytes += file.bytes();
        }
        self.change_status(|status| {
            change(status);
            status.depth = depth;
            status.bytes = bytes;
        });
    }
}

impl Chunk {
    fn count(&self) -> u64 {
        self.records.len() as u64
    }

    async fn mark_drained(&self) -> Result<bool, Error> {
        let (next, count) = (self.next, self.count());
        let marked = self.file.run(move |file| {
            file.mark_drained(next, count)?;
            Ok(file.is_drained())
        });
        marked.await
    }
}

fn check_limits(file: &SpoolFile, added_bytes: u64, limits: SpoolLimits) -> io::Result<()> {
    if file.bytes() + added_bytes > limits.bytes {
        return Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("the spool is full ({} bytes)", limits.bytes),
        ));
    }
    let reserve = DiskReserve {
        folder: file.path().parent().unwrap_or(Path::new(".")).to_owned(),
        reserve: limits.reserve,
    };
    reserve.check(added_bytes)
}
