//! Leases: only the process that holds a job's lease runs the job.
//!
//! Their time is that of [`SteadyClock`]: on PostgreSQL it comes from the server, so that processes
//! with different clocks agree; on SQLite no step of the machine's clock changes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::steady_clock::SteadyClock;
use crate::store::Store;
use crate::store::entities::lease_row::{Column, Entity, Model};

/// A lease that would run for longer than this many times its length was taken before the clock was
/// set back. It has expired.
const LONGEST_PLAUSIBLE_LENGTHS: i32 = 10;
/// The server's clock, in milliseconds since 1970.
const SERVER_TIME: &str =
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS millis";

/// A lease that this process holds or tries to take.
#[derive(Clone, Debug)]
pub struct Lease {
    store: Store,
    name: &'static str,
    holder: Uuid,
    length: TimeDelta,
    /// When our lease expires, as last stored.
    until: Arc<Mutex<Option<DateTime<Utc>>>>,
}

impl Lease {
    /// Another process may take the lease `length` after the last renewal.
    pub fn new(store: Store, name: &'static str, holder: Uuid, length: TimeDelta) -> Self {
        Self {
            store,
            name,
            holder,
            length,
            until: Arc::default(),
        }
    }

    /// Takes the lease, or renews it after half its length; false while another process holds it.
    pub async fn hold(&self, now: DateTime<Utc>) -> Result<bool, Error> {
        let held_until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        // A later end is from before the server's clock was set back.
        let is_current = |until| now + self.length / 2 < until && until <= now + self.length;
        if held_until.is_some_and(is_current) {
            return Ok(true);
        }
        let held = self
            .store
            .claim_lease(self.name, self.holder, now, self.length)
            .await?;
        self.remember(held.then_some(now + self.length));
        Ok(held)
    }

    /// Releases the lease, so that another process can take it at once.
    pub async fn release(&self) -> Result<(), Error> {
        self.remember(None);
        self.store.release_lease(self.name, self.holder).await
    }

    fn remember(&self, until: Option<DateTime<Utc>>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Store {
    /// Takes or renews a lease; false while another holder's has not expired.
    pub async fn claim_lease(
        &self,
        lease: &str,
        holder: Uuid,
        now: DateTime<Utc>,
        length: TimeDelta,
    ) -> Result<bool, Error> {
        let row = Model {
            name: lease.to_owned(),
            holder,
            expires_at: instant::to_millis(now + length),
        };
        let renew = OnConflict::column(Column::Name)
            .update_columns([Column::Holder, Column::ExpiresAt])
            .to_owned();
        let claimed = self
            .pools()
            .within(async |transaction| {
                let stored = Entity::find_by_id(lease).one(transaction).await?;
                let longest = now + length * LONGEST_PLAUSIBLE_LENGTHS;
                let is_held_by_another = |stored: Model| {
                    stored.holder != holder
                        && stored.expires_at > instant::to_millis(now)
                        && stored.expires_at <= instant::to_millis(longest)
                };
                if stored.is_some_and(is_held_by_another) {
                    return Ok(false);
                }
                Entity::insert(row.into_active_model())
                    .on_conflict(renew)
                    .exec_without_returning(transaction)
                    .await?;
                Ok(true)
            })
            .await;
        self.record_write(claimed)
    }

    /// Sets the clock of leases to that of the database server, if other processes may use it, too.
    pub async fn set_lease_clock(&self, clock: &SteadyClock) -> Result<(), Error> {
        if !self.is_shared() || clock.is_simulated() {
            return Ok(());
        }
        let rows = self.pools().query(SERVER_TIME, Vec::new()).await?;
        let measured_at = Instant::now();
        if let Some(row) = rows.first() {
            let millis = row.try_get("", "millis")?;
            clock.follow(instant::from_millis("leases", "now", millis)?, measured_at);
        }
        Ok(())
    }

    /// Releases a lease if `holder` still holds it.
    pub async fn release_lease(&self, lease: &str, holder: Uuid) -> Result<(), Error> {
        Entity::delete_many()
            .filter(Column::Name.eq(lease).and(Column::Holder.eq(holder)))
            .exec(self.pools().writer())
            .await?;
        Ok(())
    }
}
