//! Queued records that are written with one commit.

use tokio::sync::{mpsc, oneshot};

use crate::db::Error;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::insert_statements::{MAX_BATCH_BYTES, MAX_BATCH_ROWS};
use crate::journal::memory_limit::MemoryPermit;

#[derive(Debug)]
pub(super) struct QueuedRecord {
    pub(super) record: CallbackRecord,
    pub(super) reply: oneshot::Sender<Result<(), Error>>,
    /// Released when the record has been written and dropped, even if the caller no longer waits.
    pub(super) permit: MemoryPermit,
}

#[derive(Debug)]
pub(super) struct Batch(Vec<QueuedRecord>);

impl Batch {
    /// Takes the queued records, without waiting for more.
    pub(super) fn take(first: QueuedRecord, queue: &mut mpsc::Receiver<QueuedRecord>) -> Self {
        let mut bytes = first.record.body.len() as u64;
        let mut records = vec![first];
        while records.len() < MAX_BATCH_ROWS && bytes < MAX_BATCH_BYTES {
            let Ok(next) = queue.try_recv() else {
                break;
            };
            bytes += next.record.body.len() as u64;
            records.push(next);
        }
        Self(records)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn records(&self) -> impl ExactSizeIterator<Item = &CallbackRecord> {
        self.0.iter().map(|queued| &queued.record)
    }

    pub(super) fn body_bytes(&self) -> usize {
        self.records().map(|record| record.body.len()).sum()
    }

    pub(super) fn halve(mut self) -> [Self; 2] {
        let half = self.len() / 2;
        let second = self.0.split_off(half);
        [self, Self(second)]
    }

    /// Replies to every caller after the memory of its record was released. Callers that no longer
    /// wait are ignored.
    pub(super) fn reply(self, result: impl Fn() -> Result<(), Error>) {
        for queued in self.0 {
            drop(queued.record);
            drop(queued.permit);
            drop(queued.reply.send(result()));
        }
    }
}
