//! The send queue: due messages, and claims with a lease.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::campaign::CampaignState;
use crate::domain::delivery_state::QueueState;
use crate::domain::explanation::QueueTiming;
use crate::domain::ids::{AccountId, AttemptId, MessageId};
use crate::domain::message::{Message, Origin};
use crate::store::Store;
use crate::store::attempts::StartedAttempt;
use crate::store::entities::campaign_row;
use crate::store::entities::message_row::{Column, Entity, Model};
use crate::store::ledger::message_counts::bucket_of;
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::message_lookup::list_ids;
use crate::store::send_flows::held_recipients;

/// A part of an account's queue. Messages outside campaigns are sent first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueuePart {
    Whole,
    OutsideCampaigns,
}

/// Due messages of an account.
#[derive(Debug, Default)]
pub struct DueMessages {
    pub messages: Vec<Message>,
    /// Messages whose rows are inconsistent, with the error.
    pub unreadable: Vec<(MessageId, Error)>,
}

/// Reads one entry of the index per account, instead of all queued messages.
const ACCOUNTS_WITH_DUE: &str = "WITH RECURSIVE queued (account) AS ( \
     SELECT min(account) FROM messages WHERE next_attempt_at IS NOT NULL \
     UNION ALL \
     SELECT (SELECT min(account) FROM messages \
             WHERE next_attempt_at IS NOT NULL AND account > queued.account) \
     FROM queued WHERE queued.account IS NOT NULL) \
     SELECT account FROM queued WHERE account IS NOT NULL AND \
     (SELECT min(next_attempt_at) FROM messages \
      WHERE messages.account = queued.account AND next_attempt_at IS NOT NULL) <= $1";

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
    /// Messages of an account that are due and not expired, longest due first; those of campaigns
    /// after the others.
    pub async fn list_due(
        &self,
        account: &AccountId,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<DueMessages, Error> {
        let outside_campaigns = due(account, now).filter(Column::Campaign.is_null());
        let mut rows = self.read_due(outside_campaigns, limit).await?;
        if rows.len() < limit {
            // Resends are sent, even if their campaign is cancelled.
            let is_wanted = Column::ResendOf
                .is_not_null()
                .or(Column::Campaign.not_in_subquery(campaigns(CampaignState::Cancelled)));
            let of_campaigns = due(account, now)
                .filter(Column::Campaign.is_not_null())
                .filter(Column::Campaign.not_in_subquery(campaigns(CampaignState::Paused)))
                .filter(is_wanted);
            rows.extend(self.read_due(of_campaigns, limit - rows.len()).await?);
        }
        let mut due = DueMessages::default();
        for row in rows {
            let id = row.id.into();
            match Message::try_from(row) {
                Ok(message) => due.messages.push(message),
                Err(error) => due.unreadable.push((id, error)),
            }
        }
        Ok(due)
    }

    /// Accounts with a message that is due; also those whose due messages are being submitted, or
    /// wait for their campaign or their recipient. Costs a few index look-ups per account, however
    /// many messages are queued.
    pub async fn list_accounts_with_due(
        &self,
        now: DateTime<Utc>,
    ) -> Result<BTreeSet<AccountId>, Error> {
        let now = instant::to_millis(now).into();
        let rows = self.pools().query(ACCOUNTS_WITH_DUE, vec![now]).await?;
        rows.into_iter()
            .map(|row| Ok(row.try_get("", "account")?))
            .collect()
    }

    async fn read_due(&self, due: Select<Entity>, limit: usize) -> Result<Vec<Model>, Error> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Ok(due.limit(limit).all(self.pools().reader()).await?)
    }

    /// How many messages are queued in this part of an account's queue.
    pub async fn count_queued(&self, account: &AccountId, part: QueuePart) -> Result<u64, Error> {
        let mut queued = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Queue.eq(QueueState::Queued))
            .filter(Column::Account.eq(account))
            .filter(Column::NextAttemptAt.is_not_null());
        if part == QueuePart::OutsideCampaigns {
            queued = queued.filter(Column::Campaign.is_null());
        }
        Ok(queued.count(self.pools().reader()).await?)
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

    /// Those of these messages that are still queued or sending, and will be submitted.
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

    /// Messages claimed by another holder, however long its claim lasts.
    pub async fn list_claimed_by_others(
        &self,
        holder: Uuid,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        let of_others = claimed().filter(Column::LeaseHolder.ne(holder));
        list_ids(self.pools().reader(), of_others.limit(limit)).await
    }

    /// Messages claimed by this holder, however long its claim lasts.
    pub async fn list_claimed_by(&self, holder: Uuid, limit: u64) -> Result<Vec<MessageId>, Error> {
        let of_holder = claimed().filter(Column::LeaseHolder.eq(holder));
        list_ids(self.pools().reader(), of_holder.limit(limit)).await
    }
}

/// The ids of the campaigns in this state.
fn campaigns(state: CampaignState) -> SelectStatement {
    campaign_row::Entity::find()
        .select_only()
        .column(campaign_row::Column::Id)
        .filter(campaign_row::Column::State.eq(state))
        .into_query()
}

fn due(account: &AccountId, now: DateTime<Utc>) -> Select<Entity> {
    let held = held_recipients(account, now);
    let now = instant::to_millis(now);
    Entity::find()
        .filter(Column::Queue.eq(QueueState::Queued))
        .filter(Column::Account.eq(account))
        .filter(Column::NextAttemptAt.lte(now))
        .filter(Column::SendBefore.is_null().or(Column::SendBefore.gte(now)))
        .filter(Column::Recipient.not_in_subquery(held.into_query()))
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

fn claimed() -> Select<Entity> {
    Entity::find()
        .filter(Column::Queue.eq(QueueState::Sending))
        .filter(Column::LeaseUntil.is_not_null())
        .order_by_asc(Column::LeaseUntil)
}

fn abandoned(now: DateTime<Utc>) -> Select<Entity> {
    Entity::find()
        .filter(Column::Queue.eq(QueueState::Sending))
        .filter(Column::LeaseUntil.lt(instant::to_millis(now)))
        .order_by_asc(Column::LeaseUntil)
}

impl Ledger {
    /// Whether a loaded message is queued, due and not held: its campaign may have been paused
    /// since the message was listed.
    pub fn is_due(&self, id: MessageId) -> bool {
        let now = instant::to_millis(self.now());
        self.row(id).is_some_and(|row| {
            row.queue == QueueState::Queued && row.next_attempt_at.is_some_and(|at| at <= now)
        })
    }

    /// Claims loaded, queued messages and records their attempts. Returns the number of each
    /// attempt, from 1.
    pub async fn claim(&mut self, claims: Vec<(MessageId, Claim)>) -> Result<Vec<u32>, Error> {
        let now = self.now();
        let tried: Vec<MessageId> = claims
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| {
                self.row(*id)
                    .is_some_and(|row| row.tries > 0 || row.hold.is_some())
            })
            .collect();
        let earlier = self.count_attempts(&tried).await?;
        let (mut numbers, mut attempts) = (Vec::new(), Vec::new());
        for (id, claim) in claims {
            let number = earlier.get(&id).copied().unwrap_or_default() + 1;
            self.edit(id, |row| {
                row.tries += 1;
                row.queue = QueueState::Sending;
                row.hold = None;
                row.submission_started_at = Some(instant::to_millis(now));
                row.lease_holder = Some(claim.holder);
                row.lease_until = Some(instant::to_millis(claim.lease_until));
                let at = instant::to_millis(now);
                if number == 1 && bucket_of(at) > bucket_of(row.created_at) {
                    row.counted_at = Some(at);
                }
            })?;
            numbers.push(number);
            attempts.push(StartedAttempt {
                id: claim.attempt,
                message: id,
                number,
                request: claim.request,
            });
        }
        self.start_attempts(attempts).await?;
        Ok(numbers)
    }

    /// Whether the claim of a loaded message ends before `at`.
    pub fn claim_ends_before(&self, id: MessageId, at: DateTime<Utc>) -> bool {
        let until = self.row(id).and_then(|row| row.lease_until);
        until.is_some_and(|until| until < instant::to_millis(at))
    }

    /// Whether a loaded message is claimed by this holder.
    pub fn is_claimed_by(&self, id: MessageId, holder: Uuid) -> bool {
        self.row(id)
            .is_some_and(|row| row.queue == QueueState::Sending && row.lease_holder == Some(holder))
    }

    /// The number of attempts of a loaded message that count towards its limit.
    pub fn tries(&self, id: MessageId) -> u32 {
        self.row(id)
            .map_or(0, |row| u32::try_from(row.tries).unwrap_or_default())
    }

    /// Subtracts the last attempt from those that count towards the limit of the message.
    pub fn uncount_attempt(&mut self, id: MessageId) -> Result<(), Error> {
        self.edit(id, |row| row.tries = Ord::max(row.tries - 1, 0))
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

    /// Returns a claimed message to its position in the queue. `reason` is why its account does not
    /// send.
    pub fn return_to_queue(&mut self, id: MessageId, reason: &str) -> Result<(), Error> {
        self.edit(id, |row| {
            row.queue = QueueState::Queued;
            row.hold = Some(reason.to_owned());
            row.lease_holder = None;
            row.lease_until = None;
        })
    }

    /// Moves a message that can be neither sent nor marked as failed to the end of the queue.
    pub async fn defer_unsendable(&self, id: MessageId, at: DateTime<Utc>) -> Result<(), Error> {
        Entity::update_many()
            .col_expr(Column::NextAttemptAt, Expr::value(instant::to_millis(at)))
            .filter(Column::Id.eq(id.uuid()))
            .filter(Column::Queue.eq(QueueState::Queued))
            .exec(self.transaction())
            .await?;
        Ok(())
    }

    /// Returns a claimed message to the queue, due at `at`; `reason` is shown until then.
    pub fn postpone(
        &mut self,
        id: MessageId,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<(), Error> {
        self.return_to_queue(id, reason)?;
        self.edit(id, |row| row.next_attempt_at = Some(instant::to_millis(at)))
    }
}
