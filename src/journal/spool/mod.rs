//! Where callbacks are durable while the journal does not take them: an fsynced file of this process, and the files that ended processes left behind.
//!
//! Owns the files and how much they may hold. When records come here, and when they go on into the journal, the journal's writer decides.

mod file;
mod frame;
mod standing;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::db::Error;
use crate::db::disk::Reserve;
use crate::domain::callback_record::CallbackRecord;
use file::{Found, SpoolFile};
use frame::Seal;
pub use standing::{SpoolLimits, SpoolSettings, SpoolStanding};

/// The name of every spool file ends with this.
const EXTENSION: &str = "spool";
/// Files with records that the journal refused for what they hold end with this; nothing reads them by itself.
const REFUSED_EXTENSION: &str = "refused";
/// Tries to make a file that nobody removes in the same moment.
const CREATE_TRIES: u32 = 5;

/// The files of one process.
#[derive(Debug)]
pub(crate) struct Spool {
    settings: SpoolSettings,
    journal: Uuid,
    own: Shared,
    abandoned: VecDeque<Shared>,
    refused: Option<Shared>,
    /// Files that are not ours to drain; told once.
    ignored: BTreeSet<PathBuf>,
    looking: Option<JoinHandle<io::Result<FoundFiles>>>,
    standing: watch::Sender<SpoolStanding>,
}

type Shared = Arc<Mutex<SpoolFile>>;
type FoundFiles = Vec<(PathBuf, Found)>;

/// Records on their way from a file into the journal.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// In the order they came.
    pub(crate) records: Vec<CallbackRecord>,
    file: Shared,
    next: u64,
}

/// Whether the search for files of ended processes has come to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    /// It has begun and goes on.
    GoesOn,
    /// What was found is claimed.
    Ended,
}

impl Spool {
    /// Makes this process's file. An error means that nothing can be kept there.
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
            standing: watch::Sender::default(),
        })
    }

    /// Tells how the spool stands.
    pub(crate) fn standing(&self) -> watch::Receiver<SpoolStanding> {
        self.standing.subscribe()
    }

    /// Changes what is told.
    pub(crate) fn note(&self, change: impl FnOnce(&mut SpoolStanding)) {
        self.standing.send_modify(change);
    }

    /// Makes records durable. After an error none of them is kept.
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
            .try_for_each(|record| frame::write(&mut bytes, seal, record));
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
                self.tell(|standing| standing.spooled += count);
                Ok(())
            }
            Err(source) => Err(file_error(lock(&self.own).path(), source)),
        }
    }

    /// Whether it would take a record now, as far as limits and the disk tell.
    pub(crate) async fn has_room(&self) -> bool {
        let limits = self.settings.limits;
        blocking(&self.own, move |file| check_limits(file, 0, limits))
            .await
            .is_ok()
    }

    /// Whether records wait to be drained.
    pub(crate) fn holds_records(&self) -> bool {
        !self.abandoned.is_empty() || !lock(&self.own).is_drained()
    }

    /// The next records for the journal: our own before those left behind. Files that are done with are cleared away.
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

    /// Notes that the journal has these records; true when the file holds no more.
    pub(crate) async fn drained(&mut self, chunk: &Chunk, records: u64) -> Result<bool, Error> {
        let next = chunk.next;
        let at_its_end = blocking(&chunk.file, move |file| {
            file.drained(next, records)?;
            Ok(file.is_drained())
        })
        .await
        .map_err(|source| file_error(lock(&chunk.file).path(), source))?;
        self.tell(|standing| standing.drained += records);
        Ok(at_its_end)
    }

    /// Keeps the only record of a chunk, which the journal refuses for what it holds, in a file for a person to look at.
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
            .try_for_each(|record| frame::write(&mut bytes, seal, record));
        let kept = match kept {
            Ok(()) => blocking(&file, move |file| file.append(&bytes, count)).await,
            Err(error) => Err(error),
        };
        kept.map_err(|source| file_error(&path, source))?;
        let next = chunk.next;
        blocking(&chunk.file, move |file| file.drained(next, count))
            .await
            .map_err(|source| file_error(&path, source))?;
        self.tell(|standing| standing.set_aside += count);
        Ok(path)
    }

    /// Looks for files of ended processes and takes them over. Looking may take a while and goes on in the background: call again until it has ended.
    pub(crate) async fn claim_abandoned(&mut self) -> Result<Look, Error> {
        let Some(looking) = self.looking.take_if(|looking| looking.is_finished()) else {
            if self.looking.is_none() {
                let folder = self.settings.folder.clone();
                let (journal, known) = (self.journal, self.known_paths());
                let looking = move || claim_in(&folder, journal, &known);
                self.looking = Some(tokio::task::spawn_blocking(looking));
            }
            return Ok(Look::GoesOn);
        };
        let claimed = looking
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        for (path, found) in claimed.map_err(|source| file_error(&self.settings.folder, source))? {
            match found {
                Found::Claimed(file) => {
                    tracing::info!(
                        records = file.waiting(),
                        "callbacks of an ended process are in its spool file"
                    );
                    self.abandoned.push_back(Arc::new(Mutex::new(file)));
                }
                Found::Foreign(reason) => {
                    tracing::warn!(file = %path.display(), reason, "a spool file is left alone");
                    self.ignored.insert(path);
                }
                Found::InUse | Found::Empty => {}
            }
        }
        self.tell(|_| {});
        Ok(Look::Ended)
    }

    /// Removes this process's file if nothing is left in it; what is left, the next process drains.
    pub(crate) async fn close(self) {
        let own = self.own;
        let closed = blocking(&own, |file| {
            if file.is_drained() {
                file.retire()?;
            }
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "the spool file could not be removed");
        }
    }

    async fn retire_first(&mut self) -> Result<(), Error> {
        let Some(file) = self.abandoned.pop_front() else {
            return Ok(());
        };
        let retired = blocking(&file, |file| file.retire()).await;
        let kept = retired.map_err(|source| file_error(lock(&file).path(), source))?;
        if let Some(kept) = kept {
            tracing::error!(file = %kept.display(), "parts of a spool file could not be read; it is kept");
        }
        tracing::info!("the journal has what an ended process left in its spool file");
        self.tell(|_| {});
        Ok(())
    }

    fn known_paths(&self) -> BTreeSet<PathBuf> {
        let claimed = self.abandoned.iter().chain([&self.own]);
        let claimed = claimed.map(|file| lock(file).path().to_owned());
        claimed.chain(self.ignored.iter().cloned()).collect()
    }

    fn tell(&self, change: impl FnOnce(&mut SpoolStanding)) {
        let files = || self.abandoned.iter().chain([&self.own]);
        let depth = files().map(|file| lock(file).waiting()).sum();
        let bytes = files().map(|file| lock(file).bytes()).sum();
        self.note(|standing| {
            change(standing);
            standing.depth = depth;
            standing.bytes = bytes;
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
            format!("the spool holds as much as it may ({} bytes)", limits.bytes),
        ));
    }
    let reserve = Reserve {
        folder: file.path().parent().unwrap_or(Path::new(".")).to_owned(),
        percent: limits.free_percent,
    };
    reserve.check(more)
}

fn lock(file: &Shared) -> std::sync::MutexGuard<'_, SpoolFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Works on a file where blocking is allowed.
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
