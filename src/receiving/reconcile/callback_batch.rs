//! A batch of parsed callbacks, and the next batch, which is parsed while the current one is
//! applied.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::callback_record::JournalEntry;
use crate::receiving::parsing::{CallbackContent, ParsedCallback};
use crate::receiving::unpack::max_unpacked_size;

/// Maximum number of callbacks applied in one transaction, and of bytes of their bodies. A larger
/// batch writes a database page that many callbacks change only once.
pub(super) const BATCH_ROWS: u64 = 2048;
pub(super) const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// A batch with fewer rows and bytes was not cut by the limits of the read: a read that is cut at
/// `BATCH_BYTES` ends less than one body below it.
const SMALL_ROWS: usize = 256;
const SMALL_BYTES: usize = 1024 * 1024;
/// Maximum unpacked bytes of a batch's bodies. Two batches are in memory at the same time.
const BATCH_UNPACKED: u64 = 32 * 1024 * 1024;
/// No callback is added to a batch that has this many parts.
const BATCH_PARTS: usize = 10_000;

/// Callbacks that follow each other in the journal, with their parsed content.
#[derive(Default)]
pub(super) struct CallbackBatch {
    pub(super) entries: Vec<JournalEntry>,
    contents: Vec<CallbackContent>,
    /// Whether it has fewer entries than were read.
    is_cut: bool,
}

/// The batch that follows a journal position, if it was read already.
#[derive(Clone, Default)]
pub(super) struct PrefetchedBatch(Arc<Mutex<Option<(i64, CallbackBatch)>>>);

/// Whether callbacks are processed for the first time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessingPass {
    First,
    /// During a rebuild. Operators may have made decisions about the callbacks since the first
    /// pass.
    Repeated,
}

impl CallbackBatch {
    /// Parses as many entries as may be in memory at a time, at least one.
    pub(super) fn parse(
        mut entries: Vec<JournalEntry>,
        parse: impl Fn(&JournalEntry) -> CallbackContent,
    ) -> Self {
        let read = entries.len();
        entries.truncate(count_unpackable(&entries));
        let mut contents = Vec::with_capacity(entries.len());
        let mut parts = 0;
        for entry in &entries {
            let content = parse(entry);
            parts += content.part_count();
            contents.push(content);
            if parts >= BATCH_PARTS {
                break;
            }
        }
        entries.truncate(contents.len());
        Self {
            is_cut: entries.len() < read,
            entries,
            contents,
        }
    }

    /// Whether it has the maximum number of callbacks. A batch that was cut because of its bytes
    /// does not count as full: two of those in memory would exceed the limit.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() as u64 == BATCH_ROWS
    }

    /// Whether it is so small that the journal held nothing more when it was read.
    pub(super) fn is_small(&self) -> bool {
        let bytes: usize = self.entries.iter().map(|e| e.record.body.len()).sum();
        !self.is_cut && self.entries.len() < SMALL_ROWS && bytes < SMALL_BYTES
    }

    pub(super) fn truncate(&mut self, number: usize) {
        self.is_cut |= number < self.entries.len();
        self.entries.truncate(number);
        self.contents.truncate(number);
    }

    pub(super) fn parsed(&self) -> Vec<ParsedCallback<'_>> {
        let contents = self.contents.iter().map(Cow::Borrowed);
        let parsed = self.entries.iter().zip(contents);
        parsed
            .map(|(entry, content)| ParsedCallback { entry, content })
            .collect()
    }
}

impl PrefetchedBatch {
    pub(super) fn take(&self, position: i64) -> Option<CallbackBatch> {
        let mut prefetched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prefetched
            .take()
            .filter(|(after, _)| *after == position)
            .map(|(_, batch)| batch)
    }

    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn keep(&self, after: i64, batch: CallbackBatch) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((after, batch));
    }
}

/// How many of these may be unpacked before any is applied; at least one.
fn count_unpackable(entries: &[JournalEntry]) -> usize {
    let mut unpacked: u64 = 0;
    let fitting = entries.iter().take_while(|entry| {
        let (body, encoding) = (&entry.record.body, entry.record.header("content-encoding"));
        unpacked = unpacked.saturating_add(max_unpacked_size(body, encoding));
        unpacked <= BATCH_UNPACKED
    });
    fitting.count().max(1)
}
