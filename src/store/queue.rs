//! The send queue: what is due, claimed under a lease, and what an exchange left behind.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::audit_action::Action;
use crate::domain::delivery_state::QueueState;
use crate::domain::explanation::QueueTiming;
use crate::domain::ids::{AccountId, AttemptId, MessageId};
use crate::domain::message::{DRY_RUN_HOLD, Message, MessageDraft, Origin};
use crate::store::Store;
use crate::store::entities::{attempts, idempotency_keys, messages};
use crate::store::ledger::Ledger;
use crate::store::messages::row::NewMessage;

/// A key by which a caller makes sure that one request makes one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// The caller's text, at most 255 characters.
    pub name: String,
    /// Hash of the request's body; another body under the same key is refused.
    pub request_hash: String,
}

/// What became of a draft.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// A message was made.
    New(MessageId),
    /// The same request had made one before.
    Replayed(MessageId),
    /// The key was used for another request.
    KeyTaken,
}

/// A draft on its way into the queue.
#[derive(Clone, Debug)]
pub struct Acceptance<'a> {
    /// The id it gets.
    pub id: MessageId,
    /// The validated message.
    pub draft: &'a MessageDraft,
    /// The caller's key.
    pub key: Option<&'a IdempotencyKey>,
    /// The operator's decision that it follows from.
    pub action: Option<&'a Action>,
    /// How long it may wait.
    pub send_before: chrono::TimeDelta,
    /// How long silence after hand-over is normal.
    pub silence_limit: chrono::TimeDelta,
}

/// One claimed message and the attempt that was recorded before its first byte.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The worker's process.
    pub holder: Uuid,
    /// When the claim runs out if the process dies.
    pub lease_until: DateTime<Utc>,
    /// The attempt.
    pub attempt: AttemptId,
    /// The redacted request.
    pub request: String,
}

/// How an exchange ended, for the attempt's row.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// How long it took.
    pub duration_ms: i64,
    /// The redacted answer.
    pub reply: Option<String>,
    /// In words.
    pub detail: Option<String>,
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
                idempotency_keys::Entity::find_by_id((draft.account.clone(), key.name.clone()))
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
            let record = idempotency_keys::Model {
                account: draft.account.clone(),
                name: key.name.clone(),
                request_hash: key.request_hash.clone(),
                message: acceptance.id.uuid(),
                created_at: instant::write(now),
            };
            idempotency_keys::Entity::insert(record.into_active_model())
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
            // It waits for good: never due, never too late.
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

    /// Queued messages of an account whose time has come and is not over, oldest first.
    pub async fn list_due(
        &self,
        account: &AccountId,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<Message>, Error> {
        let rows = due(account, now)
            .limit(limit)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Message::try_from).collect()
    }

    /// When a message is tried next, and until when.
    pub async fn find_queue_timing(&self, id: MessageId) -> Result<QueueTiming, Error> {
        let row = messages::Entity::find_by_id(id.uuid())
            .one(self.pools().reader())
            .await?;
        let time = |column, millis| instant::read_optional("messages", column, millis);
        row.map_or(Ok(QueueTiming::default()), |row| {
            Ok(QueueTiming {
                next_attempt_at: time("next_attempt_at", row.next_attempt_at)?,
                send_before: time("send_before", row.send_before)?,
            })
        })
    }

    /// Which of these messages the queue still holds and will hand over.
    pub async fn list_waiting(&self, ids: &[MessageId]) -> Result<HashSet<MessageId>, Error> {
        let waiting: Vec<Uuid> = messages::Entity::find()
            .select_only()
            .column(messages::Column::Id)
            .filter(messages::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(messages::Column::Origin.ne(Origin::DryRun))
            .filter(messages::Column::Queue.is_in([QueueState::Queued, QueueState::Sending]))
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(waiting.into_iter().map(MessageId::from).collect())
    }

    /// Queued messages that waited too long.
    pub async fn list_expired(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        self.list_ids(expired(now), limit).await
    }

    /// Messages whose worker died between the first byte and the recorded outcome.
    pub async fn list_abandoned(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        self.list_ids(abandoned(now), limit).await
    }

    async fn list_ids(
        &self,
        query: Select<messages::Entity>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        let ids: Vec<Uuid> = query
            .select_only()
            .column(messages::Column::Id)
            .limit(limit)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(ids.into_iter().map(MessageId::from).collect())
    }
}

/// Queued messages of an account whose time has come and is not over, longest due first.
pub(crate) fn due(account: &AccountId, now: DateTime<Utc>) -> Select<messages::Entity> {
    let now = instant::write(now);
    messages::Entity::find()
        .filter(messages::Column::Queue.eq(QueueState::Queued))
        .filter(messages::Column::Account.eq(account))
        .filter(messages::Column::NextAttemptAt.lte(now))
        .filter(
            messages::Column::SendBefore
                .is_null()
                .or(messages::Column::SendBefore.gte(now)),
        )
        .order_by_asc(messages::Column::NextAttemptAt)
}

/// Queued messages that waited too long, the longest overdue first.
pub(crate) fn expired(now: DateTime<Utc>) -> Select<messages::Entity> {
    messages::Entity::find()
        .filter(messages::Column::Queue.eq(QueueState::Queued))
        // Says to the planner that only what the queue holds is meant.
        .filter(messages::Column::NextAttemptAt.is_not_null())
        .filter(messages::Column::SendBefore.lt(instant::write(now)))
        .order_by_asc(messages::Column::SendBefore)
}

/// Claimed messages whose lease ran out, the longest abandoned first.
pub(crate) fn abandoned(now: DateTime<Utc>) -> Select<messages::Entity> {
    messages::Entity::find()
        .filter(messages::Column::Queue.eq(QueueState::Sending))
        .filter(messages::Column::LeaseUntil.lt(instant::write(now)))
        .order_by_asc(messages::Column::LeaseUntil)
}

impl Ledger {
    /// Claims a loaded, still queued message and records the attempt; false when somebody was faster or it was cancelled.
    pub async fn claim(&mut self, id: MessageId, claim: &Claim) -> Result<bool, Error> {
        let now = self.now();
        let Some(message) = self
            .find(id)?
            .filter(|message| message.queue == QueueState::Queued)
        else {
            return Ok(false);
        };
        let mut number = 0;
        self.edit(message.id, |row| {
            row.tries += 1;
            number = row.tries;
            row.queue = QueueState::Sending;
            row.hold = None;
            row.handed_over_at = Some(instant::write(now));
            row.lease_holder = Some(claim.holder);
            row.lease_until = Some(instant::write(claim.lease_until));
        })?;
        let record = attempts::Model {
            id: claim.attempt.uuid(),
            message: id.uuid(),
            number,
            started_at: instant::write(now),
            finished_at: None,
            outcome: AttemptOutcome::Started,
            http_status: None,
            duration_ms: None,
            request: claim.request.clone(),
            reply: None,
            detail: None,
        };
        attempts::Entity::insert(record.into_active_model())
            .exec_without_returning(self.transaction())
            .await?;
        Ok(true)
    }

    /// Whether a loaded message is still claimed by this process.
    pub fn is_claimed_by(&self, id: MessageId, holder: Uuid) -> bool {
        self.row(id)
            .is_some_and(|row| row.queue == QueueState::Sending && row.lease_holder == Some(holder))
    }

    /// How often a loaded message was claimed.
    pub fn tries(&self, id: MessageId) -> u32 {
        self.row(id)
            .map_or(0, |row| u32::try_from(row.tries).unwrap_or_default())
    }

    /// Records how an exchange ended.
    pub async fn finish_attempt(
        &mut self,
        attempt: AttemptId,
        exchange: Exchange,
    ) -> Result<(), Error> {
        let touched = attempts::Entity::update_many()
            .col_expr(
                attempts::Column::FinishedAt,
                Expr::value(instant::write(self.now())),
            )
            .col_expr(attempts::Column::Outcome, Expr::value(exchange.outcome))
            .col_expr(
                attempts::Column::HttpStatus,
                Expr::value(exchange.http_status.map(i32::from)),
            )
            .col_expr(
                attempts::Column::DurationMs,
                Expr::value(exchange.duration_ms),
            )
            .col_expr(attempts::Column::Reply, Expr::value(exchange.reply))
            .col_expr(attempts::Column::Detail, Expr::value(exchange.detail))
            .filter(attempts::Column::Id.eq(attempt.uuid()))
            .exec(self.transaction())
            .await?
            .rows_affected;
        if touched == 1 {
            Ok(())
        } else {
            Err(Error::UnexpectedRowCount {
                table: "attempts",
                expected: 1,
                touched,
            })
        }
    }

    /// The attempt of a loaded message that was started and never finished.
    pub async fn find_open_attempt(&self, id: MessageId) -> Result<Option<AttemptId>, Error> {
        let row = attempts::Entity::find()
            .filter(attempts::Column::Message.eq(id.uuid()))
            .filter(attempts::Column::FinishedAt.is_null())
            .order_by_desc(attempts::Column::Number)
            .one(self.transaction())
            .await?;
        Ok(row.map(|row| row.id.into()))
    }

    /// The queue's word after an exchange; the claim ends with it.
    pub fn leave_queue(&mut self, id: MessageId, word: QueueState) -> Result<(), Error> {
        self.edit(id, |row| leave_queue(row, word))
    }

    /// The provider surely did not take a claimed message: no report can be about this attempt.
    pub fn take_back(&mut self, id: MessageId) -> Result<(), Error> {
        self.edit(id, |row| row.handed_over_at = None)
    }

    /// Puts a claimed message back, to be tried at `at`; `reason` is shown until then.
    pub fn postpone(
        &mut self,
        id: MessageId,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<(), Error> {
        self.edit(id, |row| {
            row.queue = QueueState::Queued;
            row.hold = Some(reason.to_owned());
            row.next_attempt_at = Some(instant::write(at));
            row.lease_holder = None;
            row.lease_until = None;
        })
    }
}

/// The queue's word about a message that it no longer holds.
pub(crate) fn leave_queue(row: &mut messages::Model, word: QueueState) {
    row.queue = word;
    row.hold = None;
    row.next_attempt_at = None;
    row.lease_holder = None;
    row.lease_until = None;
}
