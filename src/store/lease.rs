//! A job that one process at a time does: whoever holds its lease.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::db::Error;
use crate::store::Store;

/// A lease that this process holds, or tries for.
#[derive(Clone, Debug)]
pub struct Lease {
    store: Store,
    name: &'static str,
    holder: Uuid,
    length: TimeDelta,
    /// Good for us until then, as far as we know.
    until: Arc<Mutex<Option<DateTime<Utc>>>>,
}

impl Lease {
    /// The lease called `name`; a holder that dies is followed by another after `length`.
    pub fn new(store: Store, name: &'static str, holder: Uuid, length: TimeDelta) -> Self {
        Self {
            store,
            name,
            holder,
            length,
            until: Arc::default(),
        }
    }

    /// Takes the lease, or renews it when half of it is used up; false while another process holds it.
    pub async fn hold(&self, now: DateTime<Utc>) -> Result<bool, Error> {
        let good_until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if good_until.is_some_and(|until| now + self.length / 2 < until) {
            return Ok(true);
        }
        let held = self
            .store
            .claim_lease(self.name, self.holder, now, self.length)
            .await?;
        self.remember(held.then_some(now + self.length));
        Ok(held)
    }

    /// Gives it back, so that another process takes over at once.
    pub async fn release(&self) -> Result<(), Error> {
        self.remember(None);
        self.store.release_lease(self.name, self.holder).await
    }

    fn remember(&self, until: Option<DateTime<Utc>>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}
