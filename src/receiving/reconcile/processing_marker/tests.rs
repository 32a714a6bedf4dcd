//! What a process learns from the marker of its predecessor, after each way in which that can end.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::domain::callback_record::{Authenticity, CallbackRecord, Route};

fn entry(seq: i64) -> JournalEntry {
    let received_at = "2026-11-20T12:00:00Z".parse().unwrap();
    JournalEntry {
        seq,
        record: CallbackRecord {
            id: id(seq),
            account: "shop".parse().unwrap(),
            route: Route::Callback,
            method: "POST".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            remote: None,
            received_at,
            body: Vec::new(),
            authenticity: Authenticity::Verified,
        },
    }
}

fn id(seq: i64) -> CallbackId {
    Uuid::from_u128(seq.try_into().unwrap()).into()
}

fn entries(seqs: std::ops::RangeInclusive<i64>) -> Vec<JournalEntry> {
    seqs.map(entry).collect()
}

/// The marker of a process that starts now. The one before it is dead: its lock is gone.
fn start(folder: &TempDir) -> ProcessingMarker {
    let marker = ProcessingMarker::in_folder(folder.path());
    marker.open();
    marker
}

fn die_applying(folder: &TempDir, after: i64, batch: std::ops::RangeInclusive<i64>) {
    start(folder).begin(MarkedStage::Applying, after, entries(batch).iter());
}

#[test]
fn a_batch_is_processed_one_by_one_after_a_death_and_a_callback_is_quarantined_after_two_more() {
    let folder = tempfile::tempdir().unwrap();
    die_applying(&folder, 3, 4..=9);
    for death in 0..2 {
        let marker = start(&folder);
        assert!(!marker.has_suspects_after(2) && marker.has_suspects_after(3));
        assert!(!marker.is_fatal(id(7)), "after {death} deaths alone");
        marker.begin(MarkedStage::Parsing, 6, entries(7..=7).iter());
    }
    let marker = start(&folder);
    assert!(marker.has_suspects_after(6) && marker.is_fatal(id(7)));
    assert!(!marker.is_fatal(id(6)) && !marker.is_fatal(id(8)));
    marker.forget_deaths(id(7));
    assert!(!marker.is_fatal(id(7)));
    assert!(marker.has_suspects_after(8) && !marker.has_suspects_after(9));
}

#[test]
fn two_deaths_on_a_callback_that_was_alone_quarantine_it() {
    let folder = tempfile::tempdir().unwrap();
    // The journal's numbers have gaps.
    die_applying(&folder, 3, 8..=8);
    assert!(start(&folder).has_suspects_after(3));
    die_applying(&folder, 3, 8..=8);
    assert!(start(&folder).is_fatal(id(8)));
}

#[test]
fn both_batches_are_suspects_when_the_next_one_was_parsed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let marker = start(&folder);
    marker.begin(MarkedStage::Applying, 0, entries(1..=2).iter());
    marker.begin(MarkedStage::Parsing, 2, entries(3..=3).iter());
    drop(marker);
    let marker = start(&folder);
    assert!(marker.has_suspects_after(0) && marker.has_suspects_after(2));
    assert!(!marker.has_suspects_after(3));
    assert!(!marker.is_fatal(id(3)));
}

#[test]
fn a_process_that_was_idle_or_asked_to_stop_leaves_no_suspects() {
    let folder = tempfile::tempdir().unwrap();
    let marker = start(&folder);
    marker.begin(MarkedStage::Applying, 0, entries(1..=2).iter());
    marker.end(MarkedStage::Applying);
    drop(marker);
    let marker = start(&folder);
    assert!(!marker.has_suspects_after(0));
    marker.begin(MarkedStage::Applying, 2, entries(3..=3).iter());
    marker.close();
    // Work that outlives the request to stop.
    marker.begin(MarkedStage::Applying, 3, entries(4..=4).iter());
    let next = start(&folder);
    assert!(!next.has_suspects_after(2) && !next.has_suspects_after(3));
}

#[test]
fn a_second_process_neither_reads_nor_changes_the_marker() {
    let folder = tempfile::tempdir().unwrap();
    let working = start(&folder);
    working.begin(MarkedStage::Applying, 0, entries(1..=1).iter());
    let second = start(&folder);
    assert!(!second.has_suspects_after(0));
    second.begin(MarkedStage::Applying, 5, entries(6..=6).iter());
    drop(working);
    assert!(start(&folder).has_suspects_after(0));
}

#[test]
fn work_that_panicked_counts_as_a_death() {
    let marker = ProcessingMarker::in_folder("/nowhere".as_ref());
    marker.open();
    for _ in 0..2 {
        marker.begin(MarkedStage::Applying, 0, entries(1..=1).iter());
        marker.count_interrupted();
    }
    assert!(marker.has_suspects_after(0) && marker.is_fatal(id(1)));
}

#[test]
fn only_the_owner_reads_the_file() {
    let folder = tempfile::tempdir().unwrap();
    die_applying(&folder, 0, 1..=1);
    let file = folder.path().join(FILE_NAME).metadata().unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_longest_record_fits() {
    let id = Some(Uuid::max());
    let span = Some(BatchSpan {
        after: i64::MIN,
        until: i64::MIN,
        only: id,
    });
    let record = MarkerRecord {
        parsing: span,
        applying: span,
        suspects: span,
        died_on: Some(Deaths {
            callback: Uuid::max(),
            deaths: u32::MAX,
        }),
    };
    assert!(serde_json::to_vec(&record).unwrap().len() <= RECORD_BYTES);
}

proptest! {
    #[test]
    fn a_process_starts_with_any_content_of_the_file(bytes: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), bytes).unwrap();
        start(&folder).has_suspects_after(0);
    }

    /// A callback is only quarantined after two deaths while it was processed alone.
    #[test]
    fn deaths_during_batches_quarantine_nothing(lives in prop::collection::vec((0_i64..20, 2_i64..20), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        for (after, length) in lives {
            die_applying(&folder, after, after + 1..=after + length);
        }
        let marker = start(&folder);
        for seq in 1..40 {
            prop_assert!(!marker.is_fatal(id(seq)));
        }
    }
}
