//! Stores a validated message with its idempotency key.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::{DRY_RUN_HOLD, MessageDraft, Origin};
use crate::store::Store;
use crate::store::entities::idempotency_key_row;
use crate::store::messages::new_message::NewMessage;

/// The caller's key that makes a request idempotent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// At most 255 characters.
    pub name: String,
    /// Hash of the request's body. Another body with the same key is rejected.
    pub request_hash: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    New(MessageId),
    /// An earlier, identical request created this message.
    Replayed(MessageId),
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
                let same = known.request_hash == key.request_hash;
                return Ok(if same {
                    Accepted::Replayed(known.message.into())
                } else {
                    Accepted::KeyTaken
                });
            }
            let record = idempotency_key_row::Model {
                account: draft.account.clone(),
                name: key.name.clone(),
                request_hash: key.request_hash.clone(),
                message: acceptance.id.uuid(),
                created_at: instant::to_millis(now),
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
        if let Some(campaign) = &draft.campaign {
            ledger.create_campaign(campaign, draft).await?;
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
}
