//! The send flow of each account, which all processes share, and the recipients to whom nothing is
//! sent for a while.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, Iterable, QueryFilter, QuerySelect, Select,
};

use crate::db::{Error, instant};
use crate::domain::circuit_breaker::{CircuitBreaker, Streak, Trip};
use crate::domain::ids::AccountId;
use crate::domain::send_flow::SendFlow;
use crate::domain::send_rate::{AcceptanceCount, Slowdown};
use crate::store::Store;
use crate::store::entities::recipient_hold_row;
use crate::store::entities::send_flow_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

const TABLE: &str = "send_flows";

impl Store {
    /// Accounts that were never slowed down, tripped or counted have no flow.
    pub async fn list_send_flows(&self) -> Result<BTreeMap<AccountId, SendFlow>, Error> {
        let rows = Entity::find().all(self.pools().reader()).await?;
        rows.into_iter()
            .map(|row| Ok((row.account.clone(), SendFlow::try_from(row)?)))
            .collect()
    }

    /// Removes holds of recipients that have ended.
    pub async fn delete_ended_recipient_holds(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let has_ended = recipient_hold_row::Column::HoldUntil.lte(instant::to_millis(now));
        let ended = recipient_hold_row::Entity::find()
            .filter(has_ended.clone())
            .one(self.pools().reader())
            .await?;
        if ended.is_none() {
            return Ok(());
        }
        recipient_hold_row::Entity::delete_many()
            .filter(has_ended)
            .exec(self.pools().writer())
            .await?;
        Ok(())
    }
}

/// The recipients of an account to whom nothing is sent now.
pub(super) fn held_recipients(
    account: &AccountId,
    now: DateTime<Utc>,
) -> Select<recipient_hold_row::Entity> {
    recipient_hold_row::Entity::find()
        .select_only()
        .column(recipient_hold_row::Column::Recipient)
        .filter(recipient_hold_row::Column::Account.eq(account))
        .filter(recipient_hold_row::Column::HoldUntil.gt(instant::to_millis(now)))
}

impl Ledger {
    pub async fn find_send_flow(&self, account: &AccountId) -> Result<SendFlow, Error> {
        let row = Entity::find_by_id(account.clone())
            .one(self.transaction())
            .await?;
        row.map_or_else(|| Ok(SendFlow::default()), SendFlow::try_from)
    }

    pub async fn store_send_flow(&self, account: &AccountId, flow: &SendFlow) -> Result<(), Error> {
        let columns = Column::iter().filter(|column| !matches!(column, Column::Account));
        let replace = OnConflict::column(Column::Account)
            .update_columns(columns)
            .to_owned();
        Entity::insert(row(account, flow).into_active_model())
            .on_conflict(replace)
            .exec_without_returning(self.transaction())
            .await?;
        Ok(())
    }

    /// Sends nothing to this recipient of the account before `until`.
    pub async fn hold_recipient(
        &self,
        account: &AccountId,
        recipient: &str,
        until: DateTime<Utc>,
    ) -> Result<(), Error> {
        let row = recipient_hold_row::Model {
            account: account.clone(),
            recipient: recipient.to_owned(),
            hold_until: instant::to_millis(until),
        };
        let key = [
            recipient_hold_row::Column::Account,
            recipient_hold_row::Column::Recipient,
        ];
        let replace = OnConflict::columns(key)
            .update_column(recipient_hold_row::Column::HoldUntil)
            .to_owned();
        recipient_hold_row::Entity::insert(row.into_active_model())
            .on_conflict(replace)
            .exec_without_returning(self.transaction())
            .await?;
        Ok(())
    }
}

fn row(account: &AccountId, flow: &SendFlow) -> Model {
    let millis = |at: Option<DateTime<Utc>>| at.map(instant::to_millis);
    let (slowdown, trip) = (flow.slowdown.as_ref(), flow.breaker.trip.as_ref());
    let streak = &flow.breaker.streak;
    Model {
        account: account.clone(),
        next_slot_us: flow.next_slot_at.map(|at| at.timestamp_micros()),
        slowed_at: millis(slowdown.map(|slowdown| slowdown.since)),
        slowed_rate: slowdown.map(|slowdown| to_stored_rate(slowdown.rate)),
        slowed_reason: slowdown.map(|slowdown| slowdown.reason.clone()),
        slow_down_requests: slowdown.map_or(0, |slowdown| to_stored_count(slowdown.requests)),
        hold_until: millis(slowdown.map(|slowdown| slowdown.hold_until)),
        counted_since: millis(flow.accepted.since),
        accepted: to_stored_count(flow.accepted.current),
        accepted_before: to_stored_count(flow.accepted.before),
        streak_kind: streak.kind.clone(),
        streak_count: to_stored_count(streak.count),
        streak_recipients: streak.recipients.join(","),
        tripped_at: millis(trip.map(|trip| trip.since)),
        trip_reason: trip.map(|trip| trip.reason.clone()),
        trip_reply: trip.map(|trip| trip.last_reply.clone()),
        next_probe_at: millis(trip.map(|trip| trip.next_probe_at)),
        probe_wait: trip.map_or(0, |trip| trip.probe_wait.num_milliseconds()),
        failed_messages: trip.map_or(0, |trip| to_stored_count(trip.failed_messages)),
    }
}

impl TryFrom<Model> for SendFlow {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let time = |column, millis| instant::from_optional_millis(TABLE, column, millis);
        let slowed_at = time("slowed_at", row.slowed_at)?;
        let hold_until = time("hold_until", row.hold_until)?;
        let slowdown = slowed_at.map(|since| Slowdown {
            since,
            hold_until: hold_until.unwrap_or(since),
            rate: from_stored_rate(row.slowed_rate.unwrap_or_default()),
            reason: row.slowed_reason.unwrap_or_default(),
            requests: from_stored_count(row.slow_down_requests),
        });
        let next_probe_at = time("next_probe_at", row.next_probe_at)?;
        let trip = time("tripped_at", row.tripped_at)?.map(|since| Trip {
            since,
            reason: row.trip_reason.unwrap_or_default(),
            last_reply: row.trip_reply.unwrap_or_default(),
            next_probe_at: next_probe_at.unwrap_or(since),
            probe_wait: TimeDelta::milliseconds(row.probe_wait),
            failed_messages: from_stored_count(row.failed_messages),
        });
        let recipients = row.streak_recipients.split(',');
        Ok(Self {
            next_slot_at: row
                .next_slot_us
                .map(|micros| {
                    DateTime::from_timestamp_micros(micros)
                        .ok_or_else(|| Error::inconsistent(TABLE, "next_slot_us", micros))
                })
                .transpose()?,
            slowdown,
            accepted: AcceptanceCount {
                since: time("counted_since", row.counted_since)?,
                current: from_stored_count(row.accepted),
                before: from_stored_count(row.accepted_before),
            },
            breaker: CircuitBreaker {
                streak: Streak {
                    kind: row.streak_kind,
                    count: from_stored_count(row.streak_count),
                    recipients: recipients
                        .filter(|hash| !hash.is_empty())
                        .map(ToOwned::to_owned)
                        .collect(),
                },
                trip,
            },
        })
    }
}

/// Stored rates are messages per million seconds.
const STORED_RATE_FACTOR: f64 = 1_000_000.0;

#[expect(
    clippy::cast_possible_truncation,
    reason = "rates are at most a thousand"
)]
fn to_stored_rate(rate: f64) -> i64 {
    (rate * STORED_RATE_FACTOR) as i64
}

#[expect(clippy::cast_precision_loss, reason = "rates are at most a thousand")]
fn from_stored_rate(stored: i64) -> f64 {
    stored.max(1) as f64 / STORED_RATE_FACTOR
}

fn to_stored_count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn from_stored_count(stored: i32) -> u32 {
    u32::try_from(stored).unwrap_or_default()
}
