//! Writes to the journal table, one attempt at a time, without blocking the writer task for longer
//! than a reply may take.
//!
//! The writer and the spool switch decide what happens after a failure.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::Instant;

use crate::db::Error;
use crate::db::disk::DiskReserve;
use crate::db::held_connection::HeldConnection;
use crate::db::pools::Pools;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::insert_statements::InsertStatements;
use crate::journal::spool::Chunk;
use crate::journal::sqlite_maintenance::{self, MaintenanceRequest};

/// How long to wait for PostgreSQL before its connection is dropped. SQLite always returns.
const SERVER_TIMEOUT: Duration = Duration::from_secs(8);

pub(super) struct JournalInserter {
    pools: Pools,
    /// Used on SQLite only.
    connection: HeldConnection,
    statements: InsertStatements,
    /// Reserved disk space, if the journal is a file.
    reserve: Option<DiskReserve>,
    running: Option<RunningAttempt>,
}

struct RunningAttempt {
    attempt: BoxFuture<'static, Result<(), Error>>,
    purpose: AttemptPurpose,
    started: Instant,
}

/// Why the journal table is written to.
#[derive(Debug)]
pub(super) enum AttemptPurpose {
    /// Insert a batch that callers wait for.
    Batch,
    /// Check whether the journal accepts writes.
    Probe,
    /// Move records out of the spool.
    Drain(Chunk),
    /// Run a maintenance task. Its requester has the result when the attempt ends.
    Maintenance,
}

/// A second attempt must not start while one is running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InserterState {
    Idle,
    Busy,
}

impl JournalInserter {
    pub(super) fn new(pools: Pools, reserve: Option<DiskReserve>) -> Self {
        Self {
            reserve,
            statements: InsertStatements::new(pools.writer().get_database_backend()),
            pools,
            connection: HeldConnection::default(),
            running: None,
        }
    }

    pub(super) fn state(&self) -> InserterState {
        match self.running {
            Some(_) => InserterState::Busy,
            None => InserterState::Idle,
        }
    }

    pub(super) fn start_batch<'r>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
    ) {
        let statement = self.statements.fill(records);
        self.start_write(statement, AttemptPurpose::Batch);
    }

    pub(super) fn start_drain(&mut self, chunk: Chunk) {
        let statement = self.statements.fill(chunk.records.iter());
        self.start_write(statement, AttemptPurpose::Drain(chunk));
    }

    /// Starts a write that changes nothing, to check whether the journal accepts writes.
    pub(super) fn start_probe(&mut self) {
        let statement = self.probe_statement();
        self.start_write(statement, AttemptPurpose::Probe);
    }

    pub(super) fn start_maintenance(&mut self, request: MaintenanceRequest) {
        let pools = self.pools.clone();
        let attempt = async move {
            let result = sqlite_maintenance::run(&pools, request.task).await;
            // The requester handles the result, or no longer waits for it.
            drop(request.reply.send(result));
            Ok(())
        };
        self.start(attempt.boxed(), AttemptPurpose::Maintenance);
    }

    fn start_write(&mut self, statement: Statement, purpose: AttemptPurpose) {
        let attempt = match self.check_disk() {
            Ok(()) => commit(self.pools.clone(), self.connection.clone(), statement).boxed(),
            Err(full) => ready(Err(full)).boxed(),
        };
        self.start(attempt, purpose);
    }

    fn start(&mut self, attempt: BoxFuture<'static, Result<(), Error>>, purpose: AttemptPurpose) {
        self.running = Some(RunningAttempt {
            attempt,
            purpose,
            started: Instant::now(),
        });
    }

    /// Waits for the end of the running attempt, or forever if none is running.
    pub(super) async fn wait_for_attempt(&mut self) -> (Result<(), Error>, AttemptPurpose) {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let result = (&mut running.attempt).await;
        match self.running.take() {
            Some(running) => (result, running.purpose),
            None => (result, AttemptPurpose::Probe),
        }
    }

    /// Drops an attempt to which PostgreSQL does not respond. Repeating it is harmless because ids
    /// are unique.
    pub(super) fn drop_unanswered(&mut self) {
        if self.pools.is_shared() {
            self.running
                .take_if(|running| running.started.elapsed() > SERVER_TIMEOUT);
        }
    }

    /// Checks whether the journal accepts writes, before the writer starts.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        self.check_disk()?;
        let (pools, connection) = (self.pools.clone(), self.connection.clone());
        let probed = commit(pools, connection.clone(), self.probe_statement()).await;
        connection.close().await;
        probed
    }

    /// Call after the last attempt.
    pub(super) async fn close(&mut self) {
        self.connection.close().await;
    }

    fn probe_statement(&self) -> Statement {
        Statement::from_string(
            self.pools.writer().get_database_backend(),
            "UPDATE journal_identity SET id = id WHERE one = 1",
        )
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
}

/// **Invariant:** returns `Ok` only after a durable commit; an error leaves no transaction open. On
/// SQLite a single statement is a transaction by itself, and the driver's thread is woken once
/// instead of three times.
async fn commit(
    pools: Pools,
    connection: HeldConnection,
    statement: Statement,
) -> Result<(), Error> {
    if !pools.is_shared() {
        return connection.execute(&pools, statement).await;
    }
    pools
        .within(async |transaction| {
            transaction.execute_raw(statement).await?;
            Ok(())
        })
        .await
}
