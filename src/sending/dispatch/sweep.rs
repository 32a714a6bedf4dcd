//! Messages that nobody will finish: those that waited too long, and those whose worker died.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::delivery_state::QueueState;
use crate::domain::failure::Failure;
use crate::domain::failure_codes;
use crate::domain::ids::{AccountId, ActionId, MessageId};
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::sending::dispatch::Dispatcher;
use crate::sending::uploads;
use crate::store::accounts::{AccountRecord, Pause};
use crate::store::attempts::AttemptOutcome;
use crate::store::queue::Exchange;

/// Expired or abandoned messages looked at in one sweep.
const SWEEP_LIMIT: u64 = 200;

impl Dispatcher {
    /// Fails what waited too long, and marks as uncertain what a dead worker left behind.
    pub async fn sweep(&self) -> Result<(), db::Error> {
        let now = self.clock.now();
        let expired = self.store.list_expired(now, SWEEP_LIMIT).await?;
        if !expired.is_empty() {
            let accounts = self.store.list_accounts().await?;
            for id in expired {
                passed(id, self.expire(id, &accounts, now).await)?;
            }
        }
        for id in self.store.list_abandoned(now, SWEEP_LIMIT).await? {
            passed(id, self.abandon(id, now).await)?;
        }
        Ok(())
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
            title: Some("it waited too long to be handed over".to_owned()),
            detail: pause.map(Pause::in_words).or(message.hold.clone()),
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
        uploads::discard(message.media.as_ref());
        Ok(())
    }

    async fn abandon(&self, id: MessageId, now: DateTime<Utc>) -> Result<(), db::Error> {
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
                    "the program ended before the provider's answer was recorded".to_owned(),
                ),
            };
            ledger.finish_attempt(attempt, exchange).await?;
        }
        ledger.leave_queue(id, QueueState::Uncertain)?;
        self.store.commit(ledger).await?;
        uploads::discard(message.media.as_ref());
        Ok(())
    }
}

/// One message that cannot be finished must not keep the others from it; a database that cannot now may later.
fn passed(id: MessageId, done: Result<(), db::Error>) -> Result<(), db::Error> {
    match done {
        Err(error) if !error.is_transient() => {
            tracing::error!(%error, message.id = %id, "a message could not be given up");
            Ok(())
        }
        other => other,
    }
}
