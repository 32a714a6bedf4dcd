//! Quarantine: the parts of callbacks that could not be parsed, each with its own copy of the body.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Func, OnConflict, Query};
use sea_orm::{
    ColumnTrait, DerivePartialModel, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, CallbackId};
use crate::store::Store;
use crate::store::dismissals::callback_is_dismissed;
use crate::store::entities::quarantined_part_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

/// Rows per statement, so that bound values stay below SQLite's limit of 32,766.
const ROWS_PER_STATEMENT: usize = 1000;

/// An unparsed part, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuarantinedCopy {
    pub callback: CallbackId,
    /// From 0.
    pub part: i32,
    pub account: AccountId,
    /// Shown to operators.
    pub reason: String,
    /// A copy of the body, which outlives the callback's row in the journal.
    pub content: Vec<u8>,
    /// Of the callback.
    pub received_at: DateTime<Utc>,
}

/// An unparsed part, as it is listed: without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuarantinedPart {
    pub callback: CallbackId,
    /// From 0.
    pub part: i32,
    pub account: AccountId,
    /// The number of unparsed parts of the callback.
    pub parts: u64,
    /// Shown to operators.
    pub reason: String,
    /// When the callback was received.
    pub quarantined_at: DateTime<Utc>,
}

/// The columns of a listed part: the content may be megabytes.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "Entity")]
struct ListedPart {
    callback: Uuid,
    part: i32,
    account: AccountId,
    reason: String,
    quarantined_at: i64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnparsedParts {
    pub count: u64,
    /// The numbers of the first parts, from 0, each with the reason.
    pub first: Vec<(i32, String)>,
}

impl Ledger {
    /// Which of these callbacks have an unparsed part.
    pub async fn list_quarantined(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashSet<CallbackId>, Error> {
        let rows: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::Callback)
            .distinct()
            .filter(Column::Callback.is_in(callbacks.iter().map(|id| id.uuid())))
            .into_tuple()
            .all(self.transaction())
            .await?;
        Ok(rows.into_iter().map(CallbackId::from).collect())
    }

    pub(super) async fn store_quarantined(
        &self,
        quarantined: Vec<QuarantinedCopy>,
    ) -> Result<(), Error> {
        let rows: Vec<_> = quarantined
            .into_iter()
            .map(|part| Model {
                callback: part.callback.uuid(),
                part: part.part,
                account: part.account,
                reason: part.reason,
                content: part.content,
                quarantined_at: instant::to_millis(part.received_at),
            })
            .map(IntoActiveModel::into_active_model)
            .collect();
        let again = OnConflict::columns([Column::Callback, Column::Part])
            .update_column(Column::Reason)
            .to_owned();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            Entity::insert_many(chunk.to_vec())
                .on_conflict(again.clone())
                .exec_without_returning(self.transaction())
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// The unparsed parts of a callback, with at most `limit` reasons.
    pub async fn find_unparsed_parts(
        &self,
        callback: CallbackId,
        limit: u64,
    ) -> Result<UnparsedParts, Error> {
        let parts = Entity::find().filter(Column::Callback.eq(callback.uuid()));
        let reader = self.pools().reader();
        Ok(UnparsedParts {
            count: parts.clone().count(reader).await?,
            first: parts
                .select_only()
                .columns([Column::Part, Column::Reason])
                .order_by_asc(Column::Part)
                .limit(limit)
                .into_tuple()
                .all(reader)
                .await?,
        })
    }

    /// The size in bytes of the copy of each of these callbacks.
    pub async fn list_copy_sizes(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, u64>, Error> {
        let size = Func::cust("length").arg(Expr::col(Column::Content));
        let rows: Vec<(Uuid, i64)> = Entity::find()
            .select_only()
            .column(Column::Callback)
            .column_as(Expr::expr(size).max().cast_as("bigint"), "size")
            .filter(Column::Callback.is_in(callbacks.iter().map(|id| id.uuid())))
            .group_by(Column::Callback)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let sizes = rows
            .into_iter()
            .map(|(callback, size)| (callback.into(), u64::try_from(size).unwrap_or_default()));
        Ok(sizes.collect())
    }

    /// The first unparsed part of each callback that has one, newest first, with ids below
    /// `before`.
    pub async fn list_quarantine(
        &self,
        before: Option<CallbackId>,
        limit: u64,
    ) -> Result<Vec<QuarantinedPart>, Error> {
        let first_parts = Query::select()
            .column(Column::Callback)
            .expr(Expr::col(Column::Part).min())
            .from(Entity)
            .group_by_col(Column::Callback)
            .to_owned();
        let listed: Vec<ListedPart> = Entity::find()
            .filter(
                Expr::tuple([Expr::col(Column::Callback), Expr::col(Column::Part)])
                    .in_subquery(first_parts),
            )
            .apply_if(before, |query, before| {
                query.filter(Column::Callback.lt(before.uuid()))
            })
            .filter(callback_is_dismissed().not())
            .order_by_desc(Column::Callback)
            .limit(limit)
            .into_partial_model()
            .all(self.pools().reader())
            .await?;
        let callbacks: Vec<Uuid> = listed.iter().map(|part| part.callback).collect();
        let parts = self.count_parts(&callbacks).await?;
        listed
            .into_iter()
            .map(|row| {
                Ok(QuarantinedPart {
                    callback: row.callback.into(),
                    part: row.part,
                    parts: parts.get(&row.callback).copied().unwrap_or(1),
                    account: row.account,
                    reason: row.reason,
                    quarantined_at: instant::from_millis(
                        "quarantine",
                        "quarantined_at",
                        row.quarantined_at,
                    )?,
                })
            })
            .collect()
    }

    /// The number of unparsed parts of each of these callbacks.
    async fn count_parts(&self, callbacks: &[Uuid]) -> Result<HashMap<Uuid, u64>, Error> {
        let rows: Vec<(Uuid, i64)> = Entity::find()
            .select_only()
            .column(Column::Callback)
            .column_as(Column::Part.count(), "parts")
            .filter(Column::Callback.is_in(callbacks.iter().copied()))
            .group_by(Column::Callback)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(rows
            .into_iter()
            .map(|(callback, parts)| (callback, u64::try_from(parts).unwrap_or_default()))
            .collect())
    }
}
