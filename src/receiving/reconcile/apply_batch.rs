//! Applies a batch of callbacks in one transaction with the position, or one by one if that fails.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::AccountId;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::parsing::{CallbackContent, ParsedCallback};
use crate::receiving::reconcile::account_rejections::pause_accounts;
use crate::receiving::reconcile::apply_callbacks::AppliedBatch;
use crate::receiving::reconcile::callback_batch::{CallbackBatch, ProcessingPass};
use crate::receiving::reconcile::processing_marker::MarkedStage;
use crate::receiving::reconcile::reconciler::Reconciler;
use crate::store::ledger::Ledger;
use crate::store::person_links::CustomerIdLinks;

impl Reconciler {
    /// Applies a batch in one transaction, or one by one if that fails.
    pub(super) async fn apply_batch(
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

    async fn apply(
        &self,
        position: i64,
        batch: &[ParsedCallback<'_>],
        pass: ProcessingPass,
    ) -> Result<(), db::Error> {
        let Some(last) = batch.last() else {
            return Ok(());
        };
        // The marker begins after this wait: a process that is killed during it did not die on a
        // callback.
        let mut ledger = self.store.ledger(self.clock.now()).await?;
        let stage = MarkedStage::Applying;
        let entries = batch.iter().map(|parsed| parsed.entry);
        self.marker.begin(stage, position, entries);
        let position = (position, last.entry.seq);
        let applied = match pass {
            ProcessingPass::First => self.apply_first_pass(&mut ledger, batch, position).await,
            ProcessingPass::Repeated => self.apply_repeated(&mut ledger, batch, position).await,
        };
        let orphans = ledger.count_new_orphans();
        let (links, applied) = match applied {
            Ok(links) => (links, Ok(())),
            Err(error) => (CustomerIdLinks::new(), Err(error)),
        };
        let applied = self.commit_or_roll_back(ledger, applied).await;
        self.marker.end(stage);
        if applied.is_ok() {
            self.known_links.remember(links);
        }
        if applied.is_ok() && pass == ProcessingPass::First {
            self.count_processed(batch, &orphans);
        }
        applied
    }

    /// Counts receipts and new orphans towards the hourly traffic limits of their accounts.
    fn count_processed(&self, batch: &[ParsedCallback<'_>], orphans: &BTreeMap<AccountId, u64>) {
        let now = self.clock.now();
        let mut latest: BTreeMap<&AccountId, DateTime<Utc>> = BTreeMap::new();
        for parsed in batch {
            let record = &parsed.entry.record;
            let reports = u64::try_from(parsed.reports().count()).unwrap_or_default();
            latest.insert(&record.account, record.received_at);
            self.limits
                .count_processed(&record.account, record.received_at, reports, 0, now);
        }
        for (account, orphans) in orphans {
            if let Some(received_at) = latest.get(account) {
                self.limits
                    .count_processed(account, *received_at, 0, *orphans, now);
            }
        }
    }

    pub(super) async fn commit_or_roll_back(
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
    ) -> Result<CustomerIdLinks, db::Error> {
        let applied = self
            .apply_all(ledger, batch, &OperatorDecisions::default())
            .await?;
        pause_accounts(ledger, &applied.rejections).await?;
        self.record_applied(ledger, applied, position).await
    }

    /// Includes callbacks that operators have released since. Does not pause accounts: a rejection that
    /// was processed before is out of date.
    async fn apply_repeated(
        &self,
        ledger: &mut Ledger,
        batch: &[ParsedCallback<'_>],
        position: (i64, i64),
    ) -> Result<CustomerIdLinks, db::Error> {
        ledger.preserve_updated_at();
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
        self.record_applied(ledger, applied, position).await
    }

    /// `position` is that before the batch and that of its last callback.
    async fn record_applied(
        &self,
        ledger: &mut Ledger,
        applied: AppliedBatch,
        position: (i64, i64),
    ) -> Result<CustomerIdLinks, db::Error> {
        ledger.record_id_anomalies(&applied.id_anomalies).await?;
        ledger
            .record_outcomes(applied.outcomes, applied.quarantined, position)
            .await?;
        self.separate_messages(ledger).await?;
        Ok(applied.links)
    }

    /// A callback that fails alone is quarantined as internal, so that it does not block the
    /// others.
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
            .await
            .map(|_| ());
        self.commit_or_roll_back(ledger, applied).await
    }
}
