//! Records the outcome of each processed callback.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::callback_outcome::Outcome;
use crate::domain::callback_record::Route;
use crate::domain::ids::{AccountId, CallbackId};
use crate::store::account_records::{self, CallbackTimes};
use crate::store::entities::callback_outcome_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::outcome_counts::{self, OutcomeDifferences};
use crate::store::quarantine::QuarantinedCopy;
use crate::store::{Store, store_settings};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackOutcome {
    pub callback: CallbackId,
    /// In the journal.
    pub seq: i64,
    pub account: AccountId,
    pub received_at: DateTime<Utc>,
    /// Set by the caller of `record_outcomes`; not stored, so `None` when read.
    pub route: Option<Route>,
    pub outcome: Outcome,
    /// Without personal data.
    pub detail: Option<String>,
}

impl Ledger {
    /// Records outcomes and moves the position of the reconciler, in the transaction of the
    /// callbacks' effects.
    pub async fn record_outcomes(
        &mut self,
        outcomes: Vec<CallbackOutcome>,
        quarantined: Vec<QuarantinedCopy>,
        (from, to): (i64, i64),
    ) -> Result<(), Error> {
        let mut accounts: BTreeMap<AccountId, CallbackTimes> = BTreeMap::new();
        for outcome in &outcomes {
            accounts
                .entry(outcome.account.clone())
                .or_default()
                .add(outcome.route, outcome.received_at);
        }
        // None of them had an outcome: a callback is processed once, and a rebuild deletes the
        // outcomes of those that it processes again.
        let mut differences = OutcomeDifferences::new();
        for outcome in &outcomes {
            *differences.entry(outcome.outcome).or_default() += 1;
        }
        self.write_outcomes(outcomes, quarantined).await?;
        outcome_counts::add_to_counts(self.transaction(), &differences).await?;
        account_records::record_callback_times(self.transaction(), &accounts).await?;
        store_settings::move_position(self.transaction(), from, to).await
    }

    /// Replaces the outcomes of callbacks that were processed before.
    pub async fn replace_outcomes(
        &mut self,
        outcomes: Vec<CallbackOutcome>,
        quarantined: Vec<QuarantinedCopy>,
    ) -> Result<(), Error> {
        let new = outcomes
            .iter()
            .map(|outcome| (outcome.callback.uuid(), outcome.outcome))
            .collect();
        let differences = outcome_counts::find_differences(self.transaction(), &new).await?;
        self.write_outcomes(outcomes, quarantined).await?;
        outcome_counts::add_to_counts(self.transaction(), &differences).await
    }

    async fn write_outcomes(
        &mut self,
        outcomes: Vec<CallbackOutcome>,
        quarantined: Vec<QuarantinedCopy>,
    ) -> Result<(), Error> {
        let rows: Vec<Model> = outcomes.into_iter().map(Model::from).collect();
        let rows: Vec<&Model> = rows.iter().collect();
        let replace = "ON CONFLICT (callback) DO UPDATE SET \
                       outcome = excluded.outcome, detail = excluded.detail";
        statements::insert::<Entity>(self.transaction(), &rows, replace).await?;
        self.store_quarantined(quarantined).await
    }

    /// [`Store::find_outcomes`] within this transaction.
    pub async fn find_outcomes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
        find_outcomes(self.transaction(), callbacks).await
    }
}

impl Store {
    /// Unprocessed callbacks are absent.
    pub async fn find_outcomes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
        find_outcomes(self.pools().reader(), callbacks).await
    }
}

async fn find_outcomes(
    connection: &impl ConnectionTrait,
    callbacks: &[CallbackId],
) -> Result<HashMap<CallbackId, CallbackOutcome>, Error> {
    let rows = Entity::find()
        .filter(Column::Callback.is_in(callbacks.iter().map(|id| id.uuid())))
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| CallbackOutcome::try_from(row).map(|outcome| (outcome.callback, outcome)))
        .collect()
}

/// Changes the outcome of these callbacks to notice: the [limit](crate::domain::receipt_limit)
/// prevented all their receipts from being stored.
pub(crate) async fn mark_repeats(
    connection: &impl ConnectionTrait,
    callbacks: &[Uuid],
) -> Result<(), Error> {
    if callbacks.is_empty() {
        return Ok(());
    }
    let notices = callbacks.iter().map(|id| (*id, Outcome::Notice)).collect();
    let differences = outcome_counts::find_differences(connection, &notices).await?;
    outcome_counts::add_to_counts(connection, &differences).await?;
    for chunk in callbacks.chunks(statements::IDS_PER_QUERY) {
        Entity::update_many()
            .col_expr(Column::Outcome, Expr::value(Outcome::Notice))
            .col_expr(
                Column::Detail,
                Expr::value("it repeats what was reported thousands of times"),
            )
            .filter(Column::Callback.is_in(chunk.iter().copied()))
            .exec(connection)
            .await?;
    }
    Ok(())
}

impl From<CallbackOutcome> for Model {
    fn from(outcome: CallbackOutcome) -> Self {
        Self {
            callback: outcome.callback.uuid(),
            seq: outcome.seq,
            account: outcome.account,
            received_at: instant::to_millis(outcome.received_at),
            outcome: outcome.outcome,
            detail: outcome.detail,
        }
    }
}

impl TryFrom<Model> for CallbackOutcome {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            callback: row.callback.into(),
            seq: row.seq,
            account: row.account,
            received_at: instant::from_millis("callback_outcomes", "received_at", row.received_at)?,
            route: None,
            outcome: row.outcome,
            detail: row.detail,
        })
    }
}
