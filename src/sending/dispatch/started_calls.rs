//! A file in the data folder that names the attempts whose calls have begun. When the process has
//! died, the other attempts that were committed had still waited for their slot: nothing of those was
//! sent.
//!
//! An entry is written before the first byte leaves, without fsync: what was written outlives the
//! process. It need not outlive the machine, so the file names the boot of the machine too and proves
//! nothing after another one.
//!
//! **Invariant:** the entry of an attempt stays until its outcome is committed. An attempt whose
//! outcome cannot be recorded keeps its entry.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::domain::ids::AttemptId;

const FILE_NAME: &str = "started_calls";
const FILE_MODE: u32 = 0o600;
/// Written by Linux, once per boot.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// An id, of the process, of the boot or of an attempt.
const ENTRY_BYTES: usize = 16;
/// The ids of the process and of the boot.
const HEADER_ENTRIES: usize = 2;
/// Written with the header, so that a disk that fills up later prevents no entry.
const FIRST_ENTRIES: usize = 254;

/// Clones share the file.
#[derive(Clone, Debug)]
pub struct StartedCalls(Option<Arc<CallsFile>>);

#[derive(Debug)]
struct CallsFile {
    path: PathBuf,
    holder: Uuid,
    entries: Mutex<CallEntries>,
}

#[derive(Debug, Default)]
struct CallEntries {
    /// Absent until this process claims its first messages; until then the file is that of an
    /// earlier process.
    file: Option<File>,
    /// Positions of entries that are no longer needed.
    free: Vec<usize>,
    /// The position after the last entry.
    end: usize,
}

/// The place of an entry.
#[derive(Debug)]
#[must_use = "an entry is kept until it is released"]
pub(super) struct CallEntry(usize);

/// What a dead process left.
#[derive(Debug)]
pub(super) struct EarlierCalls {
    pub(super) holder: Uuid,
    begun: HashSet<Uuid>,
}

impl StartedCalls {
    /// Of the only process that serves this folder. Changes no file yet.
    pub fn in_folder(folder: &Path, holder: Uuid) -> Self {
        Self(Some(Arc::new(CallsFile {
            path: folder.join(FILE_NAME),
            holder,
            entries: Mutex::default(),
        })))
    }

    /// For a process that cannot know which others are dead.
    pub fn unused() -> Self {
        Self(None)
    }

    /// Replaces the file of an earlier process. Call it before the first claim is committed, and
    /// after the claims of the earlier process were resolved.
    pub(super) fn open(&self) -> io::Result<()> {
        let Some(calls) = &self.0 else {
            return Ok(());
        };
        calls.lock().open(&calls.path, calls.holder)
    }

    /// Notes that the call of an attempt begins. After an error it must not begin.
    pub(super) fn begin(&self, attempt: AttemptId) -> io::Result<Option<CallEntry>> {
        let Some(calls) = &self.0 else {
            return Ok(None);
        };
        let mut entries = calls.lock();
        entries.open(&calls.path, calls.holder)?;
        entries.write(attempt.uuid()).map(Some)
    }

    /// The outcome of the attempt is committed.
    pub(super) fn release(&self, entry: Option<CallEntry>) {
        if let (Some(calls), Some(CallEntry(position))) = (&self.0, entry) {
            calls.lock().free.push(position);
        }
    }

    /// What the last process left; `None` if it left no proof, or this process has replaced it.
    pub(super) fn read_earlier(&self) -> Option<EarlierCalls> {
        let calls = self.0.as_ref()?;
        if calls.lock().file.is_some() {
            return None;
        }
        let stored = std::fs::read(&calls.path).ok()?;
        let mut ids = stored
            .as_chunks::<ENTRY_BYTES>()
            .0
            .iter()
            .map(|bytes| Uuid::from_bytes(*bytes));
        let holder = ids.next()?;
        let boot = ids.next()?;
        (Some(boot) == boot_id()).then(|| EarlierCalls {
            holder,
            begun: ids.collect(),
        })
    }
}

impl EarlierCalls {
    pub(super) fn has_begun(&self, attempt: AttemptId) -> bool {
        self.begun.contains(&attempt.uuid())
    }
}

impl CallsFile {
    fn lock(&self) -> MutexGuard<'_, CallEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallEntries {
    fn open(&mut self, path: &Path, holder: Uuid) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(FILE_MODE)
            .open(path)?;
        let mut content = vec![0; (HEADER_ENTRIES + FIRST_ENTRIES) * ENTRY_BYTES];
        // Without it the file proves nothing.
        let boot = boot_id().unwrap_or_default();
        content[..ENTRY_BYTES].copy_from_slice(holder.as_bytes());
        content[ENTRY_BYTES..2 * ENTRY_BYTES].copy_from_slice(boot.as_bytes());
        file.write_all_at(&content, 0)?;
        self.end = HEADER_ENTRIES;
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, id: Uuid) -> io::Result<CallEntry> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let position = self.free.last().copied().unwrap_or(self.end);
        let offset = u64::try_from(position * ENTRY_BYTES).map_err(io::Error::other)?;
        file.write_all_at(id.as_bytes(), offset)?;
        if self.free.pop().is_none() {
            self.end += 1;
        }
        Ok(CallEntry(position))
    }
}

/// `None` where the system does not name its boots.
fn boot_id() -> Option<Uuid> {
    let text = std::fs::read_to_string(BOOT_ID_FILE).ok()?;
    text.trim().parse().ok().filter(|id: &Uuid| !id.is_nil())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u128) -> AttemptId {
        Uuid::from_u128(number).into()
    }

    fn calls(folder: &Path, holder: u128) -> StartedCalls {
        StartedCalls::in_folder(folder, Uuid::from_u128(holder))
    }

    #[test]
    fn the_next_process_learns_which_calls_had_begun() {
        let folder = tempfile::tempdir().unwrap();
        let first = calls(folder.path(), 1);
        assert!(
            first.read_earlier().is_none(),
            "a new folder proves nothing"
        );
        first.open().unwrap();
        let entry = first.begin(attempt(10)).unwrap();
        let _kept = first.begin(attempt(11)).unwrap();
        first.release(entry);
        assert!(first.read_earlier().is_none(), "it is not dead");

        let earlier = calls(folder.path(), 2).read_earlier().unwrap();
        assert_eq!(earlier.holder, Uuid::from_u128(1));
        assert!(earlier.has_begun(attempt(11)));
        assert!(!earlier.has_begun(attempt(12)));
    }

    #[test]
    fn entries_are_used_again_and_more_fit_than_were_prepared() {
        let folder = tempfile::tempdir().unwrap();
        let first = calls(folder.path(), 1);
        for number in 0..10_000 {
            let entry = first.begin(attempt(1_000 + number)).unwrap();
            first.release(entry);
        }
        let length = || {
            std::fs::metadata(folder.path().join(FILE_NAME))
                .unwrap()
                .len()
        };
        let prepared = (HEADER_ENTRIES + FIRST_ENTRIES) * ENTRY_BYTES;
        assert_eq!(length(), prepared as u64);
        for number in 0..1_000 {
            let _kept = first.begin(attempt(20_000 + number)).unwrap();
        }
        let earlier = calls(folder.path(), 2).read_earlier().unwrap();
        let begun = (0..1_000).all(|number| earlier.has_begun(attempt(20_000 + number)));
        assert!(begun);
    }

    #[test]
    fn nothing_is_proved_after_another_boot() {
        let folder = tempfile::tempdir().unwrap();
        calls(folder.path(), 1).open().unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut stored = std::fs::read(&path).unwrap();
        assert!(calls(folder.path(), 2).read_earlier().is_some());
        stored[ENTRY_BYTES] ^= 1;
        std::fs::write(&path, &stored).unwrap();
        assert!(calls(folder.path(), 2).read_earlier().is_none());
        std::fs::write(&path, &stored[..20]).unwrap();
        assert!(calls(folder.path(), 2).read_earlier().is_none());
    }
}
