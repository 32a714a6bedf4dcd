//! Removes data past its retention, in steps of a few seconds, under a lease.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use thiserror::Error;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config;
use crate::db;
use crate::domain::clock::Clock;
use crate::domain::steady_clock::SteadyClock;
use crate::journal::Journal;
use crate::operating::retention::purge_run::{Cutoffs, PurgeReport, PurgeRun, TimeLeft};
use crate::store::Store;
use crate::store::purge_messages::RowCounts;

const LEASE: &str = "retention";
const LEASE_LENGTH: TimeDelta = TimeDelta::seconds(60);
/// A window closes after 24 hours; its row is kept as long again, to show when it closed.
const WINDOW_ROWS_KEPT: TimeDelta = TimeDelta::hours(48);
/// How long expired sign-in links and leases are kept.
const EXPIRED_ROWS_KEPT: TimeDelta = TimeDelta::hours(24);
/// How often a command retries after a transient error, and how long it waits each time.
const RETRIES: u32 = 50;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Removes data past its retention.
#[derive(Clone)]
pub struct Retention {
    pub(super) store: Store,
    pub(super) journal: Journal,
    clock: Arc<dyn Clock>,
    steady_clock: Arc<SteadyClock>,
    holder: Uuid,
    kept: config::RetentionDays,
    stopping: CancellationToken,
}

/// The result of one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepResult {
    /// Nothing is left to remove.
    Done,
    /// The time of the step is over.
    More,
    LeaseHeldElsewhere,
    /// Nothing is removed until the rebuild has processed the journal again.
    Rebuilding,
}

/// Why a purge removed nothing, or not everything.
#[derive(Debug, Error)]
pub enum PurgeError {
    #[error(
        "a purge is running already: that of `serve`, every ten minutes, or another `bluetick purge`; it removes the same rows. If it was killed, try again in a minute"
    )]
    Busy,
    #[error(
        "a rebuild has not processed the whole journal again yet; let `serve` or `rebuild` finish it first"
    )]
    Rebuilding,
    #[error(transparent)]
    Store(#[from] db::Error),
}

impl Retention {
    /// `holder` identifies this process in the lease; `stopping` ends a step early.
    pub fn new(
        store: Store,
        journal: Journal,
        clock: Arc<dyn Clock>,
        steady_clock: Arc<SteadyClock>,
        holder: Uuid,
        kept: config::RetentionDays,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            store,
            journal,
            clock,
            steady_clock,
            holder,
            kept,
            stopping,
        }
    }

    /// The cutoffs as of now.
    pub fn cutoffs(&self) -> Cutoffs {
        let now = self.clock.now();
        let days = |days: u32| now - TimeDelta::days(i64::from(days));
        Cutoffs {
            callbacks: days(self.kept.callbacks),
            messages: days(self.kept.messages),
            windows: now - WINDOW_ROWS_KEPT,
            expired: now - EXPIRED_ROWS_KEPT,
        }
    }

    /// Claims or renews the lease and removes data for a few seconds. Releases the lease once
    /// nothing is left to remove.
    pub async fn step(&self) -> Result<StepResult, db::Error> {
        self.journal.create_day_partitions(self.clock.now()).await?;
        let mut rows = RowCounts::new();
        let step = self
            .run_step(self.cutoffs(), &mut rows, &mut |_| {})
            .await?;
        if !rows.is_empty() {
            let total: u64 = rows.values().sum();
            tracing::info!(rows = total, "deleted data past its retention");
        }
        if step != StepResult::More {
            self.release().await?;
        }
        Ok(step)
    }

    /// Removes everything that is past its retention now; `progress` receives the rows so far.
    pub async fn purge(
        &self,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<PurgeReport, PurgeError> {
        let mut report = PurgeReport {
            cutoffs: self.cutoffs(),
            rows: RowCounts::new(),
        };
        let mut retries = 0;
        loop {
            let step = self
                .run_step(report.cutoffs, &mut report.rows, progress)
                .await;
            let ended = match step {
                Ok(StepResult::More) => {
                    retries = 0;
                    continue;
                }
                Ok(StepResult::Done) => Ok(report),
                Ok(StepResult::LeaseHeldElsewhere) => return Err(PurgeError::Busy),
                Ok(StepResult::Rebuilding) => Err(PurgeError::Rebuilding),
                Err(error) if error.is_transient() && retries < RETRIES => {
                    retries += 1;
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
                Err(error) => Err(error.into()),
            };
            self.release().await?;
            return ended;
        }
    }

    /// Claims the lease for the beginning of a rebuild; false while another process purges. From
    /// then on nothing is removed until the rebuild has ended. The caller releases the lease.
    pub(in crate::operating) async fn block_purge(&self) -> Result<bool, db::Error> {
        let held = self.claim().await?;
        if held {
            self.store.announce_rebuild().await?;
        }
        Ok(held)
    }

    /// Releases the lease, if this process holds it.
    pub async fn release(&self) -> Result<(), db::Error> {
        self.store.release_lease(LEASE, self.holder).await
    }

    async fn claim(&self) -> Result<bool, db::Error> {
        let now = self.steady_clock.now();
        self.store
            .claim_lease(LEASE, self.holder, now, LEASE_LENGTH)
            .await
    }

    async fn run_step(
        &self,
        cutoffs: Cutoffs,
        rows: &mut RowCounts,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<StepResult, db::Error> {
        if !self.claim().await? {
            return Ok(StepResult::LeaseHeldElsewhere);
        }
        // Checked with the lease: a rebuild holds the lease while it announces itself.
        if self.store.is_rebuilding().await? {
            return Ok(StepResult::Rebuilding);
        }
        let now = self.clock.now();
        let mut run = PurgeRun::begin(cutoffs, now, &self.stopping, rows, progress);
        let step = match self.remove(&mut run).await? {
            TimeLeft::Some => StepResult::Done,
            TimeLeft::None => StepResult::More,
        };
        run.rows.retain(|_, number| *number > 0);
        Ok(step)
    }
}
