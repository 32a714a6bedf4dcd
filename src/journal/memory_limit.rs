//! Limits the memory of bodies between reading and writing.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::Error;

const UNIT_BYTES: usize = 1024;
/// 256 MiB.
const UNITS: usize = 256 * 1024;
/// Memory of a record without its body: headers, query, channel.
const RECORD_OVERHEAD: usize = 4 * 1024;

/// Permission to hold a body in memory; released when the body has been written or dropped.
#[derive(Debug)]
pub struct MemoryPermit(OwnedSemaphorePermit);

impl MemoryPermit {
    /// Waits until the body may be as large as this.
    pub async fn grow_to(&mut self, body_bytes: usize) -> Result<(), Error> {
        let missing = units(body_bytes).saturating_sub(self.0.num_permits());
        let more = acquire(self.0.semaphore(), missing).await?;
        self.0.merge(more);
        Ok(())
    }

    /// Releases what a body smaller than expected does not need.
    pub fn shrink_to(&mut self, body_bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(units(body_bytes));
        drop(self.0.split(surplus));
    }
}

#[derive(Debug)]
pub(super) struct MemoryLimit(Arc<Semaphore>);

impl MemoryLimit {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(UNITS)))
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
    (body_bytes + RECORD_OVERHEAD)
        .div_ceil(UNIT_BYTES)
        .min(UNITS)
}
