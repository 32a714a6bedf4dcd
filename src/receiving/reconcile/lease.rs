//! Who follows the journal: one process a database.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::db;
use crate::receiving::reconcile::Reconciler;
use crate::store::Store;
use crate::store::lease::Lease;

/// A process that dies is followed by another so soon; one that was only slow loses nothing, since the position moves under its own condition.
const LENGTH: TimeDelta = TimeDelta::seconds(6);

/// The lease on reading the journal.
pub(super) fn of(store: Store, holder: Uuid) -> Lease {
    Lease::new(store, "reconcile", holder, LENGTH)
}

impl Reconciler {
    /// How long the lease of a process that died holds others off.
    pub(crate) const LEASE: TimeDelta = LENGTH;

    /// Takes or renews the lease; false while another process follows the journal.
    pub(crate) async fn claim(&self) -> Result<bool, db::Error> {
        self.lease.hold(self.clock.now()).await
    }

    /// Gives the lease back, so that another process takes over at once.
    pub async fn release(&self) -> Result<(), db::Error> {
        self.lease.release().await
    }

    /// Whether the journal goes on after our position; asked where other processes append to it.
    pub async fn is_behind(&self) -> Result<bool, db::Error> {
        Ok(self.journal.end().await? > self.store.position().await?)
    }
}
