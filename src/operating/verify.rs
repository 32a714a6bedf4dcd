//! Checks that database files are intact, and that journal, outcomes, receipts, states, ids and
//! counts agree. Reads in batches and writes nothing: a rebuild that is rolled back would find the
//! same, but would block a running `serve` from writing until its end.
//!
//! Ignores unprocessed callbacks: journal entries after the reconcile position have no outcome yet.

use crate::db;
use crate::journal::Journal;
use crate::store::Store;
use crate::store::verify_snapshot::VerifySnapshot;

/// Journal entries per batch.
const JOURNAL_BATCH: u64 = 1000;
/// Maximum number of dangling rows reported per kind.
const REPORTED_LIMIT: u64 = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VerifyReport {
    pub callbacks: u64,
    pub backlog: u64,
    /// Messages folded again.
    pub messages: u64,
    pub counts: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifyProgress {
    pub stage: &'static str,
    pub done: u64,
    /// `None` if unknown.
    pub total: Option<u64>,
}

/// Passes every discrepancy to `found` as it is detected, so that none are collected in memory.
pub async fn verify(
    store: &Store,
    journal: &Journal,
    found: &mut impl FnMut(String),
    progress: &mut impl FnMut(VerifyProgress),
) -> Result<VerifyReport, db::Error> {
    if !store.is_shared() {
        check_files(store, journal, found, progress).await?;
    }
    let snapshot = store.snapshot().await?;
    let checked = check(&snapshot, journal, found, progress).await;
    snapshot.close().await?;
    checked
}

/// Checks the structure of the database files, which reading the rows does not.
async fn check_files(
    store: &Store,
    journal: &Journal,
    found: &mut impl FnMut(String),
    progress: &mut impl FnMut(VerifyProgress),
) -> Result<(), db::Error> {
    for (done, name, faults) in [
        (1, "main database", store.find_faults().await?),
        (2, "journal", journal.find_faults().await?),
    ] {
        for fault in faults {
            found(format!(
                "the file of the {name} is damaged: {fault}; stop `serve` and restore a backup"
            ));
        }
        progress(VerifyProgress {
            stage: "files",
            done,
            total: Some(2),
        });
    }
    Ok(())
}

async fn check(
    snapshot: &VerifySnapshot,
    journal: &Journal,
    found: &mut impl FnMut(String),
    progress: &mut impl FnMut(VerifyProgress),
) -> Result<VerifyReport, db::Error> {
    let mut checked = VerifyReport::default();
    check_journal(snapshot, journal, &mut checked, found, progress).await?;
    let contradictions = snapshot.find_contradictions(REPORTED_LIMIT).await?;
    let outcomes = snapshot.check_outcome_counts().await?;
    let dangling = snapshot.find_dangling(REPORTED_LIMIT).await?;
    contradictions
        .into_iter()
        .chain(dangling)
        .chain(outcomes)
        .for_each(&mut *found);
    let total = Some(snapshot.count_messages().await?);
    let mut after = None;
    while let Some((last, checked_messages, discrepancies)) = snapshot.check_messages(after).await?
    {
        after = Some(last);
        checked.messages += checked_messages;
        discrepancies.into_iter().for_each(&mut *found);
        progress(VerifyProgress {
            stage: "messages",
            done: checked.messages,
            total,
        });
    }
    let mut bucket = 0;
    while let Some((next, checked_counts, discrepancies)) = snapshot.check_counts(bucket).await? {
        bucket = next;
        checked.counts += checked_counts;
        discrepancies.into_iter().for_each(&mut *found);
        progress(VerifyProgress {
            stage: "counts",
            done: checked.counts,
            total: None,
        });
    }
    Ok(checked)
}

/// Checks that every callback up to the reconcile position has an outcome, and every outcome a
/// callback.
async fn check_journal(
    snapshot: &VerifySnapshot,
    journal: &Journal,
    checked: &mut VerifyReport,
    found: &mut impl FnMut(String),
    progress: &mut impl FnMut(VerifyProgress),
) -> Result<(), db::Error> {
    let position = snapshot.position().await?;
    let end = journal.end().await?;
    if position > end {
        found(format!(
            "the reconcile position {position} is after the end of the journal, {end}"
        ));
    }
    let mut after = None;
    loop {
        let entries = journal
            .list_positions(after.unwrap_or_default(), JOURNAL_BATCH)
            .await?;
        let Some((first, last)) = entries.first().zip(entries.last()) else {
            return Ok(());
        };
        // Entries before the first seq were purged.
        let from = after.unwrap_or(first.seq - 1);
        let mut outcomes = snapshot.list_outcomes(from, last.seq).await?;
        for entry in &entries {
            if entry.seq > position {
                checked.backlog += 1;
                continue;
            }
            checked.callbacks += 1;
            if outcomes.remove(&entry.seq) != Some(entry.id) {
                found(format!(
                    "callback {} was processed but has no outcome",
                    entry.id
                ));
            }
        }
        if outcomes.is_empty() {
            // No outcome lacks its callback.
        } else if let Some(start) = journal.find_start().await? {
            // A purge deletes the journal entry shortly before its outcome.
            outcomes.retain(|seq, id| *seq >= start.seq && *id >= start.id);
        } else {
            outcomes.clear();
        }
        for callback in outcomes.into_values() {
            found(format!(
                "callback {callback} has an outcome but is not in the journal, or was not processed yet"
            ));
        }
        progress(VerifyProgress {
            stage: "callbacks",
            done: checked.callbacks,
            total: None,
        });
        after = Some(last.seq);
    }
}
