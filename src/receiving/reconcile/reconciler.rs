//! The loop body of the reconciler: lease, next batch, one transaction, retry callback by callback.

use std::borrow::Cow;
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
use crate::receiving::parsing::{self, CallbackContent, ParsedCallback};
use crate::receiving::reconcile::callback_batch::{
    BATCH_BYTES, BATCH_ROWS, CallbackBatch, PrefetchedBatch,
};
use crate::store::Store;
use crate::store::lease::Lease;
use crate::store::ledger::Ledger;

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
    /// Number of callbacks applied.
    Applied(usize),
    /// Another process holds the lease.
    LeaseHeldElsewhere,
}

/// Whether callbacks are processed for the first time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProcessingPass {
    First,
    /// During a rebuild: operators may have decided about them since.
    Repeated,
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
        let position = self.store.position().await?;
        let mut batch = match self.prefetched.take(position) {
            Some(batch) => batch,
            None => self.read_batch(position).await?,
        };
        let pass = self.find_pass(&mut batch).await?;
        let Some(last) = batch.entries.last() else {
            return Ok(ReconcileStep::Applied(0));
        };
        let (applied, ()) = tokio::join!(
            self.apply_batch(position, &batch, pass),
            self.prefetch(&batch, last.seq)
        );
        applied?;
        Ok(ReconcileStep::Applied(batch.entries.len()))
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

    /// Applies a batch in one transaction, or one by one if that fails.
    async fn apply_batch(
        &self,
        position: i64,
        batch: &CallbackBatch,
        pass: ProcessingPass,
    ) -> Result<(), db::Error> {
        match self.apply(position, &batch.parsed(), pass).await {
            Err(error) if !error.is_transient() => {
                tracing::warn!(%error, "a batch of callbacks could not be applied; applying them one by one");
                self.apply_singly(position, &batch.parsed(), pass).await
            }
            applied => applied,
        }
    }

    /// Whether the batch was processed before a rebuild began; cuts it where that ends. Ends a
    /// rebuild, also one that another process began, once everything is processed again.
    async fn find_pass(&self, batch: &mut CallbackBatch) -> Result<ProcessingPass, db::Error> {
        let Some(until) = self.store.rebuilding_until().await? else {
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

    async fn apply(
        &self,
        position: i64,
        batch: &[ParsedCallback<'_>],
        pass: ProcessingPass,
    ) -> Result<(), db::Error> {
        let Some(last) = batch.last() else {
            return Ok(());
        };
        let position = (position, last.entry.seq);
        let mut ledger = self.store.ledger(self.clock.now()).await?;
        let applied = match pass {
            ProcessingPass::First => self.apply_first_pass(&mut ledger, batch, position).await,
            ProcessingPass::Repeated => self.apply_repeated(&mut ledger, batch, position).await,
        };
        self.finish(ledger, applied).await
    }

    /// Commits on success, rolls back on failure.
    pub(super) async fn finish(
        &self,
        ledger: Ledger,
        done: Result<(), db::Error>,
    ) -> Result<(), db::Error> {
        match done {
            Ok(()) => self.store.commit(ledger).await,
            Err(error) => {
                ledger.roll_back().await;
                Err(error)
            }
        }
    }

    async fn apply_first_pass(
        &self,
        ledger: &mut Ledger,
        batch: &[ParsedCallback<'_>],
        position: (i64, i64),
    ) -> Result<(), db::Error> {
        let applied = self
            .apply_all(ledger, batch, &OperatorDecisions::default())
            .await?;
        applied.pause_accounts(ledger).await?;
        ledger
            .record_outcomes(applied.outcomes, applied.quarantined, position)
            .await
    }

    /// Includes callbacks that operators released since. Does not pause accounts: a rejection that
    /// was processed before is out of date.
    async fn apply_repeated(
        &self,
        ledger: &mut Ledger,
        batch: &[ParsedCallback<'_>],
        position: (i64, i64),
    ) -> Result<(), db::Error> {
        ledger.keep_times();
        let decisions = OperatorDecisions::load(ledger).await?;
        let parsed: Vec<ParsedCallback<'_>> = batch
            .iter()
            .map(|parsed| ParsedCallback {
                entry: parsed.entry,
                content: match parsed.content.as_ref() {
                    CallbackContent::Unverified { .. } => {
                        Cow::Owned(self.parse(parsed.entry, Some(&decisions)))
                    }
                    content => Cow::Borrowed(content),
                },
            })
            .collect();
        let applied = self.apply_all(ledger, &parsed, &decisions).await?;
        ledger
            .record_outcomes(applied.outcomes, applied.quarantined, position)
            .await
    }

    /// A callback that fails alone is quarantined as internal, so that it does not block the others.
    async fn apply_singly(
        &self,
        position: i64,
        batch: &[ParsedCallback<'_>],
        pass: ProcessingPass,
    ) -> Result<(), db::Error> {
        let mut from = position;
        for parsed in batch {
            let entry = parsed.entry;
            match self.apply(from, std::slice::from_ref(parsed), pass).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, callback.id = %entry.record.id, "a callback could not be applied");
                    self.quarantine_alone(from, entry).await?;
                }
            }
            from = entry.seq;
        }
        Ok(())
    }

    async fn quarantine_alone(&self, from: i64, entry: &JournalEntry) -> Result<(), db::Error> {
        let content = Cow::Owned(CallbackContent::Unsupported {
            reason: "internal: it could not be applied; see the log",
        });
        let mut ledger = self.store.ledger(self.clock.now()).await?;
        let position = (from, entry.seq);
        let applied = self
            .apply_first_pass(&mut ledger, &[ParsedCallback { entry, content }], position)
            .await;
        self.finish(ledger, applied).await
    }
}
