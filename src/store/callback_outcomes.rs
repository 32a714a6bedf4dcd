//! The outcome of each processed callback, and the messages that it reported.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::store::entities::{callback_outcome_row, quarantined_part_row, receipt_row};
use crate::store::ledger::Ledger;
use crate::store::quarantine::QuarantinedCopy;
use crate::store::{Store, account_records, store_settings};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackOutcome {
    pub callback: CallbackId,
    /// In the journal.
    pub seq: i64,
    pub account: AccountId,
    pub received_at: DateTime<Utc>,
    /// Whether it was sent to an earlier callback address. Only set when recorded; not stored.
    pub by_old_address: bool,
    pub outcome: Outcome,
    /// Without personal data.
    pub detail: Option<String>,
}

impl Ledger {
    /// Records outcomes and moves the position, in the transaction of the callbacks' effects.
    pub async fn record_outcomes(
        &mut self,
        outcomes: Vec<CallbackOutcome>,
        quarantined: Vec<QuarantinedCopy>,
        position: (i64, i64),
    ) -> Result<(), Error> {
        let mut heard: HashMap<AccountId, (DateTime<Utc>, Option<DateTime<Utc>>)> = HashMap::new();
        for outcome in &outcomes {
            let (last, old) = heard
                .entry(outcome.account.clone())
                .or_insert((outcome.received_at, None));
            *last = Ord::max(*last, outcome.received_at);
            if outcome.by_old_address {
                *old = Ord::max(*old, Some(outcome.received_at));
            }
        }
        self.replace_outcomes(outcomes, quarantined).await?;
        for (account, (last, old)) in heard {
            account_records::record_callback_times(self.transaction(), &account, last, old).await?;
        }
        store_settings::move_position(self.transaction(), position.0, position.1).await
    }

    /// [`Store::find_outcomes`] within this transaction.
    pub async fn find_outcomes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
        find_outcomes(self.transaction(), callbacks).await
    }

    /// Replaces the outcomes of callbacks that were processed before.
    pub async fn replace_outcomes(
        &mut self,
        outcomes: Vec<CallbackOutcome>,
        quarantined: Vec<QuarantinedCopy>,
    ) -> Result<(), Error> {
        let rows: Vec<callback_outcome_row::Model> = outcomes.into_iter().map(row).collect();
        let rows: Vec<&callback_outcome_row::Model> = rows.iter().collect();
        let replace = "ON CONFLICT (callback) DO UPDATE SET \
                       outcome = excluded.outcome, detail = excluded.detail";
        statements::insert::<callback_outcome_row::Entity>(self.transaction(), &rows, replace)
            .await?;
        self.store_quarantined(quarantined).await
    }
}

/// Selects outcomes. All given conditions must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutcomeFilter {
    pub ids: Option<Vec<CallbackId>>,
    pub account: Option<AccountId>,
    /// As in [`Store::list_by_outcome`].
    pub outcome: Option<Outcome>,
    /// Inclusive.
    pub received_after: Option<DateTime<Utc>>,
    /// Exclusive.
    pub received_before: Option<DateTime<Utc>>,
    /// The last `seq` that the operator saw; later callbacks are excluded.
    pub up_to: Option<i64>,
}

impl Store {
    /// Outcomes with a `seq` greater than `after`, in the order of the journal.
    pub async fn list_outcomes_after(
        &self,
        filter: &OutcomeFilter,
        after: i64,
        limit: u64,
    ) -> Result<Vec<CallbackOutcome>, Error> {
        let mut query = callback_outcome_row::Entity::find()
            .filter(callback_outcome_row::Column::Seq.gt(after))
            .order_by_asc(callback_outcome_row::Column::Seq)
            .limit(limit);
        if let Some(ids) = &filter.ids {
            query = query.filter(
                callback_outcome_row::Column::Callback.is_in(ids.iter().map(|id| id.uuid())),
            );
        }
        let given = [
            filter
                .account
                .as_ref()
                .map(|account| callback_outcome_row::Column::Account.eq(account)),
            filter.outcome.map(counts_as),
            filter
                .received_after
                .map(|at| callback_outcome_row::Column::ReceivedAt.gte(instant::write(at))),
            filter
                .received_before
                .map(|at| callback_outcome_row::Column::ReceivedAt.lt(instant::write(at))),
            filter
                .up_to
                .map(|seq| callback_outcome_row::Column::Seq.lte(seq)),
        ];
        for condition in given.into_iter().flatten() {
            query = query.filter(condition);
        }
        query
            .all(self.pools().reader())
            .await?
            .into_iter()
            .map(outcome)
            .collect()
    }

    /// Unprocessed callbacks are absent.
    pub async fn find_outcomes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
        find_outcomes(self.pools().reader(), callbacks).await
    }

    /// Callbacks of one outcome, newest first, with a `seq` below `before`.
    pub async fn list_by_outcome(
        &self,
        wanted: Outcome,
        account: Option<&AccountId>,
        before: Option<i64>,
        limit: u64,
    ) -> Result<Vec<CallbackOutcome>, Error> {
        let mut query = callback_outcome_row::Entity::find()
            .filter(counts_as(wanted))
            .order_by_desc(callback_outcome_row::Column::Seq)
            .limit(limit);
        if let Some(account) = account {
            query = query.filter(callback_outcome_row::Column::Account.eq(account));
        }
        if let Some(before) = before {
            query = query.filter(callback_outcome_row::Column::Seq.lt(before));
        }
        query
            .all(self.pools().reader())
            .await?
            .into_iter()
            .map(outcome)
            .collect()
    }

    /// The outcome of a callback with the copy of its body in quarantine.
    pub async fn find_quarantined_copy(
        &self,
        callback: CallbackId,
    ) -> Result<Option<(CallbackOutcome, Vec<u8>)>, Error> {
        let reader = self.pools().reader();
        // The first of its unparsed parts has the body.
        let kept = quarantined_part_row::Entity::find()
            .filter(quarantined_part_row::Column::Callback.eq(callback.uuid()))
            .order_by_asc(quarantined_part_row::Column::Part)
            .one(reader)
            .await?;
        let Some(kept) = kept else {
            return Ok(None);
        };
        let known = callback_outcome_row::Entity::find_by_id(callback.uuid())
            .one(reader)
            .await?;
        known
            .map(|row| outcome(row).map(|outcome| (outcome, kept.content)))
            .transpose()
    }

    /// When each account last received a callback that failed authentication.
    pub async fn list_last_unverified(&self) -> Result<HashMap<AccountId, DateTime<Utc>>, Error> {
        let rows: Vec<(AccountId, i64)> = callback_outcome_row::Entity::find()
            .select_only()
            .column(callback_outcome_row::Column::Account)
            .column_as(callback_outcome_row::Column::ReceivedAt.max(), "last")
            .filter(callback_outcome_row::Column::Outcome.eq(Outcome::Unverified))
            .group_by(callback_outcome_row::Column::Account)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|(account, last)| {
                let last = instant::read("callback_outcomes", "received_at", last)?;
                Ok((account, last))
            })
            .collect()
    }

    /// The messages with receipts from these callbacks.
    pub async fn list_reported_messages(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, Vec<MessageId>>, Error> {
        let rows: Vec<(Uuid, Uuid)> = receipt_row::Entity::find()
            .select_only()
            .column(receipt_row::Column::Source)
            .column(receipt_row::Column::Message)
            .distinct()
            .filter(receipt_row::Column::Source.is_in(callbacks.iter().map(|id| id.uuid())))
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let mut told: HashMap<CallbackId, Vec<MessageId>> = HashMap::new();
        for (source, message) in rows {
            told.entry(source.into()).or_default().push(message.into());
        }
        Ok(told)
    }
}

/// Marks callbacks whose receipts were all above the [limit](crate::domain::receipt_limit) as
/// notices.
pub(crate) async fn mark_repeats(
    connection: &impl ConnectionTrait,
    callbacks: &[Uuid],
) -> Result<(), Error> {
    for chunk in callbacks.chunks(statements::IDS_PER_QUERY) {
        callback_outcome_row::Entity::update_many()
            .col_expr(
                callback_outcome_row::Column::Outcome,
                Expr::value(Outcome::Notice),
            )
            .col_expr(
                callback_outcome_row::Column::Detail,
                Expr::value("it repeats what was reported thousands of times"),
            )
            .filter(callback_outcome_row::Column::Callback.is_in(chunk.iter().copied()))
            .exec(connection)
            .await?;
    }
    Ok(())
}

async fn find_outcomes(
    connection: &impl ConnectionTrait,
    callbacks: &[CallbackId],
) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
    let rows = callback_outcome_row::Entity::find()
        .filter(callback_outcome_row::Column::Callback.is_in(callbacks.iter().map(|id| id.uuid())))
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| outcome(row).map(|outcome| (outcome.callback, outcome)))
        .collect()
}

/// Selects callbacks by outcome. `Quarantined` selects all with an unparsed part, whatever their
/// other parts contained.
fn counts_as(outcome: Outcome) -> SimpleExpr {
    match outcome {
        Outcome::Quarantined => callback_outcome_row::Column::Callback.in_subquery(
            Query::select()
                .column(quarantined_part_row::Column::Callback)
                .from(quarantined_part_row::Entity)
                .to_owned(),
        ),
        other => callback_outcome_row::Column::Outcome.eq(other),
    }
}

fn row(outcome: CallbackOutcome) -> callback_outcome_row::Model {
    callback_outcome_row::Model {
        callback: outcome.callback.uuid(),
        seq: outcome.seq,
        account: outcome.account,
        received_at: instant::write(outcome.received_at),
        outcome: outcome.outcome,
        detail: outcome.detail,
    }
}

fn outcome(row: callback_outcome_row::Model) -> Result<CallbackOutcome, Error> {
    Ok(CallbackOutcome {
        callback: row.callback.into(),
        seq: row.seq,
        account: row.account,
        received_at: instant::read("callback_outcomes", "received_at", row.received_at)?,
        by_old_address: false,
        outcome: row.outcome,
        detail: row.detail,
    })
}

/// The smallest id that a callback received at `at` can have; an id begins with its time.
pub(crate) fn first_callback_at(at: DateTime<Utc>) -> Uuid {
    CallbackId::derived(at, [0; 10]).uuid()
}
