//! When customers last wrote to an account. Their messages are stored only in the journal.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::ids::AccountId;
use crate::domain::person::canonical;
use crate::domain::phone;
use crate::domain::window::LastInbound;
use crate::store::Store;
use crate::store::entities::account_row;
use crate::store::entities::window_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

/// Rows per statement, so that bound values stay below SQLite's limit of 32,766.
const ROWS_PER_STATEMENT: usize = 1000;

/// By account and id: the digits of a phone number, or a user id.
pub type LatestInbound = BTreeMap<(AccountId, String), DateTime<Utc>>;

impl Ledger {
    /// Stores the times of inbound messages. An older one than the stored changes nothing.
    pub async fn record_inbound(&mut self, latest: LatestInbound) -> Result<(), Error> {
        let mut of_accounts: BTreeMap<AccountId, DateTime<Utc>> = BTreeMap::new();
        let mut rows = Vec::with_capacity(latest.len());
        for ((account, identity), at) in latest {
            let is_phone = phone::are_digits(&identity);
            rows.push(
                Model {
                    account: account.clone(),
                    phone: identity,
                    last_inbound_at: instant::to_millis(at),
                }
                .into_active_model(),
            );
            // A customer without a number may be any number's: the windows of others stay unknown.
            if !is_phone {
                continue;
            }
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
    /// When this customer, under any id, and when any customer last wrote to an account. `identity`
    /// is the digits of a phone number, or a user id.
    pub async fn find_last_inbound(
        &self,
        account: &AccountId,
        identity: &str,
    ) -> Result<LastInbound, Error> {
        let reader = self.pools().reader();
        let ids = [identity.to_owned()];
        let person = self.find_person(Some(account), &ids).await?;
        let spellings = phone::spellings(identity);
        let others = person
            .iter()
            .flat_map(|held| phone::spellings(&held.identity));
        let rows = Entity::find()
            .filter(Column::Account.eq(account))
            .filter(Column::Phone.is_in(spellings.iter().cloned().chain(others)))
            .all(reader)
            .await?;
        let mut of_customer = Vec::with_capacity(rows.len());
        for row in &rows {
            let at = instant::from_millis("windows", "last_inbound_at", row.last_inbound_at)?;
            let identity = canonical(&row.phone);
            let is_theirs = spellings.contains(&row.phone)
                || person
                    .iter()
                    .any(|held| held.identity == identity && held.holds_at(at));
            of_customer.extend(is_theirs.then_some(at));
        }
        let known = account_row::Entity::find_by_id(account.clone())
            .one(reader)
            .await?;
        let read = |column, millis| instant::from_optional_millis("windows", column, millis);
        Ok(LastInbound {
            to_account: read("account", known.and_then(|known| known.last_inbound_at))?,
            of_customer: of_customer.into_iter().max(),
        })
    }
}
