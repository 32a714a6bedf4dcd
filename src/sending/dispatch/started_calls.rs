//! A file in the data folder that names the attempts whose calls have begun. After the process has
//! died, it proves that all other committed attempts were still waiting for their slots: nothing of
//! them was sent.
//!
//! An entry is written before the first byte leaves, without fsync, so it outlives the process but
//! not always the machine. So the header contains the boot id of the machine, and the file proves
//! nothing after a reboot. Nor does a copy of the file: the header also contains device and inode.
//!
//! With PostgreSQL several processes run, even in one folder: the one that locks the file uses it,
//! and has died when another can lock it. A process that cannot use the file leaves no proof.
//!
//! **Invariant:** the entry of an attempt stays until its outcome is committed. An attempt whose
//! outcome cannot be recorded keeps its entry.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::domain::ids::AttemptId;

const FILE_NAME: &str = "started_calls";
const FILE_MODE: u32 = 0o600;
/// Written by Linux, once per boot.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// An id, of the process, of the boot, of the file or of an attempt.
const ENTRY_BYTES: usize = 16;
/// The ids of the process, of the boot and of the file.
const HEADER_ENTRIES: usize = 3;
/// Written with the header, so that a disk that fills up later prevents no entry.
const FIRST_ENTRIES: usize = 253;

/// Who else may use a data folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FolderUse {
    /// Another lock proves that no other process uses it.
    Exclusive,
    Shared,
}

/// Clones share the file.
#[derive(Clone, Debug)]
pub struct StartedCalls(Arc<CallsFile>);

#[derive(Debug)]
struct CallsFile {
    path: PathBuf,
    holder: Uuid,
    folder_use: FolderUse,
    entries: Mutex<CallEntries>,
}

#[derive(Debug, Default)]
struct CallEntries {
    /// Locked in a shared folder.
    file: Option<File>,
    /// Until this process claims its first messages the file is that of an earlier process.
    stage: FileStage,
    /// Positions of entries that are no longer needed.
    free: Vec<usize>,
    /// The position after the last entry.
    end: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum FileStage {
    #[default]
    Earlier,
    Own,
    /// Calls of this process begin without an entry, so no later entry would prove anything.
    Unused,
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
    /// Changes no file yet.
    pub fn new(folder: &Path, holder: Uuid, folder_use: FolderUse) -> Self {
        Self(Arc::new(CallsFile {
            path: folder.join(FILE_NAME),
            holder,
            folder_use,
            entries: Mutex::default(),
        }))
    }

    /// Replaces the file of an earlier process. Call it before the first claim is committed, and
    /// after the claims of the earlier process were resolved.
    pub(super) fn open(&self) -> io::Result<()> {
        self.0.open(&mut self.0.lock())
    }

    /// Records that the call of an attempt begins. After an error the call must not begin.
    pub(super) fn begin(&self, attempt: AttemptId) -> io::Result<Option<CallEntry>> {
        let calls = &self.0;
        let mut entries = calls.lock();
        calls.open(&mut entries)?;
        match entries.stage {
            FileStage::Unused => Ok(None),
            FileStage::Own | FileStage::Earlier => entries.write(attempt.uuid()).map(Some),
        }
    }

    /// Call it when the outcome of the attempt is committed.
    pub(super) fn release(&self, entry: Option<CallEntry>) {
        self.0.lock().free.extend(entry.map(|entry| entry.0));
    }

    /// What the last process left; `None` if it left no proof, is not dead, or this process has
    /// replaced it.
    pub(super) fn read_earlier(&self) -> Option<EarlierCalls> {
        let calls = &self.0;
        let mut entries = calls.lock();
        if entries.stage != FileStage::Earlier || !calls.acquire(&mut entries).ok()? {
            return None;
        }
        let file = entries.file.as_mut()?;
        let mut stored = Vec::new();
        file.rewind().ok()?;
        file.read_to_end(&mut stored).ok()?;
        let mut ids = stored
            .as_chunks::<ENTRY_BYTES>()
            .0
            .iter()
            .map(|bytes| Uuid::from_bytes(*bytes));
        let holder = ids.next()?;
        let boot = ids.next()?;
        let is_original = ids.next()? == file_identity(file).ok()?;
        (Some(boot) == boot_id() && is_original).then(|| EarlierCalls {
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

    /// False if another process uses the file.
    fn acquire(&self, entries: &mut CallEntries) -> io::Result<bool> {
        if entries.file.is_some() {
            return Ok(true);
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .open(&self.path)?;
        if self.folder_use == FolderUse::Shared {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(false),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        entries.file = Some(file);
        Ok(true)
    }

    fn open(&self, entries: &mut CallEntries) -> io::Result<()> {
        if entries.stage != FileStage::Earlier {
            return Ok(());
        }
        let begun = match self.acquire(entries) {
            Ok(true) => entries.begin_file(self.holder),
            Ok(false) => {
                entries.stage = FileStage::Unused;
                Ok(())
            }
            Err(error) => Err(error),
        };
        if begun.is_err() && self.folder_use == FolderUse::Shared {
            // The database is elsewhere and works: sending continues, without proof.
            entries.stage = FileStage::Unused;
        }
        begun
    }
}

impl CallEntries {
    fn begin_file(&mut self, holder: Uuid) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut content = vec![0; (HEADER_ENTRIES + FIRST_ENTRIES) * ENTRY_BYTES];
        // A nil boot id proves nothing.
        let boot = boot_id().unwrap_or_default();
        let header = [holder, boot, file_identity(file)?];
        for (at, id) in content.chunks_exact_mut(ENTRY_BYTES).zip(header) {
            at.copy_from_slice(id.as_bytes());
        }
        file.set_len(0)?;
        file.write_all_at(&content, 0)?;
        self.end = HEADER_ENTRIES;
        self.stage = FileStage::Own;
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

/// Device and inode, which a copy does not share.
fn file_identity(file: &File) -> io::Result<Uuid> {
    let metadata = file.metadata()?;
    Ok(Uuid::from_u64_pair(metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u128) -> AttemptId {
        Uuid::from_u128(number).into()
    }

    fn calls(folder: &Path, holder: u128) -> StartedCalls {
        StartedCalls::new(folder, Uuid::from_u128(holder), FolderUse::Exclusive)
    }

    fn shared(folder: &Path, holder: u128) -> StartedCalls {
        StartedCalls::new(folder, Uuid::from_u128(holder), FolderUse::Shared)
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
    fn released_entries_are_reused_and_the_file_grows_when_needed() {
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
        let preallocated = (HEADER_ENTRIES + FIRST_ENTRIES) * ENTRY_BYTES;
        assert_eq!(length(), preallocated as u64);
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

    #[test]
    fn a_copy_of_the_file_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        calls(folder.path(), 1).open().unwrap();
        let copy = other.path().join(FILE_NAME);
        std::fs::copy(folder.path().join(FILE_NAME), copy).unwrap();
        assert!(calls(folder.path(), 2).read_earlier().is_some());
        assert!(calls(other.path(), 2).read_earlier().is_none());
    }

    #[test]
    fn in_a_shared_folder_a_process_that_runs_is_not_taken_for_dead() {
        let folder = tempfile::tempdir().unwrap();
        let first = shared(folder.path(), 1);
        first.open().unwrap();
        let _kept = first.begin(attempt(10)).unwrap();

        let second = shared(folder.path(), 2);
        assert!(second.read_earlier().is_none(), "the first one runs");
        assert!(second.begin(attempt(20)).unwrap().is_none());
        drop(first);
        // It has begun a call that the file does not name.
        assert!(second.begin(attempt(21)).unwrap().is_none());
        assert!(second.read_earlier().is_none());

        let earlier = shared(folder.path(), 3).read_earlier().unwrap();
        assert_eq!(earlier.holder, Uuid::from_u128(1));
        assert!(earlier.has_begun(attempt(10)));
    }

    #[test]
    fn in_a_shared_folder_calls_begin_although_the_file_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(FILE_NAME)).unwrap();
        let calls = shared(folder.path(), 1);
        assert!(calls.open().is_err(), "it is logged");
        assert!(calls.begin(attempt(10)).unwrap().is_none());
    }
}
