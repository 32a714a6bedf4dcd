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
use crate::sending::dispatch::Dispatcher;
use crate::sending::dispatch::claim_due::longest_claim;
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
            for id in expired {
                skip_permanent_error(id, self.expire(id, &accounts, now).await)?;
            }
        }
        for id in self.list_abandoned().await? {
            skip_permanent_error(id, self.mark_uncertain(id, now).await)?;
        }
        Ok(())
    }

    /// Messages whose claim has expired. On SQLite also claims of another process, which is dead,
    /// that would last for longer than any claim: the clock was set back since.
    async fn list_abandoned(&self) -> Result<Vec<MessageId>, db::Error> {
        let now = self.steady_clock.now();
        let mut abandoned = self.store.list_abandoned(now, SWEEP_LIMIT).await?;
        if abandoned.is_empty() && !self.store.is_shared() {
            let longest = self.accounts.values().map(longest_claim).max();
            let latest = now + longest.unwrap_or_default() * 2;
            abandoned = self
                .store
                .list_claimed_beyond(latest, self.holder, SWEEP_LIMIT)
                .await?;
        }
        Ok(abandoned)
    }

    async fn expire(
        &self,
        id: MessageId,
        accounts: &BTreeMap<AccountId, AccountRecord>,
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
            detail: pause.map(Pause::hold_text).or(message.hold.clone()),
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
            ledger.finish_attempt(attempt, exchange).await?;
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
