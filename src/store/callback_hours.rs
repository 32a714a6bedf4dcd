//! Counts callbacks per account and hour, over all processes, with their receipts and orphans.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::ids::AccountId;
use crate::store::Store;
use crate::store::entities::callback_hour_row::{Column, Entity, Model};
use crate::store::entities::column_types::OrEmpty;
use crate::store::ledger::message_ledger::Ledger;

const MILLIS_PER_HOUR: i64 = 3_600_000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackHour {
    /// Start of the hour.
    pub hour: DateTime<Utc>,
    /// Absent for all unknown accounts together.
    pub account: Option<AccountId>,
    pub callbacks: u64,
    pub bytes: u64,
    pub receipts: u64,
    /// Created in this hour.
    pub orphans: u64,
}

impl Store {
    /// Adds to the stored hours, and deletes hours before `kept_since`.
    pub async fn add_callback_hours(
        &self,
        hours: Vec<CallbackHour>,
        kept_since: DateTime<Utc>,
    ) -> Result<(), Error> {
        let sum = |column: Column| Expr::col((Entity, column)).add(Expr::col(("excluded", column)));
        let add = OnConflict::columns([Column::Hour, Column::Account])
            .value(Column::Callbacks, sum(Column::Callbacks))
            .value(Column::Bytes, sum(Column::Bytes))
            .value(Column::Receipts, sum(Column::Receipts))
            .value(Column::Orphans, sum(Column::Orphans))
            .to_owned();
        self.pools()
            .within(async |transaction| {
                for hour in hours {
                    let row = Model {
                        hour: instant::to_millis(hour.hour),
                        account: OrEmpty(hour.account),
                        callbacks: i64::try_from(hour.callbacks).unwrap_or(i64::MAX),
                        bytes: i64::try_from(hour.bytes).unwrap_or(i64::MAX),
                        receipts: i64::try_from(hour.receipts).unwrap_or(i64::MAX),
                        orphans: i64::try_from(hour.orphans).unwrap_or(i64::MAX),
                        adopted: 0,
                    };
                    Entity::insert(row.into_active_model())
                        .on_conflict(add.clone())
                        .exec_without_returning(transaction)
                        .await?;
                }
                Entity::delete_many()
                    .filter(Column::Hour.lt(instant::to_millis(kept_since)))
                    .exec(transaction)
                    .await?;
                Ok(())
            })
            .await
    }

    /// Hours that started at or after `since`.
    pub async fn list_callback_hours(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<CallbackHour>, Error> {
        let rows = Entity::find()
            .filter(Column::Hour.gte(instant::to_millis(since)))
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(CallbackHour::try_from).collect()
    }
}

impl Ledger {
    /// How many orphans of an account were adopted within the last 24 hours.
    pub async fn count_adopted(&self, account: &AccountId) -> Result<u64, Error> {
        let since = instant::to_millis(self.now() - TimeDelta::hours(24));
        let rows = Entity::find()
            .filter(Column::Hour.gt(since))
            .filter(Column::Account.eq(OrEmpty(Some(account.clone()))))
            .all(self.transaction())
            .await?;
        let adopted: i64 = rows.iter().map(|row| row.adopted).sum();
        Ok(u64::try_from(adopted).unwrap_or_default())
    }

    pub async fn add_adopted(&self, account: &AccountId, adopted: u64) -> Result<(), Error> {
        let now = instant::to_millis(self.now());
        let row = Model {
            hour: now - now.rem_euclid(MILLIS_PER_HOUR),
            account: OrEmpty(Some(account.clone())),
            callbacks: 0,
            bytes: 0,
            receipts: 0,
            orphans: 0,
            adopted: i64::try_from(adopted).unwrap_or(i64::MAX),
        };
        let sum =
            Expr::col((Entity, Column::Adopted)).add(Expr::col(("excluded", Column::Adopted)));
        let add = OnConflict::columns([Column::Hour, Column::Account])
            .value(Column::Adopted, sum)
            .to_owned();
        Entity::insert(row.into_active_model())
            .on_conflict(add)
            .exec_without_returning(self.transaction())
            .await?;
        Ok(())
    }
}

impl TryFrom<Model> for CallbackHour {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let bad = |column| Error::inconsistent("callback_hours", column, row.hour);
        Ok(Self {
            hour: instant::from_millis("callback_hours", "hour", row.hour)?,
            account: row.account.0,
            callbacks: u64::try_from(row.callbacks).map_err(|_| bad("callbacks"))?,
            bytes: u64::try_from(row.bytes).map_err(|_| bad("bytes"))?,
            receipts: u64::try_from(row.receipts).map_err(|_| bad("receipts"))?,
            orphans: u64::try_from(row.orphans).map_err(|_| bad("orphans"))?,
        })
    }
}
