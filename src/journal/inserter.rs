//! Writes to the journal table, one attempt at a time, without blocking the writer task longer than
//! a reply may take.
//!
//! The writer and the fallback decide what happens after a failure.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::db::Error;
use crate::db::connection::Pools;
use crate::db::disk::DiskReserve;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::insert::InsertStatements;
use crate::journal::purge::{self, MaintenanceTask};
use crate::journal::spool::Chunk;

/// How long PostgreSQL may be silent before its connection is dropped. SQLite always answers.
const SILENCE: Duration = Duration::from_secs(8);

pub(super) struct JournalInserter {
    pools: Pools,
    statements: InsertStatements,
    /// Reserved disk space, if the journal is a file.
    reserve: Option<DiskReserve>,
    pending: Option<RunningAttempt>,
}

struct RunningAttempt {
    attempt: BoxFuture<'static, Result<(), Error>>,
    purpose: AttemptPurpose,
    since: Instant,
}

/// Why the table is written to.
#[derive(Debug)]
pub(super) enum AttemptPurpose {
    /// Insert a batch that callers wait for.
    Batch,
    /// Check whether the journal accepts writes.
    Probe,
    /// Move records out of the spool.
    Drain(Chunk),
    /// Maintenance; the requester has been answered.
    MaintenanceTask,
}

/// Maintenance work and where to send its result.
#[derive(Debug)]
pub(super) struct MaintenanceRequest {
    pub(super) maintenance_task: MaintenanceTask,
    pub(super) answer: oneshot::Sender<Result<u64, Error>>,
}

impl JournalInserter {
    pub(super) fn new(pools: Pools, reserve: Option<DiskReserve>) -> Self {
        Self {
            reserve,
            statements: InsertStatements::new(pools.writer().get_database_backend()),
            pools,
            pending: None,
        }
    }

    /// Whether an attempt is running; a second one must not start.
    pub(super) fn is_taken(&self) -> bool {
        self.pending.is_some()
    }

    pub(super) fn insert<'r>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
        purpose: AttemptPurpose,
    ) {
        let statement = self.statements.fill(records);
        self.begin(statement, purpose);
    }

    pub(super) fn drain(&mut self, chunk: Chunk) {
        let statement = self.statements.fill(chunk.records.iter());
        self.begin(statement, AttemptPurpose::Drain(chunk));
    }

    /// Starts a write without effect.
    pub(super) fn begin_probe(&mut self) {
        let statement = self.probe_statement();
        self.begin(statement, AttemptPurpose::Probe);
    }

    pub(super) fn run(&mut self, maintenance_request: MaintenanceRequest) {
        let pools = self.pools.clone();
        let attempt = async move {
            let result = purge::run(pools, maintenance_request.maintenance_task).await;
            // The requester may be gone; the result is theirs to handle.
            drop(maintenance_request.answer.send(result));
            Ok(())
        };
        self.pending = Some(RunningAttempt {
            attempt: attempt.boxed(),
            purpose: AttemptPurpose::MaintenanceTask,
            since: Instant::now(),
        });
    }

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

    /// Completes with the running attempt; pending forever without one.
    pub(super) async fn ended(&mut self) -> (Result<(), Error>, AttemptPurpose) {
        let Some(pending) = &mut self.pending else {
            return std::future::pending().await;
        };
        let result = (&mut pending.attempt).await;
        match self.pending.take() {
            Some(pending) => (result, pending.purpose),
            None => (result, AttemptPurpose::Probe),
        }
    }

    /// Abandons an attempt whose server does not answer. Repeating it is harmless because ids are
    /// unique.
    pub(super) fn give_up_silence(&mut self) {
        let is_server = self.pools.writer().get_database_backend() == DbBackend::Postgres;
        if is_server {
            self.pending
                .take_if(|pending| pending.since.elapsed() > SILENCE);
        }
    }

    fn begin(&mut self, statement: Statement, purpose: AttemptPurpose) {
        let attempt = match self.check_disk() {
            Ok(()) => commit(self.pools.clone(), statement).boxed(),
            Err(full) => ready(Err(full)).boxed(),
        };
        self.pending = Some(RunningAttempt {
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

/// **Invariant:** returns `Ok` only after a durable commit; an error leaves no transaction open.
async fn commit(pools: Pools, statement: Statement) -> Result<(), Error> {
    pools
        .within(async |transaction| {
            transaction.execute_raw(statement).await?;
            Ok(())
        })
        .await
}
