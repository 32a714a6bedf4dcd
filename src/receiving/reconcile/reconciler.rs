//! The loop body of the reconciler: lease, next batch, and the batch after it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use chrono::TimeDelta;
use uuid::Uuid;

use crate::db;
use crate::domain::callback_record::JournalEntry;
use crate::domain::clock::Clock;
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::provider_account::Account;
use crate::domain::steady_clock::SteadyClock;
use crate::journal::Journal;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::parsing::{self, CallbackContent};
#[cfg(debug_assertions)]
use crate::receiving::reconcile::abort_hook::{self, ProcessingStage};
use crate::receiving::reconcile::callback_batch::{
    BATCH_BYTES, BATCH_ROWS, CallbackBatch, PrefetchedBatch, ProcessingPass,
};
use crate::receiving::reconcile::processing_marker::{CRASHED, ProcessingMarker};
use crate::receiving::reconcile_lag::ReconcileLag;
use crate::receiving::traffic_limits::TrafficLimits;
use crate::store::Store;
use crate::store::lease::Lease;
use crate::store::person_links::KnownLinks;
use crate::store::store_settings::ReconcileProgress;

/// Follows the journal while it holds the lease. Losing the lease is harmless: the position moves
/// by a conditional update.
#[derive(Clone)]
pub struct Reconciler {
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) accounts: Arc<BTreeMap<AccountId, Account>>,
    known_accounts: Arc<KnownAccounts>,
    pub(super) limits: Arc<TrafficLimits>,
    pub(super) clock: Arc<dyn Clock>,
    steady_clock: Arc<SteadyClock>,
    lease: Lease,
    lag: Arc<ReconcileLag>,
    prefetched: PrefetchedBatch,
    pub(super) marker: ProcessingMarker,
    /// Valid while the lease is held.
    pub(super) known_links: KnownLinks,
    /// Callbacks on which this version of the program died; never processed again.
    pub(super) crashed: Arc<RwLock<HashSet<CallbackId>>>,
    /// Whether this process held the lease at the last attempt to take it.
    is_leading: Arc<AtomicBool>,
}

/// The result of one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReconcileStep {
    Applied {
        callbacks: usize,
        /// Whether these were all that the journal held after the position.
        caught_up: bool,
    },
    /// Another process holds the lease.
    LeaseHeldElsewhere,
}

impl Reconciler {
    /// How long the lease of a process that died keeps others from following the journal.
    pub(crate) const LEASE: TimeDelta = TimeDelta::seconds(6);

    /// `holder` identifies this process in the lease; `data_dir` is its own.
    #[expect(clippy::too_many_arguments, reason = "only `app` calls it")]
    pub fn new(
        store: Store,
        journal: Journal,
        accounts: Arc<BTreeMap<AccountId, Account>>,
        known_accounts: Arc<KnownAccounts>,
        limits: Arc<TrafficLimits>,
        clock: Arc<dyn Clock>,
        steady_clock: Arc<SteadyClock>,
        holder: Uuid,
        data_dir: &Path,
    ) -> Self {
        Self {
            lease: Lease::new(store.clone(), "reconcile", holder, Self::LEASE),
            store,
            journal,
            accounts,
            known_accounts,
            limits,
            clock,
            steady_clock,
            lag: Arc::default(),
            prefetched: PrefetchedBatch::default(),
            marker: ProcessingMarker::in_folder(data_dir),
            known_links: KnownLinks::default(),
            crashed: Arc::default(),
            is_leading: Arc::default(),
        }
    }

    /// Takes or renews the lease; false while another process holds it.
    pub(crate) async fn claim(&self) -> Result<bool, db::Error> {
        let held = self.lease.hold(self.steady_clock.now()).await?;
        if !held {
            self.is_leading.store(false, Ordering::Relaxed);
        } else if !self.is_leading.load(Ordering::Relaxed) {
            self.marker.open();
            self.known_links.clear();
            self.load_crashed().await?;
            self.is_leading.store(true, Ordering::Relaxed);
        }
        Ok(held)
    }

    /// Call after links were removed from the store.
    pub(crate) fn forget_known_links(&self) {
        self.known_links.clear();
    }

    /// Releases the lease, so that another process can take it at once.
    pub async fn release_lease(&self) -> Result<(), db::Error> {
        self.is_leading.store(false, Ordering::Relaxed);
        self.marker.close();
        self.lease.release().await
    }

    /// Whether the journal holds callbacks after the position; polled where other processes append.
    pub async fn is_behind(&self) -> Result<bool, db::Error> {
        Ok(self.journal.end().await? > self.store.position().await?)
    }

    /// Measures how far the position is behind the journal; see [`Reconciler::lag`].
    pub async fn note_lag(&self) -> Result<(), db::Error> {
        let position = self.store.position().await?;
        // Positions after the last row may never have been committed.
        let is_behind = !self.journal.list_positions(position, 1).await?.is_empty();
        let end = if is_behind {
            Some(self.journal.end().await?)
        } else {
            None
        };
        self.lag.note(end, position, self.steady_clock.now());
        Ok(())
    }

    /// How long the oldest unprocessed callback has been waiting.
    pub fn lag(&self) -> TimeDelta {
        self.lag.measure(self.steady_clock.now())
    }

    /// Takes or renews the lease and applies the next batch.
    pub async fn step(&self) -> Result<ReconcileStep, db::Error> {
        if !self.claim().await? {
            self.prefetched.forget();
            return Ok(ReconcileStep::LeaseHeldElsewhere);
        }
        let ReconcileProgress {
            position,
            rebuilding_until,
        } = self.store.reconcile_progress().await?;
        self.marker.count_interrupted();
        let suspects = self.marker.has_suspects_after(position);
        let mut batch = if suspects {
            self.prefetched.forget();
            self.read_suspect(position).await?
        } else {
            match self.prefetched.take(position) {
                Some(batch) => batch,
                None => self.read_batch(position).await?,
            }
        };
        let pass = self.find_pass(rebuilding_until, &mut batch).await?;
        let Some(last) = batch.entries.last() else {
            return Ok(ReconcileStep::Applied {
                callbacks: 0,
                caught_up: true,
            });
        };
        let (applied, ()) = tokio::join!(
            self.apply_batch(position, &batch, pass),
            self.prefetch(&batch, last.seq)
        );
        applied?;
        if let [only] = batch.entries.as_slice() {
            self.marker.forget_deaths(only.record.id);
        }
        Ok(ReconcileStep::Applied {
            callbacks: batch.entries.len(),
            caught_up: !suspects && batch.is_small(),
        })
    }

    async fn read_batch(&self, position: i64) -> Result<CallbackBatch, db::Error> {
        let entries = self
            .journal
            .read_after(position, BATCH_ROWS, BATCH_BYTES)
            .await?;
        Ok(self.parse_batch(position, entries))
    }

    /// Reads and parses what follows `last` while the batch is applied, if there is a backlog. An
    /// error is reported when the next step reads it.
    async fn prefetch(&self, batch: &CallbackBatch, last: i64) {
        if !batch.is_full() {
            return;
        }
        let reconciler = self.clone();
        let reading = tokio::spawn(async move { reconciler.read_batch(last).await });
        if let Ok(Ok(next)) = reading.await
            && next.is_full()
        {
            self.prefetched.keep(last, next);
        }
    }

    /// Whether the batch was processed before the rebuild began; cuts the batch where the callbacks
    /// of the rebuild end. Ends the rebuild, even one that another process began, once all of them
    /// are processed again.
    async fn find_pass(
        &self,
        rebuilding_until: Option<i64>,
        batch: &mut CallbackBatch,
    ) -> Result<ProcessingPass, db::Error> {
        let Some(until) = rebuilding_until else {
            return Ok(ProcessingPass::First);
        };
        let repeated = batch.entries.partition_point(|entry| entry.seq <= until);
        if repeated == 0 {
            self.store.finish_rebuild(self.clock.now()).await?;
            return Ok(ProcessingPass::First);
        }
        batch.truncate(repeated);
        Ok(ProcessingPass::Repeated)
    }

    pub(super) fn parse(
        &self,
        entry: &JournalEntry,
        decisions: Option<&OperatorDecisions>,
    ) -> CallbackContent {
        if self.is_crashed(entry.record.id) {
            return CallbackContent::Unsupported { reason: CRASHED };
        }
        #[cfg(debug_assertions)]
        abort_hook::crash_if_chosen(ProcessingStage::Parse, &entry.record.body);
        let configured = self.accounts.get(&entry.record.account);
        parsing::parse_callback_record(&self.known_accounts, configured, &entry.record, decisions)
    }
}
