//! Lists processed callbacks by outcome.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Query, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::{AccountId, CallbackId};
use crate::store::Store;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::entities::callback_outcome_row::{Column, Entity};
use crate::store::entities::quarantined_part_row;

/// Selects outcomes. All given conditions must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutcomeFilter {
    pub ids: Option<Vec<CallbackId>>,
    pub account: Option<AccountId>,
    /// The accounts that the caller may access.
    pub limit: AccountLimit,
    /// `Quarantined` selects all callbacks with an unparsed part, whatever their other parts
    /// contained.
    pub outcome: Option<Outcome>,
    /// Inclusive.
    pub received_after: Option<DateTime<Utc>>,
    /// Exclusive.
    pub received_before: Option<DateTime<Utc>>,
    /// Journal sequence number. Inclusive.
    pub first_seq: Option<i64>,
    /// Inclusive; for instance the last callback of the preview that the operator saw.
    pub last_seq: Option<i64>,
}

impl OutcomeFilter {
    /// Leaves out the accounts that a caller may not access.
    pub fn limit_to(&mut self, limit: &AccountLimit) {
        self.account = limit.filter_account(self.account.take());
        self.limit = limit.clone();
    }
}

impl Store {
    /// Outcomes with a `seq` greater than `after`, in the order of the journal.
    pub async fn list_outcomes_after(
        &self,
        filter: &OutcomeFilter,
        after: i64,
        limit: u64,
    ) -> Result<Vec<CallbackOutcome>, Error> {
        let query = matching(filter)
            .filter(Column::Seq.gt(after))
            .order_by_asc(Column::Seq);
        self.list_outcomes(query.limit(limit)).await
    }

    /// Newest first, with a `seq` below `before`.
    pub async fn list_outcomes_before(
        &self,
        filter: &OutcomeFilter,
        before: Option<i64>,
        limit: u64,
    ) -> Result<Vec<CallbackOutcome>, Error> {
        let query = matching(filter)
            .apply_if(before, |query, before| query.filter(Column::Seq.lt(before)))
            .order_by_desc(Column::Seq);
        self.list_outcomes(query.limit(limit)).await
    }

    async fn list_outcomes(&self, query: Select<Entity>) -> Result<Vec<CallbackOutcome>, Error> {
        let rows = query.all(self.pools().reader()).await?;
        rows.into_iter().map(CallbackOutcome::try_from).collect()
    }

    /// The outcome of a callback with the copy of its body in quarantine.
    pub async fn find_quarantined_copy(
        &self,
        callback: CallbackId,
    ) -> Result<Option<(CallbackOutcome, Vec<u8>)>, Error> {
        let reader = self.pools().reader();
        // The first unparsed part has the body.
        let copy = quarantined_part_row::Entity::find()
            .filter(quarantined_part_row::Column::Callback.eq(callback.uuid()))
            .order_by_asc(quarantined_part_row::Column::Part)
            .one(reader)
            .await?;
        let Some(copy) = copy else {
            return Ok(None);
        };
        let outcome = Entity::find_by_id(callback.uuid()).one(reader).await?;
        outcome
            .map(|row| CallbackOutcome::try_from(row).map(|outcome| (outcome, copy.content)))
            .transpose()
    }

    /// When each account last received a callback that failed authentication.
    pub async fn list_last_unverified(&self) -> Result<HashMap<AccountId, DateTime<Utc>>, Error> {
        let rows: Vec<(AccountId, i64)> = Entity::find()
            .select_only()
            .column(Column::Account)
            .column_as(Column::ReceivedAt.max(), "last")
            .filter(Column::Outcome.eq(Outcome::Unverified))
            .group_by(Column::Account)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|(account, last)| {
                let last = instant::from_millis("callback_outcomes", "received_at", last)?;
                Ok((account, last))
            })
            .collect()
    }
}

fn matching(filter: &OutcomeFilter) -> Select<Entity> {
    let received_after = filter.received_after.map(instant::to_millis);
    let received_before = filter.received_before.map(instant::to_millis);
    Entity::find()
        .apply_if(filter.ids.as_ref(), |query, ids| {
            query.filter(Column::Callback.is_in(ids.iter().map(|id| id.uuid())))
        })
        .apply_if(filter.account.as_ref(), |query, account| {
            query.filter(Column::Account.eq(account))
        })
        .apply_if(filter.limit.accounts(), |query, accounts| {
            query.filter(Column::Account.is_in(accounts))
        })
        .apply_if(filter.outcome, |query, outcome| {
            query.filter(has_outcome(outcome))
        })
        .apply_if(received_after, |query, at| {
            query.filter(Column::ReceivedAt.gte(at))
        })
        .apply_if(received_before, |query, at| {
            query.filter(Column::ReceivedAt.lt(at))
        })
        .apply_if(filter.first_seq, |query, seq| {
            query.filter(Column::Seq.gte(seq))
        })
        .apply_if(filter.last_seq, |query, seq| {
            query.filter(Column::Seq.lte(seq))
        })
}

fn has_outcome(outcome: Outcome) -> SimpleExpr {
    match outcome {
        Outcome::Quarantined => Column::Callback.in_subquery(
            Query::select()
                .column(quarantined_part_row::Column::Callback)
                .from(quarantined_part_row::Entity)
                .to_owned(),
        ),
        other => Column::Outcome.eq(other),
    }
}
