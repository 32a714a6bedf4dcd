//! When customers last wrote to an account, and when messages to them failed because their window was
//! closed. Customers' messages are stored only in the journal.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QuerySelect};

use crate::db::{Error, instant};
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::phone::{self, PhoneNumber};
use crate::domain::window::{self, WindowEvents};
use crate::store::Store;
use crate::store::entities::window_row::{Column, Entity, Model};
use crate::store::entities::{account_row, message_row};
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
    /// What is known about the window of a customer at `now`.
    pub async fn find_window_events(
        &self,
        account: &AccountId,
        phone: &PhoneNumber,
        now: DateTime<Utc>,
    ) -> Result<WindowEvents, Error> {
        let reader = self.pools().reader();
        let spellings = phone::spellings(phone.digits());
        let rows = Entity::find()
            .filter(Column::Account.eq(account))
            .filter(Column::Phone.is_in(spellings.clone()))
            .all(reader)
            .await?;
        let known = account_row::Entity::find_by_id(account.clone())
            .one(reader)
            .await?;
        // The fold keeps these columns, so that a replay and a rebuild change them. The words are
        // literal, as in the partial index.
        let class = format!("failure_class = '{}'", FailureClass::Window.as_str());
        let refused_at: Option<Option<i64>> = message_row::Entity::find()
            .select_only()
            .column_as(message_row::Column::FailedAt.max(), "refused_at")
            .filter(message_row::Column::Account.eq(account))
            .filter(message_row::Column::Recipient.is_in(spellings))
            .filter(message_row::Column::FailedAt.gt(instant::to_millis(now - window::LENGTH)))
            .filter(Expr::cust(class))
            .into_tuple()
            .one(reader)
            .await?;
        let read = |table, column, millis| instant::from_optional_millis(table, column, millis);
        Ok(WindowEvents {
            inbound_to_account: read(
                "accounts",
                "last_inbound_at",
                known.and_then(|known| known.last_inbound_at),
            )?,
            inbound_of_customer: read(
                "windows",
                "last_inbound_at",
                rows.iter().map(|row| row.last_inbound_at).max(),
            )?,
            refused_at: read("messages", "failed_at", refused_at.flatten())?,
        })
    }
}
