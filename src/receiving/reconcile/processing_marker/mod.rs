//! A file in the data folder that names the callbacks being processed. From it, the next process
//! learns on which callbacks the last one died.
//!
//! It is overwritten in place before and after each batch, without fsync: written data survives the
//! process, and a power failure is not caused by a callback.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[cfg(test)]
mod tests;

use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::CallbackId;

const FILE_NAME: &str = "processing";
const FILE_MODE: u32 = 0o600;
/// Records are padded with spaces, so that nothing remains of a longer previous one.
const RECORD_BYTES: usize = 640;
/// A single death may be caused by an operator or by the machine.
const DEATHS_TO_QUARANTINE: u32 = 2;

/// The reason that operators see for a callback on which the process died.
pub(super) const CRASHED: &str =
    "crashed: the program ended twice while it processed this callback";

/// Clones share the file.
#[derive(Clone, Debug)]
pub(super) struct ProcessingMarker(Arc<Mutex<MarkedWork>>);

#[derive(Debug)]
struct MarkedWork {
    path: PathBuf,
    /// Absent until it is opened, and while another process holds its lock.
    file: Option<File>,
    record: MarkerRecord,
}

/// The content of the file.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug, Default)]
struct MarkerRecord {
    parsing: Option<BatchSpan>,
    applying: Option<BatchSpan>,
    /// The process died while it processed these: they are processed one by one.
    suspects: Option<BatchSpan>,
    /// The callback that the process died on while it processed nothing else.
    died_on: Option<Deaths>,
}

/// Callbacks that follow each other in the journal.
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Debug)]
struct BatchSpan {
    after: i64,
    until: i64,
    /// Its only callback.
    only: Option<Uuid>,
}

#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Debug)]
struct Deaths {
    callback: Uuid,
    deaths: u32,
}

/// Parsing the next batch overlaps with applying the present one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MarkedStage {
    Parsing,
    Applying,
}

impl ProcessingMarker {
    /// Does not open the file yet: commands that process no callbacks leave it alone.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self(Arc::new(Mutex::new(MarkedWork {
            path: folder.join(FILE_NAME),
            file: None,
            record: MarkerRecord::default(),
        })))
    }

    /// Reads what the last process left, unless another process uses the file. If the file cannot
    /// be used, callbacks are processed without it.
    pub(super) fn open(&self) {
        let mut work = self.lock();
        if work.file.is_some() {
            return;
        }
        match open_locked(&work.path) {
            Ok(Some((file, record))) => {
                work.file = Some(file);
                work.record = record;
                work.record.count_death();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot use the file that names the callbacks being processed; a callback that crashes the process will not be recognised");
            }
        }
    }

    /// Counts work that panicked, and therefore neither succeeded nor failed, as a death.
    pub(super) fn count_interrupted(&self) {
        self.lock().record.count_death();
    }

    /// Notes the callbacks after a position that are processed from now on. Call
    /// [`ProcessingMarker::end`] when the work has ended, whatever its result.
    pub(super) fn begin<'a>(
        &self,
        stage: MarkedStage,
        after: i64,
        mut entries: impl DoubleEndedIterator<Item = &'a JournalEntry>,
    ) {
        let Some(last) = entries.next_back() else {
            return;
        };
        let is_only = entries.next().is_none();
        let span = BatchSpan {
            after,
            until: last.seq,
            only: is_only.then(|| last.record.id.uuid()),
        };
        let mut work = self.lock();
        *work.record.stage(stage) = Some(span);
        work.write();
    }

    pub(super) fn end(&self, stage: MarkedStage) {
        let mut work = self.lock();
        if work.record.stage(stage).take().is_some() {
            work.write();
        }
    }

    /// Whether the callbacks after `position` are processed one by one. Forgets suspects before it.
    pub(super) fn has_suspects_after(&self, position: i64) -> bool {
        let mut work = self.lock();
        let suspects = &mut work.record.suspects;
        if suspects.is_some_and(|span| span.until <= position) {
            *suspects = None;
        }
        suspects.is_some_and(|span| span.after <= position)
    }

    /// Whether the process died on this callback often enough to quarantine it.
    pub(super) fn is_fatal(&self, callback: CallbackId) -> bool {
        let died_on = self.lock().record.died_on;
        died_on.is_some_and(|died_on| {
            died_on.callback == callback.uuid() && died_on.deaths >= DEATHS_TO_QUARANTINE
        })
    }

    /// Forgets the deaths on a callback that was quarantined or processed.
    pub(super) fn forget_deaths(&self, callback: CallbackId) {
        let died_on = &mut self.lock().record.died_on;
        if died_on.is_some_and(|deaths| deaths.callback == callback.uuid()) {
            *died_on = None;
        }
    }

    /// Clears the marker when the process is asked to stop: if it then ends during its work, that
    /// is not a death.
    pub(super) fn close(&self) {
        let mut work = self.lock();
        work.record.parsing = None;
        work.record.applying = None;
        work.write();
        work.file = None;
    }

    fn lock(&self) -> MutexGuard<'_, MarkedWork> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MarkedWork {
    /// After an error the file is no longer used; callbacks are processed without it.
    fn write(&mut self) {
        let Some(file) = &self.file else {
            return;
        };
        if let Err(error) = write_record(file, &self.record) {
            tracing::warn!(%error, "cannot write the file that names the callbacks being processed; a callback that crashes the process will not be recognised");
            self.file = None;
        }
    }
}

impl MarkerRecord {
    fn stage(&mut self, stage: MarkedStage) -> &mut Option<BatchSpan> {
        match stage {
            MarkedStage::Parsing => &mut self.parsing,
            MarkedStage::Applying => &mut self.applying,
        }
    }

    /// Counts a death on the callbacks that were being processed, if any were.
    fn count_death(&mut self) {
        let Some(span) = join(self.parsing.take(), self.applying.take()) else {
            return;
        };
        if let Some(callback) = span.only {
            let before = self.died_on.filter(|deaths| deaths.callback == callback);
            let deaths = before.map_or(0, |deaths| deaths.deaths).saturating_add(1);
            self.died_on = Some(Deaths { callback, deaths });
        }
        let is_among =
            |suspects: BatchSpan| suspects.after <= span.after && span.until <= suspects.until;
        if !self.suspects.is_some_and(is_among) {
            self.suspects = Some(span);
        }
    }
}

/// The span from the first to the last callback of both.
fn join(one: Option<BatchSpan>, other: Option<BatchSpan>) -> Option<BatchSpan> {
    let (Some(one), Some(other)) = (one, other) else {
        return one.or(other);
    };
    Some(BatchSpan {
        after: one.after.min(other.after),
        until: one.until.max(other.until),
        only: one.only.filter(|_| one == other),
    })
}

/// `None` while another process holds the lock.
fn open_locked(path: &Path) -> io::Result<Option<(File, MarkerRecord)>> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(FILE_MODE)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut stored = Vec::new();
    let limit = u64::try_from(RECORD_BYTES).unwrap_or_default();
    (&mut file).take(limit).read_to_end(&mut stored)?;
    // A new file is empty; after a power failure it may contain anything.
    let record = serde_json::from_slice(&stored).unwrap_or_default();
    Ok(Some((file, record)))
}

fn write_record(file: &File, record: &MarkerRecord) -> io::Result<()> {
    let mut stored = serde_json::to_vec(record)?;
    stored.resize(RECORD_BYTES, b' ');
    file.write_all_at(&stored, 0)
}
