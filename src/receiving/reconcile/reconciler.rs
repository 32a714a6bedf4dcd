//! The loop body of the reconciler: lease, next batch, and the batch after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::db;
use crate::domain::callback_record::JournalEntry;
use crate::domain::clock::Clock;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::journal::Journal;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::parsing::{self, CallbackContent};
use crate::receiving::reconcile::callback_batch::{
    BATCH_BYTES, BATCH_ROWS, CallbackBatch, PrefetchedBatch, ProcessingPass,
};
use crate::store::Store;
use crate::store::lease::Lease;
use crate::store::store_settings::ReconcileProgress;

/// Follows the journal while it holds the lease. Losing the lease is harmless: the position moves
/// by a conditional update.
#[derive(Clone)]
pub struct Reconciler {
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) accounts: Arc<BTreeMap<AccountId, Account>>,
    known: Arc<KnownAccounts>,
    pub(super) clock: Arc<dyn Clock>,
    lease: Lease,
    prefetched: PrefetchedBatch,
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

    /// `holder` identifies this process in the lease.
    pub fn new(
        store: Store,
        journal: Journal,
        accounts: Arc<BTreeMap<AccountId, Account>>,
        known: Arc<KnownAccounts>,
        clock: Arc<dyn Clock>,
        holder: Uuid,
    ) -> Self {
        Self {
            lease: Lease::new(store.clone(), "reconcile", holder, Self::LEASE),
            store,
            journal,
            accounts,
            known,
            clock,
            prefetched: PrefetchedBatch::default(),
        }
    }

    /// Takes or renews the lease; false while another process holds it.
    pub(crate) async fn claim(&self) -> Result<bool, db::Error> {
        self.lease.hold(self.clock.now()).await
    }

    /// Releases the lease, so that another process can take it at once.
    pub async fn release(&self) -> Result<(), db::Error> {
        self.lease.release().await
    }

    /// Whether the journal holds callbacks after the position; polled where other processes append.
    pub async fn is_behind(&self) -> Result<bool, db::Error> {
        Ok(self.journal.end().await? > self.store.position().await?)
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
        let mut batch = match self.prefetched.take(position) {
            Some(batch) => batch,
            None => self.read_batch(position).await?,
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
        Ok(ReconcileStep::Applied {
            callbacks: batch.entries.len(),
            caught_up: batch.is_small(),
        })
    }

    async fn read_batch(&self, position: i64) -> Result<CallbackBatch, db::Error> {
        let entries = self
            .journal
            .read_after(position, BATCH_ROWS, BATCH_BYTES)
            .await?;
        Ok(CallbackBatch::parse(entries, |entry| {
            self.parse(entry, None)
        }))
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

    /// Whether the batch was processed before a rebuild began; cuts it where that ends. Ends a
    /// rebuild, also one that another process began, once everything is processed again.
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
        let configured = self.accounts.get(&entry.record.account);
        parsing::parse_callback_record(&self.known, configured, &entry.record, decisions)
    }
}
