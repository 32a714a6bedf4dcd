//! [`Journal`]: starts the writer, appends records through it, and stops it.

use std::path::Path;
use std::sync::Arc;
use std::{io, thread};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::db::disk::DiskReserve;
use crate::db::pools::Pools;
use crate::db::{Error, JournalState, instant};
use crate::domain::callback_record::CallbackRecord;
use crate::journal::batch::QueuedRecord;
use crate::journal::inserter::JournalInserter;
use crate::journal::journal_metrics::JournalMetrics;
use crate::journal::memory_limit::{MemoryLimit, MemoryPermit};
use crate::journal::partition_hint::PartitionHint;
use crate::journal::read_activity::ReadActivity;
use crate::journal::spool::{Spool, SpoolSettings, SpoolStatus};
use crate::journal::spool_switch::SpoolSwitch;
use crate::journal::sqlite_maintenance::{MaintenanceRequest, MaintenanceTask};
use crate::journal::writer::Writer;
use crate::journal::{pairing, partitions};

/// Maximum number of records queued for the writer: two batches.
const MAX_QUEUED_RECORDS: usize = 1024;

/// Clones share one writer.
#[derive(Clone, Debug)]
pub struct Journal(Arc<JournalParts>);

#[derive(Debug)]
struct JournalParts {
    pools: Pools,
    identity: Uuid,
    partition_hint: PartitionHint,
    read_activity: ReadActivity,
    queue: mpsc::Sender<QueuedRecord>,
    maintenance: mpsc::Sender<MaintenanceRequest>,
    memory: MemoryLimit,
    appended: watch::Receiver<()>,
    spool: watch::Receiver<SpoolStatus>,
    metrics: JournalMetrics,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Journal {
    /// Checks the tables and starts the writer. Migrations must have run.
    ///
    /// Without a spool: errors of the database are returned to the caller, and writes wait for
    /// locks.
    pub async fn open(pools: Pools) -> Result<Self, Error> {
        let identity = pairing::read_identity(&pools).await?;
        Self::start(pools, identity, None, None)
    }

    /// Like `open`, with a spool for records that the database does not accept. Fails if either
    /// cannot be written to; a lock held elsewhere and a nearly full disk are not failures.
    pub async fn open_with_spool(pools: Pools, settings: SpoolSettings) -> Result<Self, Error> {
        let identity = pairing::read_identity(&pools).await?;
        let folder = pools.file().and_then(Path::parent);
        let reserve = folder.map(|folder| DiskReserve {
            folder: folder.to_owned(),
            reserve: settings.limits.reserve,
        });
        let spool = Spool::open(settings, identity).await?;
        let inserter = JournalInserter::new(pools.clone(), reserve.clone());
        let spool_switch = match inserter.probe().await {
            Ok(()) => SpoolSwitch::new(spool),
            Err(error) if error.is_busy() || error.is_disk_full() => {
                SpoolSwitch::in_use(spool, &error)
            }
            Err(error) => {
                spool.close().await;
                return Err(error);
            }
        };
        Self::start(pools, identity, Some(spool_switch), reserve)
    }

    fn start(
        pools: Pools,
        identity: Uuid,
        spool_switch: Option<SpoolSwitch>,
        reserve: Option<DiskReserve>,
    ) -> Result<Self, Error> {
        let (queue, queued) = mpsc::channel(MAX_QUEUED_RECORDS);
        let (maintenance, requests) = mpsc::channel(1);
        let (appended_sender, appended) = watch::channel(());
        let stop = CancellationToken::new();
        let metrics = JournalMetrics::default();
        let read_activity = ReadActivity::default();
        let spool = match &spool_switch {
            Some(spool_switch) => spool_switch.status(),
            None => watch::channel(SpoolStatus::default()).1,
        };
        let writer = Writer {
            inserter: JournalInserter::new(pools.clone(), reserve),
            queue: queued,
            appended: appended_sender,
            spool_switch,
            metrics: metrics.clone(),
            read_activity: read_activity.clone(),
            maintenance: requests,
            stop: stop.clone(),
        };
        let tasks = TaskTracker::new();
        if pools.is_shared() {
            tasks.spawn(writer.run());
        } else {
            run_on_own_thread(writer, &tasks).map_err(Error::NoThread)?;
        }
        tasks.close();
        Ok(Self(Arc::new(JournalParts {
            pools,
            identity,
            partition_hint: PartitionHint::default(),
            read_activity,
            queue,
            maintenance,
            memory: MemoryLimit::new(),
            appended,
            spool,
            metrics,
            stop,
            tasks,
        })))
    }

    pub(super) fn pools(&self) -> &Pools {
        &self.0.pools
    }

    pub(super) fn read_activity(&self) -> &ReadActivity {
        &self.0.read_activity
    }

    pub(super) fn partition_hint(&self) -> &PartitionHint {
        &self.0.partition_hint
    }

    /// Waits until a body of this size may be held in memory. Two callers that each hold a part of
    /// what they need could wait for each other, so [`MemoryPermit::grow_to`] needs a time limit.
    pub async fn reserve(&self, body_bytes: usize) -> Result<MemoryPermit, Error> {
        self.0.memory.acquire(body_bytes).await
    }

    /// Appends a record. `Ok` means durable: synced to disk (or committed by PostgreSQL), in the
    /// journal or in the spool. A record whose id exists is not added again.
    ///
    /// After an error with [`Error::is_transient`] the record may or may not be stored; it may be
    /// appended again. The record is written even if the caller is dropped.
    pub async fn append(&self, record: CallbackRecord, permit: MemoryPermit) -> Result<(), Error> {
        let (reply, result) = oneshot::channel();
        let queued = QueuedRecord {
            record,
            reply,
            permit,
        };
        let stopped = || Error::Stopped("journal");
        self.0.queue.send(queued).await.map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())?
    }

    /// Asks the writer to run a task between two batches, and waits for its result.
    pub(super) async fn run_maintenance(&self, task: MaintenanceTask) -> Result<u64, Error> {
        let (reply, result) = oneshot::channel();
        let request = MaintenanceRequest { task, reply };
        let stopped = || Error::Stopped("journal");
        let sent = self.0.maintenance.send(request).await;
        sent.map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())?
    }

    /// Creates the partitions of the coming days. Does nothing on SQLite.
    pub async fn create_day_partitions(&self, now: DateTime<Utc>) -> Result<(), Error> {
        partitions::prepare(self.pools(), now).await
    }

    /// The highest `seq` ever assigned, 0 if none: no reader position is beyond it. The entry
    /// itself may be purged, or may not exist.
    pub async fn end(&self) -> Result<i64, Error> {
        pairing::read_end(self.pools()).await
    }

    /// The state that the main database compares with its own records.
    pub async fn state(&self) -> Result<JournalState, Error> {
        Ok(JournalState {
            identity: self.identity(),
            end: self.end().await?,
            mark: pairing::find_mark(self.pools()).await?,
        })
    }

    /// Stores the mark of this start. The main database must have stored it before.
    pub async fn store_mark(&self, mark: Uuid) -> Result<(), Error> {
        pairing::store_mark(self.pools(), mark).await
    }

    /// See [`pairing::skip_to`].
    pub(crate) async fn skip_to(&self, seq: i64) -> Result<(), Error> {
        pairing::skip_to(self.pools(), seq).await
    }

    /// When the last callback was received.
    pub(crate) async fn last_received_at(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let sql = "SELECT received_at FROM journal ORDER BY seq DESC LIMIT 1";
        let rows = self.pools().query(sql, Vec::new()).await?;
        let last = rows.first().map(|row| row.try_get("", "received_at"));
        instant::from_optional_millis("journal", "received_at", last.transpose()?)
    }

    /// Generated when the journal is created. The main database stores it too.
    pub fn identity(&self) -> Uuid {
        self.0.identity
    }

    /// Notifies receivers of every commit of this process.
    pub fn appended(&self) -> watch::Receiver<()> {
        self.0.appended.clone()
    }

    pub fn spool(&self) -> watch::Receiver<SpoolStatus> {
        self.0.spool.clone()
    }

    /// See [`Pools::copy_into`].
    pub(crate) async fn copy_into(&self, path: &Path) -> Result<(), Error> {
        self.pools().copy_into(path).await
    }

    pub(crate) async fn find_faults(&self) -> Result<Vec<String>, Error> {
        self.pools().find_faults().await
    }

    /// The name of the last applied migration.
    pub(crate) async fn schema_version(&self) -> Result<String, Error> {
        self.pools().schema_version("journal_migrations").await
    }

    /// `None` on PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        self.pools().file()
    }

    pub fn metrics(&self) -> &JournalMetrics {
        &self.0.metrics
    }

    /// Stops accepting records, writes those that are queued, drains the spool for a few seconds,
    /// and returns when the writer has ended. Reading still works.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.wait().await;
    }

    /// Stops and closes every connection; SQLite checkpoints its WAL, so that `journal.db` alone is
    /// complete.
    pub async fn close(&self) -> Result<(), Error> {
        self.stop().await;
        self.pools().clone().close().await
    }
}

/// The writer has its own thread, because on the threads that all jobs share each commit woke two
/// of them. On SQLite only: connections to PostgreSQL would depend on this runtime after its end.
fn run_on_own_thread(writer: Writer, tasks: &TaskTracker) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let writing = tasks.spawn_on(writer.run(), runtime.handle());
    thread::Builder::new()
        .name("journal".into())
        // A panic has ended the task; callers learn that the journal has stopped.
        .spawn(move || drop(runtime.block_on(writing)))?;
    Ok(())
}
