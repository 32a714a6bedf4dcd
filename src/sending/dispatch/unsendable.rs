//! Ends due messages that can never be sent, so that they hold up no other message of their
//! account.

use chrono::TimeDelta;

use crate::db;
use crate::domain::delivery_state::QueueState;
use crate::domain::failure::Failure;
use crate::domain::failure_codes;
use crate::domain::ids::{AccountId, ActionId, MessageId};
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::sending::dispatch::Dispatcher;

/// How long a message that cannot even be marked as failed is deferred.
const DEFERRED_FOR: TimeDelta = TimeDelta::hours(1);

impl Dispatcher {
    /// Fails these messages, each with its reason; or moves a message that cannot be changed out of
    /// the way of the others.
    pub(super) async fn fail_unsendable(
        &self,
        account: &AccountId,
        unsendable: &[(MessageId, String)],
    ) -> Result<(), db::Error> {
        for (id, reason) in unsendable {
            tracing::error!(account.id = %account, message.id = %id, reason, "a queued message cannot be sent");
            match self.fail(*id, reason).await {
                Err(error) if !error.is_transient() => {
                    tracing::error!(%error, message.id = %id, "a message that cannot be sent cannot be marked as failed either; it is deferred");
                    let now = self.clock.now();
                    let ledger = self.store.ledger(now).await?;
                    ledger.defer_unsendable(*id, now + DEFERRED_FOR).await?;
                    self.store.commit(ledger).await?;
                }
                failed => failed?,
            }
        }
        Ok(())
    }

    async fn fail(&self, id: MessageId, reason: &str) -> Result<(), db::Error> {
        let now = self.clock.now();
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        if !ledger.is_due(id) {
            ledger.roll_back().await;
            return Ok(());
        }
        let failure = Failure {
            code: Some(failure_codes::UNSENDABLE.to_owned()),
            title: Some("it cannot be sent as it is stored".to_owned()),
            detail: Some(reason.to_owned()),
            key: None,
        };
        let failed = ReceiptEvent::Failure(failure);
        let source = ActionId::new(now).uuid();
        ledger.add(id, Receipt::ours(SourceKind::Action, source, failed, now))?;
        ledger.leave_queue(id, QueueState::Done)?;
        self.store.commit(ledger).await
    }
}
