//! Limits the memory that bodies use from their arrival until they are written.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::Error;

/// One permit of the semaphore.
const UNIT_BYTES: usize = 1024;
/// 256 MiB.
const TOTAL_UNITS: usize = 256 * 1024;
/// Memory of a record without its body: headers, query, reply channel.
const RECORD_OVERHEAD_BYTES: usize = 4 * 1024;

/// Permission to hold a body in memory. Dropped when the body has been written or discarded.
#[derive(Debug)]
pub struct MemoryPermit(OwnedSemaphorePermit);

impl MemoryPermit {
    /// Waits until the permit covers a body of this size.
    pub async fn grow_to(&mut self, body_bytes: usize) -> Result<(), Error> {
        let missing = units(body_bytes).saturating_sub(self.0.num_permits());
        let more = acquire(self.0.semaphore(), missing).await?;
        self.0.merge(more);
        Ok(())
    }

    /// Releases what a body of this size does not need.
    pub fn shrink_to(&mut self, body_bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(units(body_bytes));
        drop(self.0.split(surplus));
    }
}

#[derive(Debug)]
pub(super) struct MemoryLimit(Arc<Semaphore>);

impl MemoryLimit {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TOTAL_UNITS)))
    }

    pub(super) async fn acquire(&self, body_bytes: usize) -> Result<MemoryPermit, Error> {
        acquire(&self.0, units(body_bytes)).await.map(MemoryPermit)
    }
}

async fn acquire(limit: &Arc<Semaphore>, units: usize) -> Result<OwnedSemaphorePermit, Error> {
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let permit = Arc::clone(limit).acquire_many_owned(units).await;
    permit.map_err(|_| Error::Stopped("journal"))
}

fn units(body_bytes: usize) -> usize {
    (body_bytes + RECORD_OVERHEAD_BYTES)
        .div_ceil(UNIT_BYTES)
        .min(TOTAL_UNITS)
}
