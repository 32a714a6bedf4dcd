//! The send queue: due messages, claims with a lease, attempts and their outcomes.

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
use crate::domain::delivery_state::QueueState;
use crate::domain::explanation::QueueTiming;
use crate::domain::ids::{AccountId, AttemptId, MessageId};
use crate::domain::message::{Message, Origin};
use crate::store::entities::{attempt_row, message_row};
use crate::store::ledger::Ledger;
use crate::store::{Store, store_settings};

/// A claim, and the attempt that is recorded before the first byte is sent.
#[derive(Clone, Debug)]
pub struct Claim {
    pub holder: Uuid,
    /// When another process may take the message.
    pub lease_until: DateTime<Utc>,
    pub attempt: AttemptId,
    /// Redacted.
    pub request: String,
}

#[derive(Clone, Debug)]
pub struct Exchange {
    pub outcome: AttemptOutcome,
    /// Absent without a reply.
    pub http_status: Option<u16>,
    pub duration_ms: i64,
    /// Redacted.
    pub reply: Option<String>,
    /// Shown to operators.
    pub detail: Option<String>,
}

impl Store {
    /// Messages of an account that are due and not expired, longest due first.
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

    /// When the next attempt is due, and when the message expires.
    pub async fn find_queue_timing(&self, id: MessageId) -> Result<QueueTiming, Error> {
        let row = message_row::Entity::find_by_id(id.uuid())
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

    /// Which of these messages are still queued or sending, and will be submitted.
    pub async fn list_waiting(&self, ids: &[MessageId]) -> Result<HashSet<MessageId>, Error> {
        let waiting: Vec<Uuid> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::Id)
            .filter(message_row::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(message_row::Column::Origin.ne(Origin::DryRun))
            .filter(message_row::Column::Queue.is_in([QueueState::Queued, QueueState::Sending]))
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(waiting.into_iter().map(MessageId::from).collect())
    }

    /// Queued messages past their `send_before`.
    pub async fn list_expired(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        self.list_ids(expired(now), limit).await
    }

    /// Messages whose process died between the start of an attempt and its recorded outcome.
    pub async fn list_abandoned(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        self.list_ids(abandoned(now), limit).await
    }

    async fn list_ids(
        &self,
        query: Select<message_row::Entity>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        let ids: Vec<Uuid> = query
            .select_only()
            .column(message_row::Column::Id)
            .limit(limit)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(ids.into_iter().map(MessageId::from).collect())
    }
}

/// See [`Store::list_due`].
pub(crate) fn due(account: &AccountId, now: DateTime<Utc>) -> Select<message_row::Entity> {
    let now = instant::write(now);
    message_row::Entity::find()
        .filter(message_row::Column::Queue.eq(QueueState::Queued))
        .filter(message_row::Column::Account.eq(account))
        .filter(message_row::Column::NextAttemptAt.lte(now))
        .filter(
            message_row::Column::SendBefore
                .is_null()
                .or(message_row::Column::SendBefore.gte(now)),
        )
        .order_by_asc(message_row::Column::NextAttemptAt)
}

/// See [`Store::list_expired`].
pub(crate) fn expired(now: DateTime<Utc>) -> Select<message_row::Entity> {
    message_row::Entity::find()
        .filter(message_row::Column::Queue.eq(QueueState::Queued))
        // Lets the planner use the partial index of queued messages.
        .filter(message_row::Column::NextAttemptAt.is_not_null())
        .filter(message_row::Column::SendBefore.lt(instant::write(now)))
        .order_by_asc(message_row::Column::SendBefore)
}

/// See [`Store::list_abandoned`].
pub(crate) fn abandoned(now: DateTime<Utc>) -> Select<message_row::Entity> {
    message_row::Entity::find()
        .filter(message_row::Column::Queue.eq(QueueState::Sending))
        .filter(message_row::Column::LeaseUntil.lt(instant::write(now)))
        .order_by_asc(message_row::Column::LeaseUntil)
}

impl Ledger {
    /// Claims a loaded message and records the attempt; false when it is no longer queued.
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
        let record = attempt_row::Model {
            id: claim.attempt.uuid(),
            message: id.uuid(),
            number,
            started_at: instant::write(now),
            journal_position: store_settings::position(self.transaction()).await?,
            finished_at: None,
            outcome: AttemptOutcome::Started,
            http_status: None,
            duration_ms: None,
            request: claim.request.clone(),
            reply: None,
            detail: None,
        };
        attempt_row::Entity::insert(record.into_active_model())
            .exec_without_returning(self.transaction())
            .await?;
        Ok(true)
    }

    /// Whether a loaded message is claimed by this holder.
    pub fn is_claimed_by(&self, id: MessageId, holder: Uuid) -> bool {
        self.row(id)
            .is_some_and(|row| row.queue == QueueState::Sending && row.lease_holder == Some(holder))
    }

    /// The number of claims of a loaded message.
    pub fn tries(&self, id: MessageId) -> u32 {
        self.row(id)
            .map_or(0, |row| u32::try_from(row.tries).unwrap_or_default())
    }

    /// Records the outcome of an attempt.
    pub async fn finish_attempt(
        &mut self,
        attempt: AttemptId,
        exchange: Exchange,
    ) -> Result<(), Error> {
        let touched = attempt_row::Entity::update_many()
            .col_expr(
                attempt_row::Column::FinishedAt,
                Expr::value(instant::write(self.now())),
            )
            .col_expr(attempt_row::Column::Outcome, Expr::value(exchange.outcome))
            .col_expr(
                attempt_row::Column::HttpStatus,
                Expr::value(exchange.http_status.map(i32::from)),
            )
            .col_expr(
                attempt_row::Column::DurationMs,
                Expr::value(exchange.duration_ms),
            )
            .col_expr(attempt_row::Column::Reply, Expr::value(exchange.reply))
            .col_expr(attempt_row::Column::Detail, Expr::value(exchange.detail))
            .filter(attempt_row::Column::Id.eq(attempt.uuid()))
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

    /// The attempt of a message that was started and has no outcome.
    pub async fn find_open_attempt(&self, id: MessageId) -> Result<Option<AttemptId>, Error> {
        let row = attempt_row::Entity::find()
            .filter(attempt_row::Column::Message.eq(id.uuid()))
            .filter(attempt_row::Column::FinishedAt.is_null())
            .order_by_desc(attempt_row::Column::Number)
            .one(self.transaction())
            .await?;
        Ok(row.map(|row| row.id.into()))
    }

    /// Takes a message out of the queue and ends its claim.
    pub fn leave_queue(&mut self, id: MessageId, word: QueueState) -> Result<(), Error> {
        self.edit(id, |row| leave_queue(row, word))
    }

    /// Removes the submission time: the provider certainly did not accept the message, so no report
    /// can match this attempt. A report that was matched before contradicts that, and stays.
    pub fn take_back(&mut self, id: MessageId) -> Result<(), Error> {
        self.edit(id, |row| {
            if row.matched_by.is_none() {
                row.handed_over_at = None;
            }
        })
    }

    /// Returns a claimed message to the queue, due at `at`; `reason` is shown until then.
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

/// Takes the row out of the queue.
pub(crate) fn leave_queue(row: &mut message_row::Model, word: QueueState) {
    row.queue = word;
    row.hold = None;
    row.next_attempt_at = None;
    row.lease_holder = None;
    row.lease_until = None;
}
