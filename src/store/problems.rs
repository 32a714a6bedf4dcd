//! Lists of what needs a person and is no message: ids that two messages claim, and parts of callbacks that could not be understood.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, CallbackId, MessageId, ProviderMessageId};
use crate::store::Store;
use crate::store::entities::{id_conflicts, quarantine};
use crate::store::put_aside::callback_is_aside;

/// An id that two sent messages claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdConflict {
    /// The account whose provider gave it twice.
    pub account: AccountId,
    /// The id.
    pub provider_id: ProviderMessageId,
    /// The message that keeps it.
    pub message: MessageId,
    /// The message that was told to have it, too.
    pub claimant: MessageId,
    /// When that was first told.
    pub seen_at: DateTime<Utc>,
}

/// A part of a callback that could not be understood, without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuarantinedPart {
    /// The callback.
    pub callback: CallbackId,
    /// Which part of it, from 0.
    pub part: i32,
    /// The account it came for.
    pub account: AccountId,
    /// How many parts of the callback were not understood.
    pub parts: u64,
    /// Why it was not understood, in words.
    pub reason: String,
    /// When it was put aside.
    pub quarantined_at: DateTime<Utc>,
}

/// The parts of one callback that could not be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// How many there are.
    pub count: u64,
    /// The first of them: which part, from 0, and why.
    pub first: Vec<(i32, String)>,
}

/// Where a page of ids that two messages claim ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimPlace {
    /// When the last one shown was told.
    pub seen_at: DateTime<Utc>,
    /// Its claimant.
    pub claimant: MessageId,
    /// Its id.
    pub provider_id: String,
}

impl Store {
    /// What of a callback could not be understood, with at most `limit` reasons.
    pub async fn find_unreadable(
        &self,
        callback: CallbackId,
        limit: u64,
    ) -> Result<Unreadable, Error> {
        let parts =
            quarantine::Entity::find().filter(quarantine::Column::Callback.eq(callback.uuid()));
        let reader = self.pools().reader();
        Ok(Unreadable {
            count: parts.clone().count(reader).await?,
            first: parts
                .select_only()
                .columns([quarantine::Column::Part, quarantine::Column::Reason])
                .order_by_asc(quarantine::Column::Part)
                .limit(limit)
                .into_tuple()
                .all(reader)
                .await?,
        })
    }

    /// Ids that two sent messages claim, newest first, older than `after`.
    pub async fn list_id_conflicts(
        &self,
        after: Option<&ClaimPlace>,
        limit: u64,
    ) -> Result<Vec<IdConflict>, Error> {
        let older = after.map(|after| {
            Expr::tuple([
                Expr::col(id_conflicts::Column::SeenAt),
                Expr::col(id_conflicts::Column::Claimant),
                Expr::col(id_conflicts::Column::ProviderId),
            ])
            .lt(Expr::tuple([
                Expr::value(instant::write(after.seen_at)),
                Expr::value(after.claimant.uuid()),
                Expr::value(after.provider_id.as_str()),
            ]))
        });
        let rows = id_conflicts::Entity::find()
            .filter(older.into_iter().fold(Condition::all(), Condition::add))
            .order_by_desc(id_conflicts::Column::SeenAt)
            .order_by_desc(id_conflicts::Column::Claimant)
            .order_by_desc(id_conflicts::Column::ProviderId)
            .limit(limit)
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(IdConflict {
                    account: row.account,
                    provider_id: ProviderMessageId::parse(&row.provider_id).map_err(|_| {
                        Error::inconsistent("id_conflicts", "provider_id", row.claimant)
                    })?,
                    message: row.message.into(),
                    claimant: row.claimant.into(),
                    seen_at: instant::read("id_conflicts", "seen_at", row.seen_at)?,
                })
            })
            .collect()
    }

    /// Callbacks that could not be understood, in whole or in part, newest first, older than `before`; of each the first such part.
    pub async fn list_quarantine(
        &self,
        before: Option<CallbackId>,
        limit: u64,
    ) -> Result<Vec<QuarantinedPart>, Error> {
        let first_parts = Query::select()
            .column(quarantine::Column::Callback)
            .expr(Expr::col(quarantine::Column::Part).min())
            .from(quarantine::Entity)
            .group_by_col(quarantine::Column::Callback)
            .to_owned();
        let rows: Vec<(Uuid, i32, AccountId, String, i64)> = quarantine::Entity::find()
            .select_only()
            .columns([
                quarantine::Column::Callback,
                quarantine::Column::Part,
                quarantine::Column::Account,
                quarantine::Column::Reason,
                quarantine::Column::QuarantinedAt,
            ])
            .filter(
                Expr::tuple([
                    Expr::col(quarantine::Column::Callback),
                    Expr::col(quarantine::Column::Part),
                ])
                .in_subquery(first_parts),
            )
            .filter(
                before
                    .map(|before| quarantine::Column::Callback.lt(before.uuid()))
                    .into_iter()
                    .fold(Condition::all(), Condition::add),
            )
            .filter(callback_is_aside().not())
            .order_by_desc(quarantine::Column::Callback)
            .limit(limit)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let listed: Vec<Uuid> = rows.iter().map(|(callback, ..)| *callback).collect();
        let parts = self.count_parts(&listed).await?;
        rows.into_iter()
            .map(|(callback, part, account, reason, at)| {
                Ok(QuarantinedPart {
                    callback: callback.into(),
                    part,
                    parts: parts.get(&callback).copied().unwrap_or(1),
                    account,
                    reason,
                    quarantined_at: instant::read("quarantine", "quarantined_at", at)?,
                })
            })
            .collect()
    }
    /// How many unreadable parts each of these callbacks has.
    async fn count_parts(&self, callbacks: &[Uuid]) -> Result<HashMap<Uuid, u64>, Error> {
        let rows: Vec<(Uuid, i64)> = quarantine::Entity::find()
            .select_only()
            .column(quarantine::Column::Callback)
            .column_as(quarantine::Column::Part.count(), "parts")
            .filter(quarantine::Column::Callback.is_in(callbacks.iter().copied()))
            .group_by(quarantine::Column::Callback)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(rows
            .into_iter()
            .map(|(callback, parts)| (callback, u64::try_from(parts).unwrap_or_default()))
            .collect())
    }
}
