//! The main database. Takes and returns domain values; entities never leave this folder.

pub mod account_events;
pub mod account_records;
pub mod alert_records;
pub mod api_tokens;
pub mod attempts;
pub mod audit_log;
pub mod backup;
pub mod bucket_counts;
pub mod callback_hours;
pub mod callback_outcomes;
pub mod callback_reports;
pub mod campaigns;
pub mod change_feed;
pub mod charges;
mod count_check;
pub mod crashed_callbacks;
pub mod customer_erasure;
pub mod database_identity;
mod dismissals;
mod entities;
pub mod erasure_sweep;
pub mod grouped_reads;
pub mod id_anomalies;
pub mod id_conflicts;
pub mod inbound_windows;
pub mod latency_sums;
pub mod lease;
pub mod ledger;
pub mod message_acceptance;
pub mod messages;
pub mod orphan_list;
pub mod outcome_counts;
pub mod outcome_list;
pub mod page_counts;
pub mod past_submissions;
mod period_parts;
pub mod period_totals;
pub mod person_links;
pub mod provider_ids;
pub mod purge_expired;
pub mod purge_messages;
mod purge_statements;
pub mod quarantine;
mod random_secret;
pub mod receipts;
mod recent_events;
pub mod recipient_country;
mod reference_check;
pub mod schema_migration;
pub mod send_flows;
pub mod send_queue;
pub mod sessions;
pub mod sign_in_links;
pub mod store_settings;
mod stored_warnings;
pub mod summed_counts;
pub mod uploads;
pub mod url_check_records;
mod user_records;
pub mod users;
pub mod verify_snapshot;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use ledger::message_change::FeedChange;
use ledger::message_ledger::Ledger;

use crate::db::connect_options::MAIN_WRITER;
use crate::db::database_location::DatabaseLocation;
use crate::db::pools::Pools;
use crate::db::{CheckpointResult, Error, exists_with_content, in_time};
use crate::domain::secret::Secret;

/// The main database's writer lock on PostgreSQL ("bluetick" as a number).
const MAIN_LOCK: i64 = 0x626c_7565_7469_636b;
/// Changes that a slow subscriber may lag behind before it must start over.
const FEED_LENGTH: usize = 1024;

/// Messages, receipts, accounts, access, settings.
#[derive(Clone, Debug)]
pub struct Store {
    // One pointer, because every part of the program holds a clone.
    pools: Arc<Pools>,
    feed: broadcast::Sender<FeedChange>,
    /// Distinguishes this process's changes from those of others.
    process: Uuid,
    /// See [`Store::last_write_failed`].
    write_failed: Arc<AtomicBool>,
}

impl Store {
    /// Opens `bluetick.db` or connects to a server, without migrations; see [`Store::migrate`].
    /// On a server it uses half of the `connections` of the process.
    pub async fn open(url: &Secret, connections: u32) -> Result<Self, Error> {
        let location = DatabaseLocation::parse(url).with_connections(connections);
        let pools = Pools::open(&location, MAIN_LOCK, MAIN_WRITER).await?;
        Ok(Self {
            pools: Arc::new(pools),
            feed: broadcast::Sender::new(FEED_LENGTH),
            process: Uuid::from_bytes(rand::random()),
            write_failed: Arc::default(),
        })
    }

    /// Calls `observer` with each statement of this store and its later clones, for checks of query
    /// plans.
    #[must_use]
    pub fn observed_by(
        mut self,
        observer: impl Fn(&sea_orm::Statement) + Clone + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.pools).observe_statements(observer);
        self
    }

    /// Whether a SQLite database exists at this URL. A server counts as existing.
    pub fn exists(url: &Secret) -> bool {
        match DatabaseLocation::parse(url) {
            DatabaseLocation::File(path) => exists_with_content(&path),
            DatabaseLocation::Server { .. } => true,
        }
    }

    pub async fn ledger(&self, now: DateTime<Utc>) -> Result<Ledger, Error> {
        self.record_write(Ledger::begin(&self.pools, self.process, now).await)
    }

    /// [`Store::ledger`] for a waiting caller: [`Error::TooSlow`] when the write lock is not
    /// available in time, however many wait for it.
    pub async fn ledger_for_caller(&self, now: DateTime<Utc>) -> Result<Ledger, Error> {
        let begun = Ledger::begin(&self.pools, self.process, now);
        // A transaction that has only begun is rolled back when it is dropped.
        self.record_write(in_time(begun).await)
    }

    /// [`Store::ledger_for_caller`] with a deadline, since its callers may have waited before.
    async fn ledger_before(&self, now: DateTime<Utc>, deadline: Instant) -> Result<Ledger, Error> {
        let begun = Box::pin(Ledger::begin(&self.pools, self.process, now));
        let begun = timeout_at(deadline, begun).await;
        self.record_write(begun.unwrap_or(Err(Error::TooSlow)))
    }

    /// Commits what `work` did for a waiting caller, or rolls it back after an error.
    pub async fn change<T, E: From<Error>>(
        &self,
        now: DateTime<Utc>,
        work: impl AsyncFnOnce(&mut Ledger) -> Result<T, E>,
    ) -> Result<T, E> {
        let ledger = self.ledger_for_caller(now).await?;
        self.commit_or_roll_back(ledger, work).await
    }

    /// Commits and publishes the changes to the live feed.
    pub async fn commit(&self, ledger: Ledger) -> Result<(), Error> {
        for change in self.record_write(ledger.commit().await)? {
            self.publish(change);
        }
        Ok(())
    }

    /// [`Store::change`] without a waiting caller.
    pub async fn change_in_background<T>(
        &self,
        now: DateTime<Utc>,
        work: impl AsyncFnOnce(&mut Ledger) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let ledger = self.ledger(now).await?;
        self.commit_or_roll_back(ledger, work).await
    }

    async fn commit_or_roll_back<T, E: From<Error>>(
        &self,
        mut ledger: Ledger,
        work: impl AsyncFnOnce(&mut Ledger) -> Result<T, E>,
    ) -> Result<T, E> {
        match work(&mut ledger).await {
            Ok(done) => {
                self.commit(ledger).await?;
                Ok(done)
            }
            Err(error) => {
                ledger.roll_back().await;
                Err(error)
            }
        }
    }

    /// Whether this process's last write failed: the database is locked, full or unreachable. Loops
    /// retry every few seconds.
    pub fn last_write_failed(&self) -> bool {
        self.write_failed.load(Ordering::Relaxed)
    }

    /// Records whether the last write failed.
    fn record_write<T>(&self, written: Result<T, Error>) -> Result<T, Error> {
        match &written {
            Ok(_) => self.write_failed.store(false, Ordering::Relaxed),
            Err(Error::Driver { .. } | Error::TooSlow) => {
                self.write_failed.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        written
    }

    fn publish(&self, change: FeedChange) {
        // A feed without subscribers is not an error.
        let _ = self.feed.send(change);
    }

    /// Whether other processes may work on the same database.
    pub fn is_shared(&self) -> bool {
        self.pools.is_shared()
    }

    /// The live feed.
    pub fn changes(&self) -> broadcast::Receiver<FeedChange> {
        self.feed.subscribe()
    }

    /// See [`Pools::checkpoint`].
    pub async fn checkpoint(&self) -> Result<CheckpointResult, Error> {
        self.pools.checkpoint().await
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> Option<&Path> {
        self.pools.file()
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    pub async fn close(self) -> Result<(), Error> {
        Arc::unwrap_or_clone(self.pools).close().await
    }
}
