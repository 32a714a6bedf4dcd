//! One spool file: lock, consecutive records, read position. Blocking.
//!
//! **Invariant:** everything before `end` is complete and synced; what follows was never
//! acknowledged.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::domain::callback_record::CallbackRecord;
use crate::journal::spool::record_format::{HEAD_BYTES, RecordHead, Seal};

/// First bytes of a file; the last one is the format version.
const MAGIC: [u8; 8] = *b"btspool\x01";
/// Magic, seal, and identity of the journal that the records belong to.
const OPENING_BYTES: usize = 32;
const OPENING: u64 = OPENING_BYTES as u64;
/// Bytes searched at a time for the next readable record.
const SEARCH_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct SpoolFile {
    path: PathBuf,
    file: File,
    seal: Seal,
    /// End of the last record.
    end: u64,
    /// Start of the next record to read.
    position: u64,
    /// Records between the two.
    waiting: u64,
    /// Whether unreadable bytes were skipped between records.
    damaged: bool,
}

#[derive(Debug)]
pub(super) struct Read {
    pub(super) records: Vec<CallbackRecord>,
    /// Read position after these records.
    pub(super) next: u64,
}

/// Result of claiming a file of another process.
#[derive(Debug)]
pub(super) enum ClaimedFile {
    Claimed(SpoolFile),
    InUse,
    /// It vanished, or was empty and has been removed.
    Empty,
    /// Must not be drained here.
    Foreign(&'static str),
}

impl SpoolFile {
    /// Creates a file with mode 0600, locked before another process can find records in it.
    pub(super) fn create(path: PathBuf, seal: Seal, journal: Uuid) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        file.try_lock().map_err(io_error)?;
        let opening = [MAGIC.as_slice(), &seal, journal.as_bytes()].concat();
        file.write_all_at(&opening, 0)?;
        file.sync_all()?;
        sync_folder(&path)?;
        // Another process found it before it was locked, considered it empty and removed it.
        if file.metadata()?.nlink() == 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            path,
            file,
            seal,
            end: OPENING,
            position: OPENING,
            waiting: 0,
            damaged: false,
        })
    }

    pub(super) fn claim(path: PathBuf, journal: Uuid) -> io::Result<ClaimedFile> {
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ClaimedFile::Empty),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(ClaimedFile::InUse),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let end = file.metadata()?.len();
        let mut opening = [0; OPENING_BYTES];
        if end <= OPENING {
            // The header is synced before the first record, so nothing here was acknowledged.
            remove(&path)?;
            return Ok(ClaimedFile::Empty);
        }
        file.read_exact_at(&mut opening, 0)?;
        if opening[..8] != MAGIC {
            return Ok(ClaimedFile::Foreign("not a spool file of this version"));
        }
        if opening[16..] != *journal.as_bytes() {
            return Ok(ClaimedFile::Foreign("it belongs to another journal"));
        }
        let mut seal = Seal::default();
        seal.copy_from_slice(&opening[8..16]);
        let mut claimed = Self {
            path,
            file,
            seal,
            end,
            position: OPENING,
            waiting: 0,
            damaged: false,
        };
        claimed.waiting = claimed.count()?;
        Ok(ClaimedFile::Claimed(claimed))
    }

    pub(super) fn seal(&self) -> Seal {
        self.seal
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Records not drained yet.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end - OPENING
    }

    /// Appends and syncs records. After an error none of them is there.
    pub(super) fn append(&mut self, bytes: &[u8], records: u64) -> io::Result<()> {
        // Removes remains of an earlier failure.
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
        self.waiting += records;
        Ok(())
    }

    /// Returns at most `most_records` records and `most_bytes` bytes, unless the first alone is
    /// larger; none at the end.
    ///
    /// Skips bytes that are no record; at the end of a file they are an unfinished write of a
    /// killed process.
    pub(super) fn read(&mut self, most_records: usize, most_bytes: u64) -> io::Result<Read> {
        let mut records = Vec::new();
        let start = self.position;
        let mut next = start;
        while records.len() < most_records && next - start < most_bytes {
            if let Some((record, behind)) = self.read_at(next)? {
                records.push(record);
                next = behind;
                continue;
            }
            let Some(found) = self.search(next + 1)? else {
                if records.is_empty() {
                    next = self.end;
                }
                break;
            };
            self.damaged = true;
            next = found;
        }
        Ok(Read { records, next })
    }

    /// Marks the records before `next` as drained. Empties the file when all are.
    pub(super) fn drained(&mut self, next: u64, records: u64) -> io::Result<()> {
        self.position = next;
        self.waiting = self.waiting.saturating_sub(records);
        if self.position >= self.end && !self.damaged {
            self.file.set_len(OPENING)?;
            self.end = OPENING;
            self.position = OPENING;
            self.waiting = 0;
        }
        Ok(())
    }

    pub(super) fn is_drained(&self) -> bool {
        self.position >= self.end
    }

    /// Removes a drained file. A file with unreadable bytes is kept under another name for
    /// inspection.
    pub(super) fn retire(&self) -> io::Result<Option<PathBuf>> {
        if !self.damaged {
            remove(&self.path)?;
            return Ok(None);
        }
        let kept = self.path.with_extension("damaged");
        fs::rename(&self.path, &kept)?;
        sync_folder(&kept)?;
        Ok(Some(kept))
    }

    fn count(&self) -> io::Result<u64> {
        let (mut at, mut records) = (OPENING, 0);
        while at < self.end {
            match self.head_at(at)? {
                Some((_, _, behind)) => {
                    records += 1;
                    at = behind;
                }
                None => match self.search(at + 1)? {
                    Some(found) => at = found,
                    None => break,
                },
            }
        }
        Ok(records)
    }

    fn head_at(&self, at: u64) -> io::Result<Option<(RecordHead, usize, u64)>> {
        let mut head = [0; HEAD_BYTES];
        if at + HEAD_BYTES as u64 > self.end {
            return Ok(None);
        }
        self.file.read_exact_at(&mut head, at)?;
        Ok(RecordHead::parse(head, self.seal)
            .and_then(|head| Some((head, head.content_bytes()?)))
            .map(|(head, content)| (head, content, at + (HEAD_BYTES + content) as u64))
            .filter(|(_, _, behind)| *behind <= self.end))
    }

    fn read_at(&self, at: u64) -> io::Result<Option<(CallbackRecord, u64)>> {
        let Some((head, content, behind)) = self.head_at(at)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; content];
        self.file
            .read_exact_at(&mut bytes, at + HEAD_BYTES as u64)?;
        Ok(head.read(&bytes).map(|record| (record, behind)))
    }

    /// Start of the next readable record at or after `from`.
    fn search(&self, from: u64) -> io::Result<Option<u64>> {
        let mut from = from;
        let mut window = vec![0; SEARCH_BYTES];
        while from + HEAD_BYTES as u64 <= self.end {
            let length = window
                .len()
                .min(usize::try_from(self.end - from).unwrap_or(usize::MAX));
            self.file.read_exact_at(&mut window[..length], from)?;
            for offset in 0..=length - self.seal.len() {
                let at = from + offset as u64;
                if window[offset..].starts_with(&self.seal) && self.read_at(at)?.is_some() {
                    return Ok(Some(at));
                }
            }
            from += (length - self.seal.len() + 1) as u64;
        }
        Ok(None)
    }
}

fn io_error(error: TryLockError) -> io::Error {
    match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A new name is durable only after its folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::domain::callback_record::{Authenticity, Route};
    use crate::domain::ids::CallbackId;
    use crate::journal::spool::record_format;

    const SEAL: Seal = *b"the seal";
    const JOURNAL: Uuid = Uuid::from_u128(7);

    fn record(number: u128, body: &[u8]) -> CallbackRecord {
        CallbackRecord {
            id: CallbackId::from(Uuid::from_u128(number)),
            account: "shop".parse().unwrap(),
            route: Route::Callback,
            method: "POST".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            remote: None,
            received_at: chrono::DateTime::UNIX_EPOCH,
            body: body.to_vec(),
            authenticity: Authenticity::Verified,
        }
    }

    fn bytes(record: &CallbackRecord) -> Vec<u8> {
        let mut bytes = Vec::new();
        record_format::write(&mut bytes, SEAL, record).unwrap();
        bytes
    }

    /// A file with these records, whose process has ended.
    fn left_behind(records: &[CallbackRecord]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("left.spool");
        let mut file = SpoolFile::create(path.clone(), SEAL, JOURNAL).unwrap();
        for record in records {
            file.append(&bytes(record), 1).unwrap();
        }
        (folder, path)
    }

    fn claim(path: &Path) -> SpoolFile {
        match SpoolFile::claim(path.to_owned(), JOURNAL).unwrap() {
            ClaimedFile::Claimed(file) => file,
            other => panic!("{other:?}"),
        }
    }

    fn read_all(file: &mut SpoolFile) -> Vec<CallbackRecord> {
        let mut all = Vec::new();
        loop {
            let read = file.read(2, u64::MAX).unwrap();
            file.drained(read.next, read.records.len() as u64).unwrap();
            if read.records.is_empty() {
                assert!(file.is_drained());
                return all;
            }
            all.extend(read.records);
        }
    }

    #[test]
    fn a_last_record_torn_at_any_byte_costs_no_earlier_one() {
        let records = [
            record(1, b"one"),
            record(2, b""),
            record(3, b"three"),
            record(4, b"the last"),
        ];
        let (_folder, path) = left_behind(&records);
        let whole = fs::metadata(&path).unwrap().len();
        let torn = bytes(&records[3]).len() as u64;
        for cut in 1..=torn {
            let (_folder, path) = left_behind(&records);
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(whole - cut).unwrap();
            let mut claimed = claim(&path);
            assert_eq!(claimed.waiting(), 3, "{cut} bytes are missing");
            assert_eq!(
                read_all(&mut claimed),
                records[..3],
                "{cut} bytes are missing"
            );
            assert_eq!(claimed.retire().unwrap(), None);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_flipped_byte_anywhere_costs_its_own_record_alone() {
        let records = [record(1, b"one"), record(2, b"two"), record(3, b"three")];
        let start = OPENING + bytes(&records[0]).len() as u64;
        let length = bytes(&records[1]).len() as u64;
        for at in start..start + length {
            let (_folder, path) = left_behind(&records);
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            let mut claimed = claim(&path);
            let read = read_all(&mut claimed);
            assert_eq!(read, [records[0].clone(), records[2].clone()], "byte {at}");
            let kept = claimed.retire().unwrap();
            assert_eq!(kept, Some(path.with_extension("damaged")));
        }
    }

    #[test]
    fn a_record_inside_a_body_is_never_taken_for_one() {
        let mut forged = Vec::new();
        record_format::write(&mut forged, *b"guessed!", &record(9, b"forged")).unwrap();
        let records = [record(1, &forged), record(2, b"two")];
        let (_folder, path) = left_behind(&records);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        // The head of the surrounding record.
        file.write_all_at(&[0xff; 4], OPENING + 8).unwrap();
        assert_eq!(read_all(&mut claim(&path)), records[1..]);
    }

    #[test]
    fn what_could_not_be_written_whole_leaves_nothing_between_records() {
        let (_folder, path) = left_behind(&[]);
        fs::remove_file(&path).unwrap();
        let mut file = SpoolFile::create(path.clone(), SEAL, JOURNAL).unwrap();
        file.append(&bytes(&record(1, b"one")), 1).unwrap();
        let half = bytes(&record(2, b"half"));
        file.file.write_all_at(&half[..10], file.end).unwrap();
        file.append(&bytes(&record(3, b"three")), 1).unwrap();
        assert_eq!(
            read_all(&mut file),
            [record(1, b"one"), record(3, b"three")]
        );
    }

    #[test]
    fn a_file_in_use_and_a_file_of_another_journal_are_left_alone() {
        let (_folder, path) = left_behind(&[record(1, b"one")]);
        let claimed = claim(&path);
        let again = SpoolFile::claim(path.clone(), JOURNAL).unwrap();
        assert!(matches!(again, ClaimedFile::InUse));
        drop(claimed);
        let foreign = SpoolFile::claim(path.clone(), Uuid::from_u128(8)).unwrap();
        assert!(matches!(foreign, ClaimedFile::Foreign(_)));
        fs::write(&path, [b'x'; 100]).unwrap();
        let unknown = SpoolFile::claim(path.clone(), JOURNAL).unwrap();
        assert!(matches!(unknown, ClaimedFile::Foreign(_)));
        assert!(path.exists());
    }

    #[test]
    fn a_drained_file_is_emptied_and_can_be_filled_again() {
        let (_folder, path) = left_behind(&[record(1, b"one")]);
        let mut file = claim(&path);
        assert_eq!(read_all(&mut file).len(), 1);
        assert_eq!(file.bytes(), 0);
        file.append(&bytes(&record(2, b"two")), 1).unwrap();
        assert_eq!(read_all(&mut file), [record(2, b"two")]);
    }
}
