//! The journal: every raw callback, durable before it is acknowledged, in commit order.
//!
//! Owns the writer task and the memory limit. Does not parse callbacks and keeps no reader
//! positions.

mod days;
mod fallback;
mod insert;
mod inserter;
mod journal_metrics;
mod journal_row;
mod pairing;
mod purge;
mod reader;
pub mod spool;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use migration::{JournalMigrator, MigratorTrait};
use sea_orm_migration::SchemaManager;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use journal_metrics::JournalMetrics;
pub use purge::{JournalStart, PURGE_BATCH_ROWS, PurgeBatch, PurgeLimit};
pub use reader::JournalFilter;

use crate::db;
use crate::db::connection::{
    self, Engine, JOURNAL_BUSY_TIMEOUT, JOURNAL_WRITING, MAIN_BUSY_TIMEOUT, Pools,
};
use crate::db::disk::DiskReserve;
use crate::db::{Error, JournalState};
use crate::domain::callback_record::{
    CallbackRecord, CallbackSummary, JournalEntry, JournalPosition,
};
use crate::domain::ids::CallbackId;
use crate::domain::secret::Secret;
use crate::journal::spool::{Spool, SpoolSettings, SpoolStatus};
use fallback::Fallback;
use inserter::{JournalInserter, MaintenanceRequest};
use purge::MaintenanceTask;
use reader::LatestReceived;
use writer::{QueuedRecord, Writer};

/// PostgreSQL advisory lock under which sequence numbers are drawn, so that they follow commit
/// order. `bt_jrnl` in ASCII.
pub const JOURNAL_LOCK: i64 = 0x0062_745f_6a72_6e6c;

const FILE_NAME: &str = "journal.db";
/// Queue length of the writer: two batches.
const WAITING_RECORDS: usize = 1024;
/// Memory for bodies between reading and writing, in [`ROOM_UNIT`]s: 256 MiB.
const ROOM_UNITS: usize = 256 * 1024;
const ROOM_UNIT: usize = 1024;
/// Memory of a record without its body: headers, query, channel.
const RECORD_OVERHEAD: usize = 4 * 1024;

/// Clones share one writer.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pools: Pools,
    identity: Uuid,
    recently: LatestReceived,
    waiting: mpsc::Sender<QueuedRecord>,
    maintenance: mpsc::Sender<MaintenanceRequest>,
    room: Arc<Semaphore>,
    appended: watch::Receiver<()>,
    spool: watch::Receiver<SpoolStatus>,
    metrics: JournalMetrics,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Permission to hold a body in memory; released when the body has been written or dropped.
#[derive(Debug)]
pub struct MemoryPermit(OwnedSemaphorePermit);

impl MemoryPermit {
    /// Releases what a body smaller than expected does not need.
    pub fn give_back_beyond(&mut self, body_bytes: usize) {
        let beyond = self.0.num_permits().saturating_sub(units(body_bytes));
        drop(self.0.split(beyond));
    }
}

fn units(body_bytes: usize) -> usize {
    (body_bytes + RECORD_OVERHEAD)
        .div_ceil(ROOM_UNIT)
        .min(ROOM_UNITS)
}

/// Opens the journal of a main database: `journal.db` beside its file, or the same server. Applies
/// no migrations; see [`migrate`].
pub async fn connect(database_url: &Secret) -> Result<Pools, Error> {
    match connection::engine_of(database_url) {
        Engine::Sqlite => {
            let path = connection::sqlite_path(database_url).with_file_name(FILE_NAME);
            Pools::open_sqlite(&path, JOURNAL_LOCK, JOURNAL_WRITING).await
        }
        Engine::Postgres => {
            Pools::open_postgres(database_url, JOURNAL_LOCK, JOURNAL_BUSY_TIMEOUT).await
        }
    }
}

/// Applies missing migrations, one process at a time. Without missing ones a lock held elsewhere
/// does not prevent the start.
pub async fn migrate(pools: &Pools) -> Result<(), Error> {
    let transaction = match pools.begin().await {
        Ok(transaction) => transaction,
        Err(error) if error.is_busy() => {
            let missing = JournalMigrator::get_pending_migrations(pools.writer()).await?;
            if missing.is_empty() {
                return Ok(());
            }
            // On a new server the first of several processes creates the tables.
            pools.begin_within(MAIN_BUSY_TIMEOUT).await?
        }
        Err(error) => return Err(error),
    };
    match JournalMigrator::up(&transaction, None).await {
        Ok(()) => Ok(transaction.commit().await?),
        Err(error) => {
            transaction.rollback().await?;
            Err(error.into())
        }
    }
}

/// Rejects a journal with another schema. For read-only commands.
pub async fn check_migrated(pools: &Pools) -> Result<(), Error> {
    let missing = JournalMigrator::get_pending_migrations_read_only(pools.reader()).await?;
    db::refuse_missing(missing.len())
}

/// Always true on a server.
pub fn exists(database_url: &Secret) -> bool {
    match connection::engine_of(database_url) {
        Engine::Sqlite => connection::sqlite_path(database_url)
            .with_file_name(FILE_NAME)
            .exists(),
        Engine::Postgres => true,
    }
}

/// Whether the journal was ever used with a main database: it has callbacks or the mark of a start.
/// Applies no migrations.
pub async fn was_used(database_url: &Secret) -> Result<bool, Error> {
    let pools = connect(database_url).await?;
    let used = was_used_in(&pools).await;
    pools.close().await?;
    used
}

async fn was_used_in(pools: &Pools) -> Result<bool, Error> {
    // An interrupted first start has no tables, an older version not all.
    let tables = SchemaManager::new(pools.reader());
    if tables.has_table("journal").await? && reader::end(pools).await? > 0 {
        return Ok(true);
    }
    Ok(tables.has_table("journal_pairing").await? && pairing::find(pools).await?.is_some())
}

impl Journal {
    /// Checks the tables and starts the writer. Migrations must have run.
    ///
    /// Without a spool: errors of the database are returned to the caller, and a lock is waited
    /// for.
    pub async fn open(pools: Pools) -> Result<Self, Error> {
        let identity = reader::identity(&pools).await?;
        Ok(Self::start(pools, identity, None, None))
    }

    /// Like `open`, with a spool for what the database does not accept. Fails if either cannot be
    /// written; a lock held elsewhere or a nearly full disk are no failures.
    pub async fn open_with_spool(pools: Pools, settings: SpoolSettings) -> Result<Self, Error> {
        let identity = reader::identity(&pools).await?;
        let folder = pools.file().and_then(Path::parent);
        let reserve = folder.map(|folder| DiskReserve {
            folder: folder.to_owned(),
            percent: settings.limits.free_percent,
        });
        let spool = Spool::open(settings, identity).await?;
        let inserter = JournalInserter::new(pools.clone(), reserve.clone());
        let fallback = match inserter.probe().await {
            Ok(()) => Fallback::new(spool),
            Err(error) if error.is_busy() || error.is_disk_full() => {
                Fallback::in_use(spool, &error)
            }
            Err(error) => {
                spool.close().await;
                return Err(error);
            }
        };
        Ok(Self::start(pools, identity, Some(fallback), reserve))
    }

    fn start(
        pools: Pools,
        identity: Uuid,
        fallback: Option<Fallback>,
        reserve: Option<DiskReserve>,
    ) -> Self {
        let (waiting, receiver) = mpsc::channel(WAITING_RECORDS);
        let (maintenance, asked) = mpsc::channel(1);
        let (sender, appended) = watch::channel(());
        let stop = CancellationToken::new();
        let metrics = JournalMetrics::default();
        let spool = match &fallback {
            Some(fallback) => fallback.status(),
            None => watch::channel(SpoolStatus::default()).1,
        };
        let writer = Writer {
            inserter: JournalInserter::new(pools.clone(), reserve),
            waiting: receiver,
            appended: sender,
            fallback,
            metrics: metrics.clone(),
            maintenance: asked,
            stop: stop.clone(),
        };
        let tasks = TaskTracker::new();
        tasks.spawn(writer.run());
        tasks.close();
        Self(Arc::new(Shared {
            pools,
            identity,
            recently: LatestReceived::default(),
            waiting,
            maintenance,
            room: Arc::new(Semaphore::new(ROOM_UNITS)),
            appended,
            spool,
            metrics,
            stop,
            tasks,
        }))
    }

    /// Waits until a body of this size may be held in memory. Reserve the whole size before
    /// reading: two callers that each hold a part could wait for each other.
    pub async fn reserve(&self, body_bytes: usize) -> Result<MemoryPermit, Error> {
        let units = u32::try_from(units(body_bytes)).unwrap_or(u32::MAX);
        Arc::clone(&self.0.room)
            .acquire_many_owned(units)
            .await
            .map(MemoryPermit)
            .map_err(|_| Error::Stopped("journal"))
    }

    /// Appends a record. `Ok` means durable: synced to disk (or committed by PostgreSQL), in the
    /// journal or in the spool. An existing id adds nothing.
    ///
    /// After an error with [`Error::is_transient`] the record may or may not be stored; it may be
    /// appended again. The record is written even if
    /// the caller is dropped.
    pub async fn append(&self, record: CallbackRecord, room: MemoryPermit) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let append = QueuedRecord {
            record,
            answer,
            room: room.0,
        };
        self.0
            .waiting
            .send(append)
            .await
            .map_err(|_| Error::Stopped("journal"))?;
        answered.await.map_err(|_| Error::Stopped("journal"))?
    }

    /// Entries after `seq`, in order: at most `limit`, and at most `byte_limit` bytes of bodies
    /// unless the first alone is larger.
    pub async fn read_after(
        &self,
        seq: i64,
        limit: u64,
        byte_limit: u64,
    ) -> Result<Vec<JournalEntry>, Error> {
        reader::read_after(&self.0.pools, &self.0.recently, seq, limit, byte_limit).await
    }

    pub async fn find(&self, id: CallbackId) -> Result<Option<JournalEntry>, Error> {
        reader::find(&self.0.pools, id).await
    }

    /// Existing entries with these ids, in journal order, with bodies.
    pub async fn find_all(&self, ids: &[CallbackId]) -> Result<Vec<JournalEntry>, Error> {
        reader::find_all(&self.0.pools, ids).await
    }

    /// Body sizes of existing callbacks.
    pub async fn list_sizes(&self, ids: &[CallbackId]) -> Result<HashMap<CallbackId, u64>, Error> {
        reader::list_sizes(&self.0.pools, ids).await
    }

    /// One page, newest first, below `before_seq`.
    pub async fn list(
        &self,
        filter: &JournalFilter,
        before_seq: Option<i64>,
        limit: u64,
    ) -> Result<Vec<CallbackSummary>, Error> {
        reader::list(&self.0.pools, filter, before_seq, limit).await
    }

    /// Places after `seq`, in order, without bodies.
    pub async fn list_places(&self, seq: i64, limit: u64) -> Result<Vec<JournalPosition>, Error> {
        reader::list_places(&self.0.pools, seq, limit).await
    }

    /// The highest `seq` ever assigned, 0 if none: no reader position is beyond it. The entry
    /// itself may be purged, or may not exist.
    pub async fn end(&self) -> Result<i64, Error> {
        reader::end(&self.0.pools).await
    }

    /// Creates partitions ahead. Does nothing on SQLite.
    pub async fn prepare_days(&self, now: DateTime<Utc>) -> Result<(), Error> {
        days::prepare(&self.0.pools, now).await
    }

    /// The next callbacks after `after` that may be purged: at most [`PURGE_BATCH_ROWS`] on SQLite, a
    /// whole day on PostgreSQL. `None` at the end.
    pub async fn next_portion(
        &self,
        purge_limit: &PurgeLimit,
        after: Option<&PurgeBatch>,
    ) -> Result<Option<PurgeBatch>, Error> {
        purge::next_portion(&self.0.pools, purge_limit, after).await
    }

    /// Purges a batch between two writes; returns how many callbacks were deleted, or `None` if it
    /// must not be purged any more.
    pub async fn remove(
        &self,
        purge_limit: &PurgeLimit,
        purge_batch: &PurgeBatch,
    ) -> Result<Option<u64>, Error> {
        match purge::maintenance_task(purge_batch) {
            Some(maintenance_task) => self.ask(maintenance_task).await.map(Some),
            None => purge::remove_on_postgres(&self.0.pools, purge_limit, purge_batch).await,
        }
    }

    /// Returns some free pages of SQLite's file to the file system, between two writes; returns how
    /// many are left.
    pub async fn give_back(&self) -> Result<u64, Error> {
        if self.0.pools.free_pages().await? == 0 {
            return Ok(0);
        }
        self.ask(MaintenanceTask::GiveBack).await
    }

    async fn ask(&self, maintenance_task: MaintenanceTask) -> Result<u64, Error> {
        let (answer, answered) = oneshot::channel();
        let maintenance_request = MaintenanceRequest {
            maintenance_task,
            answer,
        };
        self.0
            .maintenance
            .send(maintenance_request)
            .await
            .map_err(|_| Error::Stopped("journal"))?;
        answered.await.map_err(|_| Error::Stopped("journal"))?
    }

    /// `None` if the journal is empty.
    pub async fn find_start(&self) -> Result<Option<JournalStart>, Error> {
        purge::find_start(&self.0.pools).await
    }

    /// The start of the journal after everything up to `last` was purged; `None` if nothing is
    /// left.
    pub async fn find_start_after(&self, last: &PurgeBatch) -> Result<Option<JournalStart>, Error> {
        purge::find_start_after(&self.0.pools, last).await
    }

    /// What the main database must know about its journal.
    pub async fn state(&self) -> Result<JournalState, Error> {
        Ok(JournalState {
            identity: self.identity(),
            end: self.end().await?,
            mark: pairing::find(&self.0.pools).await?,
        })
    }

    /// Stores the mark of this start, which the main database has stored before.
    pub async fn leave_mark(&self, mark: Uuid) -> Result<(), Error> {
        pairing::store_mark(&self.0.pools, mark).await
    }

    /// Created with the journal; the main database stores the same.
    pub fn identity(&self) -> Uuid {
        self.0.identity
    }

    /// Changes after every commit of this process; a receiver misses none.
    pub fn appended(&self) -> watch::Receiver<()> {
        self.0.appended.clone()
    }

    pub fn spool(&self) -> watch::Receiver<SpoolStatus> {
        self.0.spool.clone()
    }

    /// `None` on PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        self.0.pools.file()
    }

    pub fn metrics(&self) -> &JournalMetrics {
        &self.0.metrics
    }

    /// Stops accepting, writes what is queued, drains the spool if that is quick, and returns when
    /// the writer has ended. Reading still works.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.wait().await;
    }
    /// Stops and closes every connection; SQLite checkpoints its WAL, so that `journal.db` alone is
    /// complete.
    pub async fn close(&self) -> Result<(), Error> {
        self.stop().await;
        self.0.pools.clone().close().await
    }
}
