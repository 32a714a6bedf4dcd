//! Ends messages that waited longer than `send_before`, and messages whose worker died.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::delivery_state::QueueState;
use crate::domain::failure::Failure;
use crate::domain::failure_codes;
use crate::domain::ids::{AccountId, ActionId, MessageId};
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::send_flow::SendFlow;
use crate::sending::dispatch::Dispatcher;
use crate::sending::upload_storage;
use crate::store::account_records::{AccountRecord, Pause};
use crate::store::attempts::Exchange;

const SWEEP_LIMIT: u64 = 200;

impl Dispatcher {
    /// Fails expired messages, and marks messages of dead workers as uncertain.
    pub async fn sweep(&self) -> Result<(), db::Error> {
        let now = self.clock.now();
        let expired = self.store.list_expired(now, SWEEP_LIMIT).await?;
        if !expired.is_empty() {
            let accounts = self.store.list_accounts().await?;
            let flows = self.store.list_send_flows().await?;
            for id in expired {
                skip_permanent_error(id, self.expire(id, &accounts, &flows, now).await)?;
            }
        }
        let slot_time = self.steady_clock.now();
        for id in self.store.list_abandoned(slot_time, SWEEP_LIMIT).await? {
            skip_permanent_error(id, self.mark_uncertain(id, now).await)?;
        }
        self.store.drop_recipient_holds(now).await?;
        self.resolve_claims_of_dead_processes().await
    }

    /// On SQLite every other process that claimed a message is dead: only one may serve a data
    /// folder, and a lock proves it.
    pub async fn resolve_claims_of_dead_processes(&self) -> Result<(), db::Error> {
        if self.store.is_shared() {
            return Ok(());
        }
        let now = self.clock.now();
        loop {
            let claimed = self
                .store
                .list_claimed_by_others(self.holder, SWEEP_LIMIT)
                .await?;
            let mut resolved = 0;
            for id in &claimed {
                let marked = self.mark_uncertain(*id, now).await;
                resolved += usize::from(marked.is_ok());
                skip_permanent_error(*id, marked)?;
            }
            if resolved == 0 {
                return Ok(());
            }
        }
    }

    async fn expire(
        &self,
        id: MessageId,
        accounts: &BTreeMap<AccountId, AccountRecord>,
        flows: &BTreeMap<AccountId, SendFlow>,
        now: DateTime<Utc>,
    ) -> Result<(), db::Error> {
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let Some(message) = ledger
            .find(id)?
            .filter(|message| message.queue == QueueState::Queued)
        else {
            ledger.roll_back().await;
            return Ok(());
        };
        let pause = accounts
            .get(&message.account)
            .and_then(|record| record.pause.as_ref());
        let failure = Failure {
            code: Some(failure_codes::EXPIRED.to_owned()),
            title: Some("it was not submitted in time".to_owned()),
            detail: pause
                .map(Pause::hold_text)
                .or_else(|| flows.get(&message.account)?.hold_text())
                .or(message.hold.clone()),
            key: None,
        };
        ledger.add(
            id,
            Receipt::ours(
                SourceKind::Action,
                ActionId::new(now).uuid(),
                ReceiptEvent::Failure(failure),
                now,
            ),
        )?;
        ledger.leave_queue(id, QueueState::Done)?;
        self.store.commit(ledger).await?;
        upload_storage::discard(message.media.as_ref());
        Ok(())
    }

    async fn mark_uncertain(&self, id: MessageId, now: DateTime<Utc>) -> Result<(), db::Error> {
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let Some(message) = ledger
            .find(id)?
            .filter(|message| message.queue == QueueState::Sending)
        else {
            ledger.roll_back().await;
            return Ok(());
        };
        if let Some(attempt) = ledger.find_open_attempt(id).await? {
            let exchange = Exchange {
                outcome: AttemptOutcome::Unclear,
                http_status: None,
                duration_ms: 0,
                reply: None,
                detail: Some(
                    "the process ended before the provider's reply was recorded".to_owned(),
                ),
            };
            ledger.finish_attempts(vec![(attempt, exchange)]).await?;
        }
        ledger.leave_queue(id, QueueState::Uncertain)?;
        self.store.commit(ledger).await?;
        upload_storage::discard(message.media.as_ref());
        Ok(())
    }
}

/// Logs permanent errors, so that one message does not block the others. Returns transient ones.
fn skip_permanent_error(id: MessageId, result: Result<(), db::Error>) -> Result<(), db::Error> {
    match result {
        Err(error) if !error.is_transient() => {
            tracing::error!(%error, message.id = %id, "cannot end an expired or abandoned message");
            Ok(())
        }
        other => other,
    }
}
