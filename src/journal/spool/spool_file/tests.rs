//! Damaged, foreign and drained spool files.

use tempfile::TempDir;

use super::*;
use crate::domain::callback_record::{Authenticity, Route};
use crate::domain::ids::CallbackId;
use crate::journal::spool::record_format;

const MARKER: RecordMarker = *b"a marker";
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
    record_format::encode(MARKER, [record].into_iter()).unwrap()
}

/// A file with these records, whose process has ended.
fn abandoned_file(records: &[CallbackRecord]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("left.spool");
    let mut file = SpoolFile::create(path.clone(), MARKER, JOURNAL).unwrap();
    for record in records {
        file.append(&bytes(record), 1).unwrap();
    }
    (folder, path)
}

fn claim(path: &Path) -> SpoolFile {
    match SpoolFile::claim(path.to_owned(), JOURNAL).unwrap() {
        ClaimOutcome::Claimed(file) => file,
        other => panic!("{other:?}"),
    }
}

fn read_all(file: &mut SpoolFile) -> Vec<CallbackRecord> {
    let mut all = Vec::new();
    loop {
        let read = file.read(2, u64::MAX).unwrap();
        file.mark_drained(read.next, read.records.len() as u64)
            .unwrap();
        if read.records.is_empty() {
            assert!(file.is_drained());
            return all;
        }
        all.extend(read.records);
    }
}

#[test]
fn a_truncated_last_record_does_not_affect_earlier_ones() {
    let records = [
        record(1, b"one"),
        record(2, b""),
        record(3, b"three"),
        record(4, b"the last"),
    ];
    let (_folder, path) = abandoned_file(&records);
    let whole = fs::metadata(&path).unwrap().len();
    let last_record = bytes(&records[3]).len() as u64;
    for cut in 1..=last_record {
        let (_folder, path) = abandoned_file(&records);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(whole - cut).unwrap();
        let mut claimed = claim(&path);
        assert_eq!(claimed.undrained(), 3, "{cut} bytes are missing");
        assert_eq!(
            read_all(&mut claimed),
            records[..3],
            "{cut} bytes are missing"
        );
        assert_eq!(claimed.remove_drained().unwrap(), None);
        assert!(!path.exists());
    }
}

#[test]
fn a_flipped_byte_affects_only_its_own_record() {
    let records = [record(1, b"one"), record(2, b"two"), record(3, b"three")];
    let start = FIRST_RECORD + bytes(&records[0]).len() as u64;
    let length = bytes(&records[1]).len() as u64;
    for at in start..start + length {
        let (_folder, path) = abandoned_file(&records);
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
        let kept = claimed.remove_drained().unwrap();
        assert_eq!(kept, Some(path.with_extension("damaged")));
    }
}

#[test]
fn a_record_inside_a_body_is_not_read_as_a_record() {
    let forged = [record(9, b"forged")];
    let forged = record_format::encode(*b"guessed!", forged.iter()).unwrap();
    let records = [record(1, &forged), record(2, b"two")];
    let (_folder, path) = abandoned_file(&records);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // The head of the surrounding record.
    file.write_all_at(&[0xff; 4], FIRST_RECORD + 8).unwrap();
    assert_eq!(read_all(&mut claim(&path)), records[1..]);
}

#[test]
fn a_partial_write_leaves_nothing_between_records() {
    let (_folder, path) = abandoned_file(&[]);
    fs::remove_file(&path).unwrap();
    let mut file = SpoolFile::create(path.clone(), MARKER, JOURNAL).unwrap();
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
    let (_folder, path) = abandoned_file(&[record(1, b"one")]);
    let claimed = claim(&path);
    let again = SpoolFile::claim(path.clone(), JOURNAL).unwrap();
    assert!(matches!(again, ClaimOutcome::InUse));
    drop(claimed);
    let foreign = SpoolFile::claim(path.clone(), Uuid::from_u128(8)).unwrap();
    assert!(matches!(foreign, ClaimOutcome::Foreign(_)));
    fs::write(&path, [b'x'; 100]).unwrap();
    let unknown = SpoolFile::claim(path.clone(), JOURNAL).unwrap();
    assert!(matches!(unknown, ClaimOutcome::Foreign(_)));
    assert!(path.exists());
}

#[test]
fn a_drained_file_is_emptied_and_can_be_filled_again() {
    let (_folder, path) = abandoned_file(&[record(1, b"one")]);
    let mut file = claim(&path);
    assert_eq!(read_all(&mut file).len(), 1);
    assert_eq!(file.bytes(), 0);
    file.append(&bytes(&record(2, b"two")), 1).unwrap();
    assert_eq!(read_all(&mut file), [record(2, b"two")]);
}

#[test]
fn a_header_that_a_full_disk_delayed_precedes_the_first_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("left.spool");
    let mut file = SpoolFile::create(path.clone(), MARKER, JOURNAL).unwrap();
    file.file.set_len(0).unwrap();
    file.missing_header = Some(header(MARKER, JOURNAL));
    let records = [record(1, b"one"), record(2, b"two")];
    for record in &records {
        file.append(&bytes(record), 1).unwrap();
    }
    drop(file);
    assert_eq!(read_all(&mut claim(&path)), records);
}
