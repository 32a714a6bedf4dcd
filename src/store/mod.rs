//! The only place that knows sea-orm and SQL. Takes and returns domain values; entities never leave it.

pub mod access;
pub mod accounts;
pub mod attempts;
pub mod callback_hours;
pub mod callbacks;
mod entities;
pub mod feed;
pub mod lease;
pub mod ledger;
pub mod messages;
pub mod orphans;
#[cfg(test)]
mod plans;
pub mod problems;
pub mod provider_ids;
pub mod purge_expired;
pub mod purge_messages;
mod purge_statements;
mod put_aside;
pub mod queue;
pub mod receipts;
pub mod reports;
pub mod settings;
pub mod statistics;
pub mod uploads;
pub mod verify;
pub mod windows;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use migration::MainMigrator;
use sea_orm_migration::MigratorTrait;
use tokio::sync::broadcast;
use uuid::Uuid;

use ledger::{Change, Ledger};

use crate::db::connection::{Engine, MAIN_BUSY_TIMEOUT, MAIN_WRITING, Pools};
use crate::db::{
    CheckpointResult, Error, connection, exists_with_content, in_time, refuse_missing,
};
use crate::domain::secret::Secret;

/// The main database's writer lock on PostgreSQL ("bluetick" as a number).
const MAIN_LOCK: i64 = 0x626c_7565_7469_636b;
/// Changes that a slow reader of the live feed may fall behind before it is told to start over.
const FEED_LENGTH: usize = 1024;

/// The main database: messages, facts, access.
#[derive(Clone, Debug)]
pub struct Store {
    // One word, as every part of the program holds a clone.
    pools: Arc<Pools>,
    feed: broadcast::Sender<Change>,
    /// Tells this process's changes from those of others.
    process: Uuid,
    /// Whether it could not be written when that was last tried.
    refusing: Arc<AtomicBool>,
}

impl Store {
    /// Opens `bluetick.db` or connects to a server. Applies nothing; see [`Store::migrate`].
    pub async fn open(url: &Secret) -> Result<Self, Error> {
        let pools = match connection::engine_of(url) {
            Engine::Sqlite => {
                let path = connection::sqlite_path(url);
                Pools::open_sqlite(&path, MAIN_LOCK, MAIN_WRITING).await?
            }
            Engine::Postgres => Pools::open_postgres(url, MAIN_LOCK, MAIN_BUSY_TIMEOUT).await?,
        };
        Ok(Self {
            pools: Arc::new(pools),
            feed: broadcast::Sender::new(FEED_LENGTH),
            process: Uuid::from_bytes(rand::random()),
            refusing: Arc::default(),
        })
    }

    /// Whether a SQLite database of this URL exists already. A server counts as existing.
    pub fn exists(url: &Secret) -> bool {
        match connection::engine_of(url) {
            Engine::Sqlite => exists_with_content(&connection::sqlite_path(url)),
            Engine::Postgres => true,
        }
    }

    /// Applies the migrations that are missing, one process at a time.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.pools
            .within(async |transaction| Ok(MainMigrator::up(transaction, None).await?))
            .await
    }

    /// Refuses a database whose tables are not those of this program; for who writes nothing.
    pub async fn check_migrated(&self) -> Result<(), Error> {
        let missing = MainMigrator::get_pending_migrations_read_only(self.pools.reader()).await?;
        refuse_missing(missing.len())
    }

    /// Begins a change of messages.
    pub async fn ledger(&self, now: DateTime<Utc>) -> Result<Ledger, Error> {
        self.noted(Ledger::begin(&self.pools, self.process, now).await)
    }

    /// The same for a caller who waits for the answer: [`Error::TooSlow`] when the database cannot be written within [`MAIN_BUSY_TIMEOUT`], however many wait for it before.
    pub async fn ledger_for_caller(&self, now: DateTime<Utc>) -> Result<Ledger, Error> {
        let begun = Ledger::begin(&self.pools, self.process, now);
        // What has only begun is rolled back when nobody waits for it any more.
        self.noted(in_time(begun).await)
    }

    /// Commits a change and tells the live feed.
    pub async fn commit(&self, ledger: Ledger) -> Result<(), Error> {
        for change in self.noted(ledger.commit().await)? {
            self.tell(change);
        }
        Ok(())
    }

    /// Whether the database could not be written when this process last tried: locked elsewhere, full, or away. Loops try again every few seconds.
    pub fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    /// Remembers how a write ended.
    fn noted<T>(&self, written: Result<T, Error>) -> Result<T, Error> {
        match &written {
            Ok(_) => self.refusing.store(false, Ordering::Relaxed),
            Err(Error::Driver { .. } | Error::TooSlow) => {
                self.refusing.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        written
    }

    fn tell(&self, change: Change) {
        // Nobody listening is no error.
        let _ = self.feed.send(change);
    }

    /// Whether other processes may work on the same database.
    pub fn is_shared(&self) -> bool {
        self.pools.is_shared()
    }

    /// Changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.feed.subscribe()
    }

    /// Writes SQLite's write-ahead log back once it is long; see [`Pools::checkpoint`].
    pub async fn checkpoint(&self) -> Result<CheckpointResult, Error> {
        self.pools.checkpoint().await
    }

    /// Its file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        self.pools.file()
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Closes every connection.
    pub async fn close(self) -> Result<(), Error> {
        Arc::unwrap_or_clone(self.pools).close().await
    }
}
