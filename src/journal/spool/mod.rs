//! Fsynced fallback files for callbacks while the journal accepts none: one file of this process,
//! and the files of ended processes.
//!
//! Owns the files and their size limit. The journal writer decides when records come here and when
//! they move to the journal.

mod record_format;
mod spool_file;
mod status;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::db::Error;
use crate::db::disk::DiskReserve;
use crate::domain::callback_record::CallbackRecord;
use record_format::Seal;
use spool_file::{ClaimedFile, SpoolFile};
pub use status::{SpoolLimits, SpoolSettings, SpoolStatus};

const EXTENSION: &str = "spool";
/// Extension of files with records that the journal rejected; they are never drained.
const REFUSED_EXTENSION: &str = "refused";
/// Attempts to create a file that another process does not remove at the same moment.
const CREATE_TRIES: u32 = 5;

#[derive(Debug)]
pub(crate) struct Spool {
    settings: SpoolSettings,
    journal: Uuid,
    own: Shared,
    abandoned: VecDeque<Shared>,
    refused: Option<Shared>,
    /// Files that must not be drained here; logged once.
    ignored: BTreeSet<PathBuf>,
    looking: Option<JoinHandle<io::Result<FoundFiles>>>,
    status: watch::Sender<SpoolStatus>,
}

type Shared = Arc<Mutex<SpoolFile>>;
type FoundFiles = Vec<(PathBuf, ClaimedFile)>;

/// Records read from a file to be inserted into the journal.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) records: Vec<CallbackRecord>,
    file: Shared,
    next: u64,
}

/// Result of the search for files of ended processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileSearch {
    GoesOn,
    Ended,
}

impl Spool {
    /// Creates this process's file. Fails if nothing can be stored there.
    pub(crate) async fn open(settings: SpoolSettings, journal: Uuid) -> Result<Self, Error> {
        let folder = settings.folder.clone();
        let own = create(&folder, EXTENSION, journal).await?;
        Ok(Self {
            settings,
            journal,
            own,
            abandoned: VecDeque::new(),
            refused: None,
            ignored: BTreeSet::new(),
            looking: None,
            status: watch::Sender::default(),
        })
    }

    pub(crate) fn status(&self) -> watch::Receiver<SpoolStatus> {
        self.status.subscribe()
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut SpoolStatus)) {
        self.status.send_modify(change);
    }

    /// After an error none of the records is stored.
    pub(crate) async fn append<'r>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
    ) -> Result<(), Error> {
        let count = records.len() as u64;
        let limits = self.settings.limits;
        let seal = lock(&self.own).seal();
        let mut bytes = Vec::new();
        let written = records
            .into_iter()
            .try_for_each(|record| record_format::write(&mut bytes, seal, record));
        let result = match written {
            Ok(()) => {
                blocking(&self.own, move |file| {
                    check_limits(file, bytes.len() as u64, limits)?;
                    file.append(&bytes, count)
                })
                .await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                self.tell(|status| status.spooled += count);
                Ok(())
            }
            Err(source) => Err(file_error(lock(&self.own).path(), source)),
        }
    }

    /// Whether a record would be accepted now, by limits and disk.
    pub(crate) async fn has_room(&self) -> bool {
        let limits = self.settings.limits;
        blocking(&self.own, move |file| check_limits(file, 0, limits))
            .await
            .is_ok()
    }

    pub(crate) fn holds_records(&self) -> bool {
        !self.abandoned.is_empty() || !lock(&self.own).is_drained()
    }

    /// The next records to drain: this process's before those of ended ones. Removes drained files.
    pub(crate) async fn next_chunk(
        &mut self,
        most_records: usize,
        most_bytes: u64,
    ) -> Result<Option<Chunk>, Error> {
        loop {
            let own_waits = !lock(&self.own).is_drained();
            let Some(file) = own_waits
                .then(|| Arc::clone(&self.own))
                .or_else(|| self.abandoned.front().cloned())
            else {
                return Ok(None);
            };
            let read = blocking(&file, move |file| file.read(most_records, most_bytes)).await;
            let read = read.map_err(|source| file_error(lock(&file).path(), source))?;
            let chunk = Chunk {
                records: read.records,
                file,
                next: read.next,
            };
            if !chunk.records.is_empty() {
                return Ok(Some(chunk));
            }
            let at_its_end = self.drained(&chunk, 0).await?;
            if !own_waits && at_its_end {
                self.retire_first().await?;
            }
        }
    }

    /// Marks the records as drained; true if the file has no more.
    pub(crate) async fn drained(&mut self, chunk: &Chunk, records: u64) -> Result<bool, Error> {
        let next = chunk.next;
        let at_its_end = blocking(&chunk.file, move |file| {
            file.drained(next, records)?;
            Ok(file.is_drained())
        })
        .await
        .map_err(|source| file_error(lock(&chunk.file).path(), source))?;
        self.tell(|status| status.drained += records);
        Ok(at_its_end)
    }

    /// Stores the only record of a chunk, which the journal rejected, in a file for inspection.
    pub(crate) async fn set_aside(&mut self, chunk: &Chunk) -> Result<PathBuf, Error> {
        let file = if let Some(file) = &self.refused {
            Arc::clone(file)
        } else {
            let file = create(&self.settings.folder, REFUSED_EXTENSION, self.journal).await?;
            Arc::clone(self.refused.insert(file))
        };
        let path = lock(&file).path().to_owned();
        let seal = lock(&file).seal();
        let count = chunk.records.len() as u64;
        let mut bytes = Vec::new();
        let kept = chunk
            .records
            .iter()
            .try_for_each(|record| record_format::write(&mut bytes, seal, record));
        let kept = match kept {
            Ok(()) => blocking(&file, move |file| file.append(&bytes, count)).await,
            Err(error) => Err(error),
        };
        kept.map_err(|source| file_error(&path, source))?;
        let next = chunk.next;
        blocking(&chunk.file, move |file| file.drained(next, count))
            .await
            .map_err(|source| file_error(&path, source))?;
        self.tell(|status| status.set_aside += count);
        Ok(path)
    }

    /// Searches for files of ended processes and claims them, in the background: call again until
    /// it has ended.
    pub(crate) async fn claim_abandoned(&mut self) -> Result<FileSearch, Error> {
        let Some(looking) = self.looking.take_if(|looking| looking.is_finished()) else {
            if self.looking.is_none() {
                let folder = self.settings.folder.clone();
                let (journal, known) = (self.journal, self.known_paths());
                let looking = move || claim_in(&folder, journal, &known);
                self.looking = Some(tokio::task::spawn_blocking(looking));
            }
            return Ok(FileSearch::GoesOn);
        };
        let claimed = looking
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        for (path, found) in claimed.map_err(|source| file_error(&self.settings.folder, source))? {
            match found {
                ClaimedFile::Claimed(file) => {
                    tracing::info!(
                        records = file.waiting(),
                        "found callbacks in the spool file of an ended process"
                    );
                    self.abandoned.push_back(Arc::new(Mutex::new(file)));
                }
                ClaimedFile::Foreign(reason) => {
                    tracing::warn!(file = %path.display(), reason, "ignoring a spool file");
                    self.ignored.insert(path);
                }
                ClaimedFile::InUse | ClaimedFile::Empty => {}
            }
        }
        self.tell(|_| {});
        Ok(FileSearch::Ended)
    }

    /// Removes this process's file if it is empty; the next process drains the rest.
    pub(crate) async fn close(self) {
        let own = self.own;
        let closed = blocking(&own, |file| {
            if file.is_drained() {
                file.retire()?;
            }
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "cannot remove the spool file");
        }
    }

    async fn retire_first(&mut self) -> Result<(), Error> {
        let Some(file) = self.abandoned.pop_front() else {
            return Ok(());
        };
        let retired = blocking(&file, |file| file.retire()).await;
        let kept = retired.map_err(|source| file_error(lock(&file).path(), source))?;
        if let Some(kept) = kept {
            tracing::error!(file = %kept.display(), "parts of a spool file are unreadable; the file is kept");
        }
        tracing::info!("drained the spool file of an ended process");
        self.tell(|_| {});
        Ok(())
    }

    fn known_paths(&self) -> BTreeSet<PathBuf> {
        let claimed = self.abandoned.iter().chain([&self.own]);
        let claimed = claimed.map(|file| lock(file).path().to_owned());
        claimed.chain(self.ignored.iter().cloned()).collect()
    }

    fn tell(&self, change: impl FnOnce(&mut SpoolStatus)) {
        let files = || self.abandoned.iter().chain([&self.own]);
        let depth = files().map(|file| lock(file).waiting()).sum();
        let bytes = files().map(|file| lock(file).bytes()).sum();
        self.note(|status| {
            change(status);
            status.depth = depth;
            status.bytes = bytes;
        });
    }
}

async fn create(folder: &Path, extension: &'static str, journal: Uuid) -> Result<Shared, Error> {
    let folder = folder.to_owned();
    let place = folder.clone();
    let made = spawn(move || {
        let mut tries = 1;
        loop {
            let name = Uuid::from_bytes(rand::random()).simple().to_string();
            let path = folder.join(name).with_extension(extension);
            let seal: Seal = rand::random();
            match SpoolFile::create(path, seal, journal) {
                Err(error) if tries == CREATE_TRIES => return Err(error),
                Err(_) => tries += 1,
                made => return made,
            }
        }
    });
    match made.await {
        Ok(file) => Ok(Arc::new(Mutex::new(file))),
        Err(source) => Err(file_error(&place, source)),
    }
}

fn claim_in(folder: &Path, journal: Uuid, known: &BTreeSet<PathBuf>) -> io::Result<FoundFiles> {
    let mut claimed = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_spool = path.extension().is_some_and(|found| found == EXTENSION);
        if is_spool && !known.contains(&path) {
            claimed.push((path.clone(), SpoolFile::claim(path, journal)?));
        }
    }
    Ok(claimed)
}

fn check_limits(file: &SpoolFile, more: u64, limits: SpoolLimits) -> io::Result<()> {
    if file.bytes() + more > limits.bytes {
        return Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("the spool is full ({} bytes)", limits.bytes),
        ));
    }
    let reserve = DiskReserve {
        folder: file.path().parent().unwrap_or(Path::new(".")).to_owned(),
        percent: limits.free_percent,
    };
    reserve.check(more)
}

fn lock(file: &Shared) -> std::sync::MutexGuard<'_, SpoolFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking file operations.
async fn blocking<T: Send + 'static>(
    file: &Shared,
    work: impl FnOnce(&mut SpoolFile) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let file = Arc::clone(file);
    spawn(move || work(&mut lock(&file))).await
}

async fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        source,
    }
}
