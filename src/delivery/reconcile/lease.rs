//! The lease on reading the journal: one process a database follows it.

use std::sync::PoisonError;

use chrono::TimeDelta;

use crate::delivery::reconcile::Reconciler;
use crate::store;

const LEASE: &str = "reconcile";
const LEASE_LENGTH: TimeDelta = TimeDelta::seconds(30);

impl Reconciler {
    /// Takes the lease, or renews it when half of it is used up: a commit a step would be one too many. False while another process follows the journal.
    pub(in crate::delivery) async fn claim(&self) -> Result<bool, store::Error> {
        let now = self.clock.now();
        let good_until = *self
            .lease_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if good_until.is_some_and(|until| now + LEASE_LENGTH / 2 < until) {
            return Ok(true);
        }
        let held = self
            .store
            .claim_lease(LEASE, self.holder, now, LEASE_LENGTH)
            .await?;
        *self
            .lease_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = held.then_some(now + LEASE_LENGTH);
        Ok(held)
    }

    /// Gives the lease back, so that another process takes over at once.
    pub async fn release(&self) -> Result<(), store::Error> {
        *self
            .lease_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.store.release_lease(LEASE, self.holder).await
    }
}
