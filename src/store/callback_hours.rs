//! How many callbacks came in each hour, of all processes together: what an account's usual hour is known from.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::ids::AccountId;
use crate::store::Store;
use crate::store::entities::callback_hours::{Column, Entity, Model};

/// What stands for accounts that nobody remembers; no account has this id.
const NOBODY: &str = "";

/// What an account took in one hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackHour {
    /// When the hour began.
    pub hour: DateTime<Utc>,
    /// The account; absent for all those together that nobody remembers.
    pub account: Option<AccountId>,
    /// Callbacks made durable.
    pub callbacks: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

impl Store {
    /// Adds to what is known of hours, and forgets hours before `kept_since`.
    pub async fn add_callback_hours(
        &self,
        hours: Vec<CallbackHour>,
        kept_since: DateTime<Utc>,
    ) -> Result<(), Error> {
        let sum = |column: Column| Expr::col((Entity, column)).add(Expr::col(("excluded", column)));
        let add = OnConflict::columns([Column::Hour, Column::Account])
            .value(Column::Callbacks, sum(Column::Callbacks))
            .value(Column::Bytes, sum(Column::Bytes))
            .to_owned();
        self.pools()
            .within(async |transaction| {
                for hour in hours {
                    let row = Model {
                        hour: instant::write(hour.hour),
                        account: hour
                            .account
                            .as_ref()
                            .map_or(NOBODY, AccountId::as_str)
                            .to_owned(),
                        callbacks: i64::try_from(hour.callbacks).unwrap_or(i64::MAX),
                        bytes: i64::try_from(hour.bytes).unwrap_or(i64::MAX),
                    };
                    Entity::insert(row.into_active_model())
                        .on_conflict(add.clone())
                        .exec_without_returning(transaction)
                        .await?;
                }
                Entity::delete_many()
                    .filter(Column::Hour.lt(instant::write(kept_since)))
                    .exec(transaction)
                    .await?;
                Ok(())
            })
            .await
    }

    /// The hours that began at or after `since`: at most so many rows as there are hours and accounts.
    pub async fn list_callback_hours(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<CallbackHour>, Error> {
        let rows = Entity::find()
            .filter(Column::Hour.gte(instant::write(since)))
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(CallbackHour::try_from).collect()
    }
}

impl TryFrom<Model> for CallbackHour {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let bad = |column| Error::inconsistent("callback_hours", column, row.hour);
        Ok(Self {
            hour: instant::read("callback_hours", "hour", row.hour)?,
            account: match row.account.as_str() {
                NOBODY => None,
                id => Some(id.parse().map_err(|_| bad("account"))?),
            },
            callbacks: u64::try_from(row.callbacks).map_err(|_| bad("callbacks"))?,
            bytes: u64::try_from(row.bytes).map_err(|_| bad("bytes"))?,
        })
    }
}
