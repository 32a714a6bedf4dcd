//! The way into the journal's table: one attempt at a time, and nobody waits for one longer than an answer may take.
//!
//! What to do when an attempt fails is the writer's and the fallback's decision.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::db::Error;
use crate::db::connection::Pools;
use crate::db::disk::Reserve;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::insert::InsertStatements;
use crate::journal::retention::{self, Chore};
use crate::journal::spool::Chunk;

/// How long PostgreSQL may stay silent before its connection is given up. SQLite's answer always comes.
const SILENCE: Duration = Duration::from_secs(8);

/// The one who writes to the table.
pub(super) struct Entrance {
    pools: Pools,
    statements: InsertStatements,
    /// What must stay free of the disk, where the journal is a file.
    reserve: Option<Reserve>,
    pending: Option<Pending>,
}

/// An attempt under way.
struct Pending {
    attempt: BoxFuture<'static, Result<(), Error>>,
    purpose: Purpose,
    since: Instant,
}

/// What an attempt is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To write what callers wait for.
    Batch,
    /// To see whether the journal takes anything.
    Probe,
    /// To move records out of the spool.
    Drain(Chunk),
    /// To do what retention asked for; it was answered.
    Chore,
}

/// Work of retention, and who waits for its end.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) chore: Chore,
    pub(super) answer: oneshot::Sender<Result<u64, Error>>,
}

impl Entrance {
    pub(super) fn new(pools: Pools, reserve: Option<Reserve>) -> Self {
        Self {
            reserve,
            statements: InsertStatements::new(pools.writer().get_database_backend()),
            pools,
            pending: None,
        }
    }

    /// Whether an attempt is under way; another must not begin.
    pub(super) fn is_taken(&self) -> bool {
        self.pending.is_some()
    }

    /// Begins to insert records.
    pub(super) fn insert<'r>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
        purpose: Purpose,
    ) {
        let statement = self.statements.fill(records);
        self.begin(statement, purpose);
    }

    /// Begins to insert what a chunk holds.
    pub(super) fn drain(&mut self, chunk: Chunk) {
        let statement = self.statements.fill(chunk.records.iter());
        self.begin(statement, Purpose::Drain(chunk));
    }

    /// Begins a write that changes nothing.
    pub(super) fn begin_probe(&mut self) {
        let statement = self.probe_statement();
        self.begin(statement, Purpose::Probe);
    }

    /// Begins what retention asks for.
    pub(super) fn run(&mut self, errand: Errand) {
        let pools = self.pools.clone();
        let attempt = async move {
            let result = retention::run(pools, errand.chore).await;
            // Whoever asked may be gone; a refusal is theirs to judge.
            drop(errand.answer.send(result));
            Ok(())
        };
        self.pending = Some(Pending {
            attempt: attempt.boxed(),
            purpose: Purpose::Chore,
            since: Instant::now(),
        });
    }

    /// Whether the journal can be written now.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        self.check_disk()?;
        commit(self.pools.clone(), self.probe_statement()).await
    }

    fn check_disk(&self) -> Result<(), Error> {
        let Some(reserve) = &self.reserve else {
            return Ok(());
        };
        reserve.check(0).map_err(|source| Error::File {
            path: reserve.folder.display().to_string(),
            source,
        })
    }

    /// The result of the attempt under way, once there is one; never when there is none.
    pub(super) async fn ended(&mut self) -> (Result<(), Error>, Purpose) {
        let Some(pending) = &mut self.pending else {
            return std::future::pending().await;
        };
        let result = (&mut pending.attempt).await;
        match self.pending.take() {
            Some(pending) => (result, pending.purpose),
            None => (result, Purpose::Probe),
        }
    }

    /// Gives up an attempt whose server has been silent for long. What it did or did not do, ids make harmless.
    pub(super) fn give_up_silence(&mut self) {
        let is_server = self.pools.writer().get_database_backend() == DbBackend::Postgres;
        if is_server {
            self.pending
                .take_if(|pending| pending.since.elapsed() > SILENCE);
        }
    }

    fn begin(&mut self, statement: Statement, purpose: Purpose) {
        let attempt = match self.check_disk() {
            Ok(()) => commit(self.pools.clone(), statement).boxed(),
            Err(full) => ready(Err(full)).boxed(),
        };
        self.pending = Some(Pending {
            attempt,
            purpose,
            since: Instant::now(),
        });
    }

    fn probe_statement(&self) -> Statement {
        Statement::from_string(
            self.pools.writer().get_database_backend(),
            "UPDATE journal_identity SET id = id WHERE one = 1",
        )
    }
}

/// **Invariant:** returns `Ok` only after the commit is on disk; an error leaves no transaction open.
async fn commit(pools: Pools, statement: Statement) -> Result<(), Error> {
    pools
        .within(async |transaction| {
            transaction.execute_raw(statement).await?;
            Ok(())
        })
        .await
}
