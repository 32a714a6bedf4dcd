//! When customers last wrote to an account. Their messages are stored only in the journal.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::ids::AccountId;
use crate::domain::phone::{self, PhoneNumber};
use crate::domain::window::LastInbound;
use crate::store::Store;
use crate::store::entities::account_row;
use crate::store::entities::window_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

/// Rows per statement, so that bound values stay below SQLite's limit of 32,766.
const ROWS_PER_STATEMENT: usize = 1000;

pub type LatestInbound = BTreeMap<(AccountId, PhoneNumber), DateTime<Utc>>;

impl Ledger {
    /// Stores the times of inbound messages. An older one than the stored changes nothing.
    pub async fn record_inbound(&mut self, latest: LatestInbound) -> Result<(), Error> {
        let mut of_accounts: BTreeMap<AccountId, DateTime<Utc>> = BTreeMap::new();
        let mut rows = Vec::with_capacity(latest.len());
        for ((account, phone), at) in latest {
            rows.push(
                Model {
                    account: account.clone(),
                    phone: phone.digits().to_owned(),
                    last_inbound_at: instant::to_millis(at),
                }
                .into_active_model(),
            );
            let of_account = of_accounts.entry(account).or_insert(at);
            *of_account = Ord::max(*of_account, at);
        }
        let newer = OnConflict::columns([Column::Account, Column::Phone])
            .update_column(Column::LastInboundAt)
            .action_and_where(
                Expr::col((Entity, Column::LastInboundAt))
                    .lt(Expr::col(("excluded", Column::LastInboundAt))),
            )
            .to_owned();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            Entity::insert_many(chunk.to_vec())
                .on_conflict(newer.clone())
                .exec_without_returning(self.transaction())
                .await?;
        }
        for (account, at) in of_accounts {
            let column = account_row::Column::LastInboundAt;
            account_row::Entity::update_many()
                .col_expr(column, Expr::value(instant::to_millis(at)))
                .filter(account_row::Column::Id.eq(account))
                .filter(column.is_null().or(column.lt(instant::to_millis(at))))
                .exec(self.transaction())
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// When this customer, and when any customer, last wrote to an account.
    pub async fn find_last_inbound(
        &self,
        account: &AccountId,
        phone: &PhoneNumber,
    ) -> Result<LastInbound, Error> {
        let reader = self.pools().reader();
        let rows = Entity::find()
            .filter(Column::Account.eq(account))
            .filter(Column::Phone.is_in(phone::spellings(phone.digits())))
            .all(reader)
            .await?;
        let known = account_row::Entity::find_by_id(account.clone())
            .one(reader)
            .await?;
        let read = |column, millis| instant::from_optional_millis("windows", column, millis);
        Ok(LastInbound {
            to_account: read("account", known.and_then(|known| known.last_inbound_at))?,
            of_customer: read(
                "last_inbound_at",
                rows.iter().map(|row| row.last_inbound_at).max(),
            )?,
        })
    }
}
