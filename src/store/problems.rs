//! Lists of what needs a person and is no message: ids that two messages claim, and parts of callbacks that could not be understood.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::domain::ids::{AccountId, CallbackId, MessageId, ProviderMessageId};
use crate::store::entities::{id_conflicts, quarantine};
use crate::store::{Error, Store, instant};

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
    /// Why it was not understood, in words.
    pub reason: String,
    /// When it was put aside.
    pub quarantined_at: DateTime<Utc>,
}

impl Store {
    /// Ids that two sent messages claim, newest first.
    pub async fn list_id_conflicts(&self, limit: u64) -> Result<Vec<IdConflict>, Error> {
        let rows = id_conflicts::Entity::find()
            .order_by_desc(id_conflicts::Column::SeenAt)
            .order_by_desc(id_conflicts::Column::Claimant)
            .limit(limit)
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|row| {
                let bad = |column| Error::inconsistent("id_conflicts", column, row.claimant);
                Ok(IdConflict {
                    account: row.account.parse().map_err(|_| bad("account"))?,
                    provider_id: ProviderMessageId::parse(&row.provider_id)
                        .map_err(|_| bad("provider_id"))?,
                    message: row.message.into(),
                    claimant: row.claimant.into(),
                    seen_at: instant::read("id_conflicts", "seen_at", row.seen_at)?,
                })
            })
            .collect()
    }

    /// Callbacks that could not be understood, in whole or in part, newest first; of each the first such part.
    pub async fn list_quarantine(&self, limit: u64) -> Result<Vec<QuarantinedPart>, Error> {
        let first_parts = Query::select()
            .column(quarantine::Column::Callback)
            .expr(Expr::col(quarantine::Column::Part).min())
            .from(quarantine::Entity)
            .group_by_col(quarantine::Column::Callback)
            .to_owned();
        let rows: Vec<(Uuid, i32, String, String, i64)> = quarantine::Entity::find()
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
            .order_by_desc(quarantine::Column::Callback)
            .limit(limit)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|(callback, part, account, reason, at)| {
                Ok(QuarantinedPart {
                    callback: callback.into(),
                    part,
                    account: account
                        .parse()
                        .map_err(|_| Error::inconsistent("quarantine", "account", callback))?,
                    reason,
                    quarantined_at: instant::read("quarantine", "quarantined_at", at)?,
                })
            })
            .collect()
    }
}
