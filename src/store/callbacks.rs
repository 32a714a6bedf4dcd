//! What became of each callback: its outcome, the messages it moved, and the copy of what could not be understood.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Func, OnConflict, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::store::entities::{callback_outcomes, quarantine, receipts};
use crate::store::ledger::Ledger;
use crate::store::{Store, accounts, settings};

/// Rows a statement may hold so that its bound values stay below SQLite's 32,766.
const ROWS_PER_STATEMENT: usize = 1000;

/// What a callback was, once it was read. The first that holds of its parts, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// It failed authentication and was not read.
    Unverified,
    /// It told about messages.
    Receipts,
    /// A customer wrote.
    Inbound,
    /// Nothing of it but notices could be understood.
    Quarantined,
    /// Understood, but not about a message.
    Notice,
}

impl Outcome {
    /// In the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::Receipts,
        Self::Inbound,
        Self::Notice,
        Self::Quarantined,
        Self::Unverified,
    ];

    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Every word, for people.
    pub fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// A callback's outcome, as it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackOutcome {
    /// The callback.
    pub callback: CallbackId,
    /// Its place in the journal.
    pub seq: i64,
    /// The account it came for.
    pub account: AccountId,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Whether it came by an earlier callback address. Known when it is recorded, not read back.
    pub by_old_address: bool,
    /// What it was.
    pub outcome: Outcome,
    /// In words, without personal data.
    pub detail: Option<String>,
}

/// What is kept of a part that could not be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quarantined {
    /// The callback.
    pub callback: CallbackId,
    /// Which part of it.
    pub part: i32,
    /// The account it came for.
    pub account: AccountId,
    /// Why, in words.
    pub reason: String,
    /// Its own copy of the body, so that retention of the journal loses nothing.
    pub content: Vec<u8>,
    /// When the callback was received.
    pub received_at: DateTime<Utc>,
}

impl Ledger {
    /// Records what became of callbacks and moves the position, together with their effects.
    pub async fn record_outcomes(
        &mut self,
        outcomes: Vec<CallbackOutcome>,
        quarantined: Vec<Quarantined>,
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
            accounts::heard_from(self.transaction(), &account, last, old).await?;
        }
        settings::move_position(self.transaction(), position.0, position.1).await
    }

    /// The outcomes of these callbacks as they are in this transaction; see [`Store::find_outcomes`].
    pub async fn find_outcomes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
        find_outcomes(self.transaction(), callbacks).await
    }

    /// Those of these callbacks of which a part could not be understood.
    pub async fn list_quarantined(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashSet<CallbackId>, Error> {
        let rows: Vec<Uuid> = quarantine::Entity::find()
            .select_only()
            .column(quarantine::Column::Callback)
            .distinct()
            .filter(quarantine::Column::Callback.is_in(callbacks.iter().map(|id| id.uuid())))
            .into_tuple()
            .all(self.transaction())
            .await?;
        Ok(rows.into_iter().map(CallbackId::from).collect())
    }

    /// Records what became of callbacks that were read before.
    pub async fn replace_outcomes(
        &mut self,
        outcomes: Vec<CallbackOutcome>,
        quarantined: Vec<Quarantined>,
    ) -> Result<(), Error> {
        let rows: Vec<callback_outcomes::Model> = outcomes.into_iter().map(row).collect();
        let rows: Vec<&callback_outcomes::Model> = rows.iter().collect();
        let replace = "ON CONFLICT (callback) DO UPDATE SET \
                       outcome = excluded.outcome, detail = excluded.detail";
        statements::insert::<callback_outcomes::Entity>(self.transaction(), &rows, replace).await?;
        self.keep_quarantined(quarantined).await
    }

    async fn keep_quarantined(&self, quarantined: Vec<Quarantined>) -> Result<(), Error> {
        let rows: Vec<_> = quarantined
            .into_iter()
            .map(|part| quarantine::Model {
                callback: part.callback.uuid(),
                part: part.part,
                account: part.account,
                reason: part.reason,
                content: part.content,
                quarantined_at: instant::write(part.received_at),
            })
            .map(IntoActiveModel::into_active_model)
            .collect();
        let again = OnConflict::columns([quarantine::Column::Callback, quarantine::Column::Part])
            .update_column(quarantine::Column::Reason)
            .to_owned();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            quarantine::Entity::insert_many(chunk.to_vec())
                .on_conflict(again.clone())
                .exec_without_returning(self.transaction())
                .await?;
        }
        Ok(())
    }
}

/// Which outcomes to go through; what is absent does not restrict, and all that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutcomeFilter {
    /// Of these callbacks and no others.
    pub ids: Option<Vec<CallbackId>>,
    /// Of this account.
    pub account: Option<AccountId>,
    /// This one, as [`Store::list_by_outcome`] lists it.
    pub outcome: Option<Outcome>,
    /// Received at or after.
    pub received_after: Option<DateTime<Utc>>,
    /// Received before.
    pub received_before: Option<DateTime<Utc>>,
    /// At most so far in the journal: what a person has seen, and nothing that entered it since.
    pub up_to: Option<i64>,
}

impl Store {
    /// Outcomes that fit, in the journal's order, after a place in it.
    pub async fn list_outcomes_after(
        &self,
        filter: &OutcomeFilter,
        after: i64,
        limit: u64,
    ) -> Result<Vec<CallbackOutcome>, Error> {
        let mut query = callback_outcomes::Entity::find()
            .filter(callback_outcomes::Column::Seq.gt(after))
            .order_by_asc(callback_outcomes::Column::Seq)
            .limit(limit);
        if let Some(ids) = &filter.ids {
            query = query
                .filter(callback_outcomes::Column::Callback.is_in(ids.iter().map(|id| id.uuid())));
        }
        let given = [
            filter
                .account
                .as_ref()
                .map(|account| callback_outcomes::Column::Account.eq(account)),
            filter.outcome.map(counts_as),
            filter
                .received_after
                .map(|at| callback_outcomes::Column::ReceivedAt.gte(instant::write(at))),
            filter
                .received_before
                .map(|at| callback_outcomes::Column::ReceivedAt.lt(instant::write(at))),
            filter
                .up_to
                .map(|seq| callback_outcomes::Column::Seq.lte(seq)),
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

    /// The outcomes of these callbacks; one that is not read yet is absent.
    pub async fn find_outcomes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
        find_outcomes(self.pools().reader(), callbacks).await
    }

    /// Callbacks of one outcome, newest first, older than `before`.
    pub async fn list_by_outcome(
        &self,
        wanted: Outcome,
        account: Option<&AccountId>,
        before: Option<i64>,
        limit: u64,
    ) -> Result<Vec<CallbackOutcome>, Error> {
        let mut query = callback_outcomes::Entity::find()
            .filter(counts_as(wanted))
            .order_by_desc(callback_outcomes::Column::Seq)
            .limit(limit);
        if let Some(account) = account {
            query = query.filter(callback_outcomes::Column::Account.eq(account));
        }
        if let Some(before) = before {
            query = query.filter(callback_outcomes::Column::Seq.lt(before));
        }
        query
            .all(self.pools().reader())
            .await?
            .into_iter()
            .map(outcome)
            .collect()
    }

    /// The copy of a callback that quarantine keeps, and what it was.
    pub async fn find_quarantined_copy(
        &self,
        callback: CallbackId,
    ) -> Result<Option<(CallbackOutcome, Vec<u8>)>, Error> {
        let reader = self.pools().reader();
        // The first of its parts that could not be understood has the body.
        let kept = quarantine::Entity::find()
            .filter(quarantine::Column::Callback.eq(callback.uuid()))
            .order_by_asc(quarantine::Column::Part)
            .one(reader)
            .await?;
        let Some(kept) = kept else {
            return Ok(None);
        };
        let known = callback_outcomes::Entity::find_by_id(callback.uuid())
            .one(reader)
            .await?;
        known
            .map(|row| outcome(row).map(|outcome| (outcome, kept.content)))
            .transpose()
    }

    /// How many bytes quarantine keeps of each of these callbacks.
    pub async fn list_copy_sizes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, u64>, Error> {
        let size = Func::cust("length").arg(Expr::col(quarantine::Column::Content));
        let rows: Vec<(Uuid, i64)> = quarantine::Entity::find()
            .select_only()
            .column(quarantine::Column::Callback)
            .column_as(Expr::expr(size).max().cast_as("bigint"), "size")
            .filter(quarantine::Column::Callback.is_in(callbacks.iter().map(|id| id.uuid())))
            .group_by(quarantine::Column::Callback)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let sizes = rows
            .into_iter()
            .map(|(callback, size)| (callback.into(), u64::try_from(size).unwrap_or_default()));
        Ok(sizes.collect())
    }

    /// When each account last got a callback that failed authentication.
    pub async fn list_last_refusals(&self) -> Result<HashMap<AccountId, DateTime<Utc>>, Error> {
        let rows: Vec<(AccountId, i64)> = callback_outcomes::Entity::find()
            .select_only()
            .column(callback_outcomes::Column::Account)
            .column_as(callback_outcomes::Column::ReceivedAt.max(), "last")
            .filter(callback_outcomes::Column::Outcome.eq(Outcome::Unverified))
            .group_by(callback_outcomes::Column::Account)
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

    /// The messages that these callbacks told about.
    pub async fn find_told(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, Vec<MessageId>>, Error> {
        let rows: Vec<(Uuid, Uuid)> = receipts::Entity::find()
            .select_only()
            .column(receipts::Column::Source)
            .column(receipts::Column::Message)
            .distinct()
            .filter(receipts::Column::Source.is_in(callbacks.iter().map(|id| id.uuid())))
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

/// The smallest id that a callback received then can have: its id begins with its time.
pub(crate) fn first_callback_at(at: DateTime<Utc>) -> Uuid {
    CallbackId::derived(at, [0; 10]).uuid()
}

/// Says of callbacks of which no fact was kept that they told nothing new; see [`receipt_limit`](crate::domain::receipt_limit).
pub(crate) async fn note_repeats(
    connection: &impl ConnectionTrait,
    callbacks: &[Uuid],
) -> Result<(), Error> {
    for chunk in callbacks.chunks(statements::IDS_PER_QUERY) {
        callback_outcomes::Entity::update_many()
            .col_expr(
                callback_outcomes::Column::Outcome,
                Expr::value(Outcome::Notice),
            )
            .col_expr(
                callback_outcomes::Column::Detail,
                Expr::value("it repeats what was reported thousands of times"),
            )
            .filter(callback_outcomes::Column::Callback.is_in(chunk.iter().copied()))
            .exec(connection)
            .await?;
    }
    Ok(())
}

async fn find_outcomes(
    connection: &impl ConnectionTrait,
    callbacks: &[CallbackId],
) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
    let rows = callback_outcomes::Entity::find()
        .filter(callback_outcomes::Column::Callback.is_in(callbacks.iter().map(|id| id.uuid())))
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| outcome(row).map(|outcome| (outcome.callback, outcome)))
        .collect()
}

/// Callbacks of an outcome. Quarantined are all of which a part could not be understood, whatever the rest of them told.
fn counts_as(outcome: Outcome) -> SimpleExpr {
    match outcome {
        Outcome::Quarantined => callback_outcomes::Column::Callback.in_subquery(
            Query::select()
                .column(quarantine::Column::Callback)
                .from(quarantine::Entity)
                .to_owned(),
        ),
        other => callback_outcomes::Column::Outcome.eq(other),
    }
}

fn row(outcome: CallbackOutcome) -> callback_outcomes::Model {
    callback_outcomes::Model {
        callback: outcome.callback.uuid(),
        seq: outcome.seq,
        account: outcome.account,
        received_at: instant::write(outcome.received_at),
        outcome: outcome.outcome,
        detail: outcome.detail,
    }
}

fn outcome(row: callback_outcomes::Model) -> Result<CallbackOutcome, Error> {
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
