//! The send queue: due messages, and claims with a lease.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::delivery_state::QueueState;
use crate::domain::explanation::QueueTiming;
use crate::domain::ids::{AccountId, AttemptId, MessageId};
use crate::domain::message::{Message, Origin};
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::message_lookup::list_ids;

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
        let row = Entity::find_by_id(id.uuid())
            .one(self.pools().reader())
            .await?;
        let time = |column, millis| instant::from_optional_millis("messages", column, millis);
        row.map_or(Ok(QueueTiming::default()), |row| {
            Ok(QueueTiming {
                next_attempt_at: time("next_attempt_at", row.next_attempt_at)?,
                send_before: time("send_before", row.send_before)?,
            })
        })
    }

    /// Which of these messages are still queued or sending, and will be submitted.
    pub async fn list_waiting(&self, ids: &[MessageId]) -> Result<HashSet<MessageId>, Error> {
        let waiting = Entity::find()
            .filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(Column::Origin.ne(Origin::DryRun))
            .filter(Column::Queue.is_in([QueueState::Queued, QueueState::Sending]));
        let waiting = list_ids(self.pools().reader(), waiting).await?;
        Ok(waiting.into_iter().collect())
    }

    /// Queued messages past their `send_before`.
    pub async fn list_expired(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        list_ids(self.pools().reader(), expired(now).limit(limit)).await
    }

    /// Messages whose process died between the start of an attempt and its recorded outcome.
    pub async fn list_abandoned(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        list_ids(self.pools().reader(), abandoned(now).limit(limit)).await
    }

    /// Messages whose claim by another holder expires only after `latest`.
    pub async fn list_claimed_beyond(
        &self,
        latest: DateTime<Utc>,
        holder: Uuid,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        let claimed = Entity::find()
            .filter(Column::Queue.eq(QueueState::Sending))
            .filter(Column::LeaseUntil.gt(instant::to_millis(latest)))
            .filter(Column::LeaseHolder.ne(holder))
            .order_by_asc(Column::LeaseUntil)
            .limit(limit);
        list_ids(self.pools().reader(), claimed).await
    }
}

fn due(account: &AccountId, now: DateTime<Utc>) -> Select<Entity> {
    let now = instant::to_millis(now);
    Entity::find()
        .filter(Column::Queue.eq(QueueState::Queued))
        .filter(Column::Account.eq(account))
        .filter(Column::NextAttemptAt.lte(now))
        .filter(Column::SendBefore.is_null().or(Column::SendBefore.gte(now)))
        .order_by_asc(Column::NextAttemptAt)
}

fn expired(now: DateTime<Utc>) -> Select<Entity> {
    Entity::find()
        .filter(Column::Queue.eq(QueueState::Queued))
        // Lets the planner use the partial index of queued messages.
        .filter(Column::NextAttemptAt.is_not_null())
        .filter(Column::SendBefore.lt(instant::to_millis(now)))
        .order_by_asc(Column::SendBefore)
}

fn abandoned(now: DateTime<Utc>) -> Select<Entity> {
    Entity::find()
        .filter(Column::Queue.eq(QueueState::Sending))
        .filter(Column::LeaseUntil.lt(instant::to_millis(now)))
        .order_by_asc(Column::LeaseUntil)
}

impl Ledger {
    /// Claims a loaded message and records the attempt; false when it is no longer queued.
    pub async fn claim(&mut self, id: MessageId, claim: &Claim) -> Result<bool, Error> {
        let now = self.now();
        if self.row(id).map(|row| row.queue) != Some(QueueState::Queued) {
            return Ok(false);
        }
        let mut number = 0;
        self.edit(id, |row| {
            row.tries += 1;
            number = row.tries;
            row.queue = QueueState::Sending;
            row.hold = None;
            row.submission_started_at = Some(instant::to_millis(now));
            row.lease_holder = Some(claim.holder);
            row.lease_until = Some(instant::to_millis(claim.lease_until));
        })?;
        self.start_attempt(id, number, claim.attempt, claim.request.clone())
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

    /// Takes a message out of the queue and ends its claim.
    pub fn leave_queue(&mut self, id: MessageId, state: QueueState) -> Result<(), Error> {
        self.edit(id, |row| row.leave_queue(state))
    }

    /// Removes the submission time: the provider certainly did not accept the message, so no report
    /// can match this attempt. A report that was matched before contradicts that, and stays.
    pub fn clear_submission(&mut self, id: MessageId) -> Result<(), Error> {
        self.edit(id, |row| {
            if row.matched_by.is_none() {
                row.submission_started_at = None;
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
            row.next_attempt_at = Some(instant::to_millis(at));
            row.lease_holder = None;
            row.lease_until = None;
        })
    }
}
