//! The journal: every raw callback, durable before it is acknowledged, in an order that readers can follow.
//!
//! Owns the writer task and the bound on memory. Does not read what callbacks say, and keeps no position of its readers.

mod days;
mod entity;
mod entrance;
mod fallback;
mod figures;
mod insert;
mod pairing;
mod reader;
mod retention;
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

pub use figures::Figures;
pub use reader::JournalFilter;
pub use retention::{Beginning, Leave, PORTION_ROWS, Portion};

use crate::db;
use crate::db::Error;
use crate::db::connection::{
    self, Engine, JOURNAL_BUSY_TIMEOUT, JOURNAL_WRITING, MAIN_BUSY_TIMEOUT, Pools,
};
use crate::db::disk::Reserve;
use crate::domain::callback_record::{
    CallbackRecord, CallbackSummary, JournalEntry, JournalPosition,
};
use crate::domain::ids::CallbackId;
use crate::domain::secret::Secret;
use crate::journal::spool::{Spool, SpoolSettings, SpoolStanding};
use crate::store::settings::JournalState;
use entrance::{Entrance, Errand};
use fallback::Fallback;
use reader::Recently;
use retention::Chore;
use writer::{Append, Writer};

/// PostgreSQL's advisory lock under which sequence numbers are drawn, so that they rise in commit order. `bt_jrnl` in ASCII.
pub const JOURNAL_LOCK: i64 = 0x0062_745f_6a72_6e6c;

/// The file beside the main database's.
const FILE_NAME: &str = "journal.db";
/// Records that may wait for the writer: two batches.
const WAITING_RECORDS: usize = 1024;
/// Memory that bodies may hold between being read and being written, in [`ROOM_UNIT`]s: 256 MiB.
const ROOM_UNITS: usize = 256 * 1024;
/// Bytes of one unit of room.
const ROOM_UNIT: usize = 1024;
/// What a record takes beside its body: headers, query, channel.
const RECORD_OVERHEAD: usize = 4 * 1024;

/// A handle on the journal; clones share one writer.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pools: Pools,
    identity: Uuid,
    recently: Recently,
    waiting: mpsc::Sender<Append>,
    errands: mpsc::Sender<Errand>,
    room: Arc<Semaphore>,
    appended: watch::Receiver<()>,
    spool: watch::Receiver<SpoolStanding>,
    figures: Figures,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Leave to hold a body of a certain size in memory; ends when the body has been written or given up.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// Gives back what a body did not need that turned out smaller than it could have been.
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

/// Opens the journal that belongs to a main database: `journal.db` beside its file, or the same server. Applies nothing; see [`migrate`].
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

/// Applies the migrations that are missing, one process at a time. Where none is missing, a lock held elsewhere stops no start.
pub async fn migrate(pools: &Pools) -> Result<(), Error> {
    let transaction = match pools.begin().await {
        Ok(transaction) => transaction,
        Err(error) if error.is_busy() => {
            let missing = JournalMigrator::get_pending_migrations(pools.writer()).await?;
            if missing.is_empty() {
                return Ok(());
            }
            // Several processes on a new server: the first one makes the tables.
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

/// Refuses a journal whose tables are not those of this program; for who writes nothing.
pub async fn check_migrated(pools: &Pools) -> Result<(), Error> {
    let missing = JournalMigrator::get_pending_migrations_read_only(pools.reader()).await?;
    db::refuse_missing(missing.len())
}

/// Whether there is a journal beside a main database. A server counts as having one.
pub fn exists(database_url: &Secret) -> bool {
    match connection::engine_of(database_url) {
        Engine::Sqlite => connection::sqlite_path(database_url)
            .with_file_name(FILE_NAME)
            .exists(),
        Engine::Postgres => true,
    }
}

/// Whether the journal beside a main database was ever used with one: it took callbacks, or carries the mark of a start. Applies nothing.
pub async fn was_used(database_url: &Secret) -> Result<bool, Error> {
    let pools = connect(database_url).await?;
    let used = was_used_in(&pools).await;
    pools.close().await?;
    used
}

async fn was_used_in(pools: &Pools) -> Result<bool, Error> {
    // A first start that was cut short has made no tables yet, and an older program not all.
    let tables = SchemaManager::new(pools.reader());
    if tables.has_table("journal").await? && reader::end(pools).await? > 0 {
        return Ok(true);
    }
    Ok(tables.has_table("journal_pairing").await? && pairing::find(pools).await?.is_some())
}

impl Journal {
    /// Checks that the journal's tables are there and starts its writer. Migrations must have run.
    ///
    /// Without a spool: what the database refuses is refused to the caller, and a lock is waited for.
    pub async fn open(pools: Pools) -> Result<Self, Error> {
        let identity = reader::identity(&pools).await?;
        Ok(Self::start(pools, identity, None, None))
    }

    /// The same, with a spool that takes what the database does not. Fails when either cannot be written; a lock held elsewhere and a disk that is nearly full are no such failures.
    pub async fn open_with_spool(pools: Pools, settings: SpoolSettings) -> Result<Self, Error> {
        let identity = reader::identity(&pools).await?;
        let folder = pools.file().and_then(Path::parent);
        let reserve = folder.map(|folder| Reserve {
            folder: folder.to_owned(),
            percent: settings.limits.free_percent,
        });
        let spool = Spool::open(settings, identity).await?;
        let entrance = Entrance::new(pools.clone(), reserve.clone());
        let fallback = match entrance.probe().await {
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
        reserve: Option<Reserve>,
    ) -> Self {
        let (waiting, receiver) = mpsc::channel(WAITING_RECORDS);
        let (errands, asked) = mpsc::channel(1);
        let (sender, appended) = watch::channel(());
        let stop = CancellationToken::new();
        let figures = Figures::default();
        let spool = match &fallback {
            Some(fallback) => fallback.standing(),
            None => watch::channel(SpoolStanding::default()).1,
        };
        let writer = Writer {
            entrance: Entrance::new(pools.clone(), reserve),
            waiting: receiver,
            appended: sender,
            fallback,
            figures: figures.clone(),
            errands: asked,
            stop: stop.clone(),
        };
        let tasks = TaskTracker::new();
        tasks.spawn(writer.run());
        tasks.close();
        Self(Arc::new(Shared {
            pools,
            identity,
            recently: Recently::default(),
            waiting,
            errands,
            room: Arc::new(Semaphore::new(ROOM_UNITS)),
            appended,
            spool,
            figures,
            stop,
            tasks,
        }))
    }

    /// Waits until a body of so many bytes may be held in memory. Ask before reading it, once and for all of it: two askers that each hold a part could wait for each other.
    pub async fn reserve(&self, body_bytes: usize) -> Result<Room, Error> {
        let units = u32::try_from(units(body_bytes)).unwrap_or(u32::MAX);
        Arc::clone(&self.0.room)
            .acquire_many_owned(units)
            .await
            .map(Room)
            .map_err(|_| Error::Stopped("journal"))
    }

    /// Adds a record. `Ok` means durable: synced to disk (or committed by PostgreSQL), in the journal or in the spool on its way there. An id that is there already adds nothing.
    ///
    /// An error that [`Error::is_transient`] may have stored the record or not; the same record may be appended again.
    /// When the caller goes away the record is written all the same.
    pub async fn append(&self, record: CallbackRecord, room: Room) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let append = Append {
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

    /// Entries after a place, in order: at most `limit`, and no more than `byte_limit` bytes of bodies unless the first alone is larger.
    pub async fn read_after(
        &self,
        seq: i64,
        limit: u64,
        byte_limit: u64,
    ) -> Result<Vec<JournalEntry>, Error> {
        reader::read_after(&self.0.pools, &self.0.recently, seq, limit, byte_limit).await
    }

    /// The entry of this id.
    pub async fn find(&self, id: CallbackId) -> Result<Option<JournalEntry>, Error> {
        reader::find(&self.0.pools, id).await
    }

    /// The entries of these ids, as far as they are kept, in the journal's order; with all their bodies.
    pub async fn find_all(&self, ids: &[CallbackId]) -> Result<Vec<JournalEntry>, Error> {
        reader::find_all(&self.0.pools, ids).await
    }

    /// Bytes of these callbacks' bodies; one that is not kept is absent.
    pub async fn list_sizes(&self, ids: &[CallbackId]) -> Result<HashMap<CallbackId, u64>, Error> {
        reader::list_sizes(&self.0.pools, ids).await
    }

    /// One page, newest first, beginning below `before_seq`.
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

    /// The highest place ever given, 0 for none: no reader's position lies beyond it. The entry itself may be gone, or may never have come to be.
    pub async fn end(&self) -> Result<i64, Error> {
        reader::end(&self.0.pools).await
    }

    /// Makes ready for what comes in the next days. SQLite needs nothing.
    pub async fn prepare_days(&self, now: DateTime<Utc>) -> Result<(), Error> {
        days::prepare(&self.0.pools, now).await
    }

    /// Callbacks that may leave the journal after those of `after`: at most [`PORTION_ROWS`] on SQLite, a whole day on PostgreSQL. `None` when there are no more.
    pub async fn next_portion(
        &self,
        leave: &Leave,
        after: Option<&Portion>,
    ) -> Result<Option<Portion>, Error> {
        retention::next_portion(&self.0.pools, leave, after).await
    }

    /// Takes a portion out, between two batches of the writer; returns how many callbacks left. `None` when it must not leave any more.
    pub async fn remove(&self, leave: &Leave, portion: &Portion) -> Result<Option<u64>, Error> {
        match retention::chore(portion) {
            Some(chore) => self.ask(chore).await.map(Some),
            None => retention::remove_on_postgres(&self.0.pools, leave, portion).await,
        }
    }

    /// Gives some free pages of SQLite's file back to the file system, between two batches; returns how many are left.
    pub async fn give_back(&self) -> Result<u64, Error> {
        if self.0.pools.free_pages().await? == 0 {
            return Ok(0);
        }
        self.ask(Chore::GiveBack).await
    }

    async fn ask(&self, chore: Chore) -> Result<u64, Error> {
        let (answer, answered) = oneshot::channel();
        let errand = Errand { chore, answer };
        self.0
            .errands
            .send(errand)
            .await
            .map_err(|_| Error::Stopped("journal"))?;
        answered.await.map_err(|_| Error::Stopped("journal"))?
    }

    /// Where the journal begins; absent while it is empty.
    pub async fn beginning(&self) -> Result<Option<Beginning>, Error> {
        retention::beginning(&self.0.pools).await
    }

    /// Where it begins once everything up to `last` has left; absent when nothing is left.
    pub async fn beginning_after(&self, last: &Portion) -> Result<Option<Beginning>, Error> {
        retention::beginning_after(&self.0.pools, last).await
    }

    /// What a main database must know of it to be its own.
    pub async fn state(&self) -> Result<JournalState, Error> {
        Ok(JournalState {
            identity: self.identity(),
            end: self.end().await?,
            mark: pairing::find(&self.0.pools).await?,
        })
    }

    /// Leaves the mark of this start, which the main database knows already.
    pub async fn leave_mark(&self, mark: Uuid) -> Result<(), Error> {
        pairing::leave(&self.0.pools, mark).await
    }

    /// Made with the journal; its main database carries the same.
    pub fn identity(&self) -> Uuid {
        self.0.identity
    }

    /// Changes after every commit of this process; a receiver misses none.
    pub fn appended(&self) -> watch::Receiver<()> {
        self.0.appended.clone()
    }

    /// How the spool stands; the receiver is told of every change.
    pub fn spool(&self) -> watch::Receiver<SpoolStanding> {
        self.0.spool.clone()
    }

    /// Its file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        self.0.pools.file()
    }

    /// What its writer measures.
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// Takes nothing more, writes what waits, moves into the journal what is in the spool if that goes quickly, and returns when the writer has ended. Reading goes on working.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.wait().await;
    }
    /// Stops and closes every connection; SQLite folds its WAL back, so that `journal.db` alone is the whole journal.
    pub async fn close(&self) -> Result<(), Error> {
        self.stop().await;
        self.0.pools.clone().close().await
    }
}
