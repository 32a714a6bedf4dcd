//! Deletes single callbacks, and what remains of deleted ones in the file.

use uuid::Uuid;

use crate::db::Error;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::ids::CallbackId;
use crate::journal::journal_handle::Journal;
use crate::journal::sqlite_maintenance::{self, MaintenanceTask};

impl Journal {
    /// Deletes callbacks and returns how many. The caller must have removed their outcomes before:
    /// an outcome without its callback would be a discrepancy.
    pub(crate) async fn delete(&self, callbacks: &[CallbackId]) -> Result<u64, Error> {
        let mut deleted = 0;
        for chunk in callbacks.chunks(IDS_PER_QUERY) {
            let ids: Vec<Uuid> = chunk.iter().map(|id| id.uuid()).collect();
            deleted += if self.pools().is_shared() {
                sqlite_maintenance::delete(self.pools(), ids).await?
            } else {
                self.run_maintenance(MaintenanceTask::Delete(ids)).await?
            };
        }
        Ok(deleted)
    }

    /// See [`Pools::compact`](crate::db::pools::Pools). On PostgreSQL the journal is part of the
    /// main database.
    pub(crate) async fn compact(&self) -> Result<(), Error> {
        if self.pools().is_shared() {
            return Ok(());
        }
        self.pools().compact().await
    }
}
