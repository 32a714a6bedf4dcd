//! After the process died: processes callbacks one by one, and quarantines those on which it died.

use std::sync::PoisonError;

use crate::db;
use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::CallbackId;
use crate::receiving::reconcile::callback_batch::{BATCH_BYTES, CallbackBatch};
use crate::receiving::reconcile::processing_marker::MarkedStage;
use crate::receiving::reconcile::reconciler::Reconciler;

impl Reconciler {
    /// Loads the callbacks on which this version died, including those that other processes
    /// recorded.
    pub(super) async fn load_crashed(&self) -> Result<(), db::Error> {
        let crashed = self.store.list_crashed_callbacks().await?;
        *self.crashed.write().unwrap_or_else(PoisonError::into_inner) = crashed;
        Ok(())
    }

    /// Whether this version of the program died on the callback.
    pub(super) fn is_crashed(&self, callback: CallbackId) -> bool {
        let crashed = self.crashed.read().unwrap_or_else(PoisonError::into_inner);
        crashed.contains(&callback)
    }

    /// Reads the next callback alone, after a death of the process. It is quarantined if the
    /// process died on it twice.
    pub(super) async fn read_suspect(&self, position: i64) -> Result<CallbackBatch, db::Error> {
        let entries = self.journal.read_after(position, 1, BATCH_BYTES).await?;
        if let [suspect] = entries.as_slice()
            && self.marker.is_fatal(suspect.record.id)
        {
            self.record_crashed(suspect.record.id).await?;
        }
        Ok(self.parse_batch(position, entries))
    }

    /// Records the callback before it is quarantined, so that a rebuild does not process it either.
    async fn record_crashed(&self, callback: CallbackId) -> Result<(), db::Error> {
        let now = self.clock.now();
        self.store.record_crashed_callback(callback, now).await?;
        self.crashed
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(callback);
        self.marker.forget_deaths(callback);
        tracing::error!(callback.id = %callback, "the program ended twice while it processed a callback; it is quarantined");
        Ok(())
    }

    pub(super) fn parse_batch(&self, position: i64, entries: Vec<JournalEntry>) -> CallbackBatch {
        let stage = MarkedStage::Parsing;
        self.marker.begin(stage, position, entries.iter());
        let batch = CallbackBatch::parse(entries, |entry| self.parse(entry, None));
        self.marker.end(stage);
        batch
    }
}
