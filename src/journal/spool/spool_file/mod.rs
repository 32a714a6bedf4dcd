//! One spool file: its lock, consecutive records and read position. All operations block.
//!
//! **Invariant:** everything before `end` is complete and synced; what follows was never
//! acknowledged.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::domain::callback_record::CallbackRecord;
use crate::journal::spool::file_names::DAMAGED_EXTENSION;
use crate::journal::spool::record_format::RecordMarker;
use crate::journal::spool::record_scan::RecordScan;

/// First bytes of a file; the last one is the format version.
pub(super) const MAGIC: [u8; 8] = *b"btspool\x01";
/// Size of the header: magic, marker, and identity of the journal that the records belong to.
pub(super) const HEADER_BYTES: usize = 32;
/// Position of the first record.
pub(super) const FIRST_RECORD: u64 = HEADER_BYTES as u64;

#[derive(Debug)]
pub(super) struct SpoolFile {
    path: PathBuf,
    file: File,
    marker: RecordMarker,
    /// The header, until the disk has had space for it.
    missing_header: Option<[u8; HEADER_BYTES]>,
    /// End of the last record.
    end: u64,
    /// Start of the next record to read.
    position: u64,
    /// Number of records between `position` and `end`.
    undrained: u64,
    /// Whether unreadable bytes were skipped between records.
    damaged: bool,
}

#[derive(Debug)]
pub(super) struct ReadRecords {
    pub(super) records: Vec<CallbackRecord>,
    /// Read position after these records.
    pub(super) next: u64,
}

/// Result of claiming the file of another process.
#[derive(Debug)]
pub(super) enum ClaimOutcome {
    Claimed(SpoolFile),
    InUse,
    /// It no longer exists, or was empty and has been removed.
    Empty,
    /// Must not be drained here.
    Foreign(&'static str),
}

impl SpoolFile {
    /// Creates a file with mode 0600, locked before another process can find records in it. On a full
    /// disk the header is written before the first record, so that a process starts there too.
    pub(super) fn create(path: PathBuf, marker: RecordMarker, journal: Uuid) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        let header = header(marker, journal);
        let missing_header = match write_header(&file, &path, &header) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Some(header),
            written => written.map(|()| None)?,
        };
        // Another process found it before it was locked, considered it empty and removed it.
        if file.metadata()?.nlink() == 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            missing_header,
            ..Self::new(path, file, marker, FIRST_RECORD)
        })
    }

    fn new(path: PathBuf, file: File, marker: RecordMarker, end: u64) -> Self {
        Self {
            path,
            file,
            marker,
            missing_header: None,
            end,
            position: FIRST_RECORD,
            undrained: 0,
            damaged: false,
        }
    }

    pub(super) fn claim(path: PathBuf, journal: Uuid) -> io::Result<ClaimOutcome> {
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(ClaimOutcome::Empty);
            }
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(ClaimOutcome::InUse),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let end = file.metadata()?.len();
        if end <= FIRST_RECORD {
            // The header is synced before the first record, so nothing here was acknowledged.
            remove(&path)?;
            return Ok(ClaimOutcome::Empty);
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        if header[..8] != MAGIC {
            return Ok(ClaimOutcome::Foreign("not a spool file of this version"));
        }
        if header[16..] != *journal.as_bytes() {
            return Ok(ClaimOutcome::Foreign("it belongs to another journal"));
        }
        let mut marker = RecordMarker::default();
        marker.copy_from_slice(&header[8..16]);
        let mut claimed = Self::new(path, file, marker, end);
        claimed.undrained = claimed.scan().count_from(FIRST_RECORD)?;
        Ok(ClaimOutcome::Claimed(claimed))
    }

    pub(super) fn marker(&self) -> RecordMarker {
        self.marker
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Records not drained yet.
    pub(super) fn undrained(&self) -> u64 {
        self.undrained
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end - FIRST_RECORD
    }

    /// Appends and syncs records. After an error none of them is stored.
    pub(super) fn append(&mut self, bytes: &[u8], records: u64) -> io::Result<()> {
        if let Some(header) = &self.missing_header {
            write_header(&self.file, &self.path, header)?;
            self.missing_header = None;
        }
        // Removes what an earlier failed write has left.
        if self.file.metadata()?.len() != self.end {
            self.file.set_len(self.end)?;
        }
        let written = self
            .file
            .write_all_at(bytes, self.end)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If this fails, the next append tries again.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += bytes.len() as u64;
        self.undrained += records;
        Ok(())
    }

    /// Returns at most `max_records` records and `max_bytes` bytes, unless the first alone is
    /// larger; none at the end.
    ///
    /// Skips bytes that are not a record. At the end of a file, these are an unfinished write of a
    /// killed process.
    pub(super) fn read(&mut self, max_records: usize, max_bytes: u64) -> io::Result<ReadRecords> {
        let mut records = Vec::new();
        let start = self.position;
        let mut next = start;
        while records.len() < max_records && next - start < max_bytes {
            if let Some((record, end)) = self.scan().read_at(next)? {
                records.push(record);
                next = end;
                continue;
            }
            let Some(found) = self.scan().find_record(next + 1)? else {
                if records.is_empty() {
                    next = self.end;
                }
                break;
            };
            self.damaged = true;
            next = found;
        }
        Ok(ReadRecords { records, next })
    }

    /// Marks the records before `next` as drained. Empties the file when all are.
    pub(super) fn mark_drained(&mut self, next: u64, records: u64) -> io::Result<()> {
        self.position = next;
        self.undrained = self.undrained.saturating_sub(records);
        if self.is_drained() && !self.damaged {
            self.file.set_len(FIRST_RECORD)?;
            self.end = FIRST_RECORD;
            self.position = FIRST_RECORD;
            self.undrained = 0;
        }
        Ok(())
    }

    pub(super) fn is_drained(&self) -> bool {
        self.position >= self.end
    }

    /// Removes a drained file. A file with unreadable bytes is kept under another name for
    /// inspection.
    pub(super) fn remove_drained(&self) -> io::Result<Option<PathBuf>> {
        if !self.damaged {
            remove(&self.path)?;
            return Ok(None);
        }
        let kept = self.path.with_extension(DAMAGED_EXTENSION);
        fs::rename(&self.path, &kept)?;
        sync_folder(&kept)?;
        Ok(Some(kept))
    }

    fn scan(&self) -> RecordScan<'_> {
        RecordScan {
            file: &self.file,
            marker: self.marker,
            end: self.end,
        }
    }
}

fn header(marker: RecordMarker, journal: Uuid) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&marker);
    header[16..].copy_from_slice(journal.as_bytes());
    header
}

/// Also makes the file's name durable.
fn write_header(file: &File, path: &Path, header: &[u8; HEADER_BYTES]) -> io::Result<()> {
    file.write_all_at(header, 0)?;
    file.sync_all()?;
    sync_folder(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a new name durable, which requires that its folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
