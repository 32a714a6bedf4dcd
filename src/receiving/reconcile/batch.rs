//! What is applied next: callbacks in the journal's order, read and parsed while those before them are applied.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use crate::db;
use crate::domain::callback_record::JournalEntry;
use crate::receiving::parsing::{CallbackContent, ParsedCallback};
use crate::receiving::reconcile::Reconciler;
use crate::receiving::unpack::max_unpacked_size;

/// Callbacks applied in one transaction, and bytes of their bodies. With more of them a page that many change is written once.
const BATCH_ROWS: u64 = 2048;
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes that the bodies of a batch may unpack to: what is read of them is held at the same time, and of the next batch as well.
const BATCH_UNPACKED: u64 = 32 * 1024 * 1024;

/// Callbacks that follow each other in the journal, and what they say.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<JournalEntry>,
    contents: Vec<CallbackContent>,
}

/// The batch that follows a place in the journal, if it was read already.
#[derive(Clone, Default)]
pub(super) struct Ahead(Arc<Mutex<Option<(i64, Batch)>>>);

impl Batch {
    /// Whether it has as many as it may. One that is cut for its bytes is not: two such would be held at a time.
    fn is_full(&self) -> bool {
        self.entries.len() as u64 == BATCH_ROWS
    }

    /// Only the first of them.
    pub(super) fn truncate(&mut self, number: usize) {
        self.entries.truncate(number);
        self.contents.truncate(number);
    }

    /// Each callback with what it says.
    pub(super) fn read(&self) -> Vec<ParsedCallback<'_>> {
        let contents = self.contents.iter().map(Cow::Borrowed);
        let read = self.entries.iter().zip(contents);
        read.map(|(entry, content)| ParsedCallback { entry, content })
            .collect()
    }
}

impl Ahead {
    fn take(&self, position: i64) -> Option<Batch> {
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ahead
            .take()
            .filter(|(after, _)| *after == position)
            .map(|(_, batch)| batch)
    }

    /// Lets go of what was read.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn keep(&self, after: i64, batch: Batch) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((after, batch));
    }
}

impl Reconciler {
    /// What follows `position`.
    pub(super) async fn next_batch(&self, position: i64) -> Result<Batch, db::Error> {
        match self.ahead.take(position) {
            Some(batch) => Ok(batch),
            None => self.read_batch(position).await,
        }
    }

    /// While there is a backlog, reads what follows `last` at the side. An error shows when it is read again.
    pub(super) async fn read_ahead(&self, batch: &Batch, last: i64) {
        if !batch.is_full() {
            return;
        }
        let reconciler = self.clone();
        let reading = tokio::spawn(async move { reconciler.read_batch(last).await });
        if let Ok(Ok(next)) = reading.await
            && next.is_full()
        {
            self.ahead.keep(last, next);
        }
    }

    async fn read_batch(&self, position: i64) -> Result<Batch, db::Error> {
        let mut entries = self
            .journal
            .read_after(position, BATCH_ROWS, BATCH_BYTES)
            .await?;
        entries.truncate(readable_at_once(&entries));
        let contents = entries
            .iter()
            .map(|entry| self.content(entry, None))
            .collect();
        Ok(Batch { entries, contents })
    }
}

/// How many of these may be unpacked and read before any is applied; at least one.
fn readable_at_once(entries: &[JournalEntry]) -> usize {
    let mut unpacked: u64 = 0;
    let fitting = entries.iter().take_while(|entry| {
        let (body, encoding) = (&entry.record.body, entry.record.header("content-encoding"));
        unpacked = unpacked.saturating_add(max_unpacked_size(body.len(), encoding));
        unpacked <= BATCH_UNPACKED
    });
    fitting.count().max(1)
}
