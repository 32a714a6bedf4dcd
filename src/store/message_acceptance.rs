//! Stores a validated message with its idempotency key.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::{DRY_RUN_HOLD, MessageDraft, Origin};
use crate::domain::message_warning::MessageWarning;
use crate::store::entities::idempotency_key_row;
use crate::store::messages::new_message::NewMessage;
use crate::store::{Store, first_warnings};

/// The caller's key that makes a request idempotent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// At most 255 characters.
    pub name: String,
    /// Hash of the request's meaning. Another one with the same key is rejected.
    pub request_hash: String,
    /// The hash of the same request in earlier versions.
    pub earlier_hash: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    New(MessageId),
    /// An earlier, identical request created this message.
    Replayed {
        message: MessageId,
        /// Of the first reply; absent for keys of earlier versions.
        warnings: Option<Vec<MessageWarning>>,
    },
    KeyTaken,
}

#[derive(Clone, Debug)]
pub struct Acceptance<'a> {
    pub id: MessageId,
    pub draft: &'a MessageDraft,
    pub key: Option<&'a IdempotencyKey>,
    /// The operator action that caused it.
    pub action: Option<&'a Action>,
    /// How long the message may stay queued before it expires.
    pub send_before: TimeDelta,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub silence_limit: TimeDelta,
    /// Kept for repeated requests.
    pub warnings: &'a [MessageWarning],
}

impl Store {
    /// Stores a validated message and its idempotency key in one transaction.
    pub async fn accept(
        &self,
        acceptance: Acceptance<'_>,
        now: DateTime<Utc>,
    ) -> Result<Accepted, Error> {
        let mut ledger = self.ledger_for_caller(now).await?;
        let draft = acceptance.draft;
        if let Some(key) = acceptance.key {
            let known =
                idempotency_key_row::Entity::find_by_id((draft.account.clone(), key.name.clone()))
                    .one(ledger.transaction())
                    .await?;
            if let Some(known) = known {
                ledger.roll_back().await;
                return Ok(compare(&known, key));
            }
            let record = idempotency_key_row::Model {
                account: draft.account.clone(),
                name: key.name.clone(),
                request_hash: key.request_hash.clone(),
                message: acceptance.id.uuid(),
                created_at: instant::to_millis(now),
                warnings: Some(first_warnings::write(acceptance.warnings)),
            };
            idempotency_key_row::Entity::insert(record.into_active_model())
                .exec_without_returning(ledger.transaction())
                .await?;
        }
        let new = NewMessage {
            id: acceptance.id,
            created_at: now,
            queue: QueueState::Queued,
            send_before: Some(now + acceptance.send_before),
            silence_limit: acceptance.silence_limit,
        };
        let mut row = new.of_draft(draft);
        if draft.origin == Origin::DryRun {
            // A dry-run message stays queued: it is never due and never expires.
            row.hold = Some(DRY_RUN_HOLD.to_owned());
            row.next_attempt_at = None;
            row.send_before = None;
        }
        ledger.insert(row);
        if let Some(repeated) = draft.resend_of {
            ledger.load(&[repeated]).await?;
            ledger.edit(repeated, |row| row.resent_as = Some(acceptance.id.uuid()))?;
        }
        if let Some(action) = acceptance.action {
            ledger.record_action(action).await?;
        }
        self.commit(ledger).await?;
        Ok(Accepted::New(acceptance.id))
    }

    /// The result of an earlier request with this key; absent if there was none.
    pub async fn find_accepted(
        &self,
        account: &AccountId,
        key: &IdempotencyKey,
    ) -> Result<Option<Accepted>, Error> {
        let known = idempotency_key_row::Entity::find_by_id((account.clone(), key.name.clone()))
            .one(self.pools().reader())
            .await?;
        Ok(known.map(|known| compare(&known, key)))
    }
}

fn compare(known: &idempotency_key_row::Model, key: &IdempotencyKey) -> Accepted {
    let hash = Some(&known.request_hash);
    if hash != Some(&key.request_hash) && hash != key.earlier_hash.as_ref() {
        return Accepted::KeyTaken;
    }
    Accepted::Replayed {
        message: known.message.into(),
        warnings: known.warnings.as_deref().map(first_warnings::read),
    }
}
