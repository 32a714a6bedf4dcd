//! When customers last wrote to an account, and when messages to them failed because their window
//! was closed. Customers' messages are stored only in the journal.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QuerySelect};

use crate::db::{Error, instant};
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::phone;
use crate::domain::recipient_spelling;
use crate::domain::recipient_spelling::canonical_spelling;
use crate::domain::window::{self, WindowEvents};
use crate::store::Store;
use crate::store::entities::window_row::{Column, Entity, Model};
use crate::store::entities::{account_row, message_row};
use crate::store::ledger::message_ledger::Ledger;

/// Rows per statement, so that bound values stay below SQLite's limit of 32,766.
const ROWS_PER_STATEMENT: usize = 1000;

/// By account and id: the digits of a phone number, or a user id.
pub type LatestInbound = BTreeMap<(AccountId, String), DateTime<Utc>>;

impl Ledger {
    /// Stores the times of inbound messages. A time older than the stored one changes nothing.
    pub async fn record_inbound(&mut self, latest: LatestInbound) -> Result<(), Error> {
        let mut of_accounts: BTreeMap<AccountId, DateTime<Utc>> = BTreeMap::new();
        let mut rows = Vec::with_capacity(latest.len());
        for ((account, identity), at) in latest {
            let is_phone = phone::are_digits(&identity);
            rows.push(
                Model {
                    account: account.clone(),
                    customer: identity,
                    last_inbound_at: instant::to_millis(at),
                }
                .into_active_model(),
            );
            // The number of a customer named by a user id is not known: its window must stay
            // unknown, and not count as closed.
            if !is_phone {
                continue;
            }
            let of_account = of_accounts.entry(account).or_insert(at);
            *of_account = Ord::max(*of_account, at);
        }
        let newer = OnConflict::columns([Column::Account, Column::Customer])
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
    /// What is known about the window of a customer at `now`, under any id. `identity` is the
    /// digits of a phone number, or a user id.
    pub async fn find_window_events(
        &self,
        account: &AccountId,
        identity: &str,
        now: DateTime<Utc>,
    ) -> Result<WindowEvents, Error> {
        let reader = self.pools().reader();
        let ids = [identity.to_owned()];
        let person = self.find_person(Some(account), &ids).await?;
        let spellings = recipient_spelling::spellings(identity);
        let others = person
            .iter()
            .flat_map(|held| recipient_spelling::spellings(&held.identity));
        let rows = Entity::find()
            .filter(Column::Account.eq(account))
            .filter(Column::Customer.is_in(spellings.iter().cloned().chain(others)))
            .all(reader)
            .await?;
        let mut of_customer = Vec::with_capacity(rows.len());
        for row in &rows {
            let at = instant::from_millis("windows", "last_inbound_at", row.last_inbound_at)?;
            let identity = canonical_spelling(&row.customer);
            let is_theirs = spellings.contains(&row.customer)
                || person
                    .iter()
                    .any(|held| held.identity == identity && held.holds_at(at));
            of_customer.extend(is_theirs.then_some(at));
        }
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
            inbound_of_customer: of_customer.into_iter().max(),
            refused_at: read("messages", "failed_at", refused_at.flatten())?,
        })
    }
}
