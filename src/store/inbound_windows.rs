//! When customers last wrote to an account, and when messages to them failed because their window
//! was closed. Customers' messages are stored only in the journal.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QuerySelect};

use crate::db::{Error, instant, statements};
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::person::HeldId;
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

/// An account, and an id of a customer: the digits of a phone number, or a user id.
pub type CustomerKey = (AccountId, String);

pub type LatestInbound = BTreeMap<CustomerKey, DateTime<Utc>>;

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
    /// [`Store::list_window_events`] of one customer.
    pub async fn find_window_events(
        &self,
        account: &AccountId,
        identity: &str,
        now: DateTime<Utc>,
    ) -> Result<WindowEvents, Error> {
        let customer = (account.clone(), identity.to_owned());
        let mut found = self.list_window_events(&[customer], now).await?;
        Ok(found.pop().unwrap_or_default())
    }

    /// What is known about the windows of these customers at `now`, under any of their ids; in their
    /// order.
    pub async fn list_window_events(
        &self,
        customers: &[CustomerKey],
        now: DateTime<Utc>,
    ) -> Result<Vec<WindowEvents>, Error> {
        if customers.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.list_known_ids(customers).await?;
        let accounts: BTreeSet<&AccountId> = customers.iter().map(|(account, _)| account).collect();
        let inbound_to_accounts = self.list_inbound_to(&accounts).await?;
        let ids = known.iter().flat_map(KnownIds::all);
        let inbound = self.list_inbound_of(&accounts, ids.collect()).await?;
        let spellings = known.iter().flat_map(|ids| ids.spellings.iter().cloned());
        let refused = self
            .list_refused(&accounts, spellings.collect(), now - window::LENGTH)
            .await?;
        let events = known.iter().zip(customers).map(|(ids, (account, _))| {
            let of = |id: &String| (account.clone(), id.clone());
            let refused = ids.spellings.iter().filter_map(|id| refused.get(&of(id)));
            WindowEvents {
                inbound_to_account: inbound_to_accounts.get(account).copied(),
                inbound_from_customer: ids
                    .all()
                    .filter_map(|id| {
                        let at = *inbound.get(&of(&id))?;
                        ids.belonged_at(&id, at).then_some(at)
                    })
                    .max(),
                refused_at: refused.max().copied(),
            }
        });
        Ok(events.collect())
    }

    /// The ids of each of these customers.
    async fn list_known_ids(&self, customers: &[CustomerKey]) -> Result<Vec<KnownIds>, Error> {
        let identities = customers.iter().map(|(_, identity)| identity);
        let linked = self
            .list_linked(identities.map(|id| canonical_spelling(id)).collect())
            .await?;
        let mut known = Vec::with_capacity(customers.len());
        for (account, identity) in customers {
            let person = if linked.contains(&canonical_spelling(identity)) {
                let ids = [identity.clone()];
                self.find_person(Some(account), &ids).await?
            } else {
                BTreeSet::new()
            };
            known.push(KnownIds {
                spellings: recipient_spelling::spellings(identity),
                person,
            });
        }
        Ok(known)
    }

    /// When anyone last wrote to each of these accounts.
    async fn list_inbound_to(
        &self,
        accounts: &BTreeSet<&AccountId>,
    ) -> Result<BTreeMap<AccountId, DateTime<Utc>>, Error> {
        let rows = account_row::Entity::find()
            .filter(account_row::Column::Id.is_in(accounts.iter().copied()))
            .all(self.pools().reader())
            .await?;
        let mut inbound = BTreeMap::new();
        for row in rows {
            let at = row.last_inbound_at;
            let at = instant::from_optional_millis("accounts", "last_inbound_at", at)?;
            inbound.extend(at.map(|at| (row.id, at)));
        }
        Ok(inbound)
    }

    /// When these ids last wrote to these accounts.
    async fn list_inbound_of(
        &self,
        accounts: &BTreeSet<&AccountId>,
        ids: BTreeSet<String>,
    ) -> Result<LatestInbound, Error> {
        let rows = Entity::find()
            .filter(Column::Account.is_in(accounts.iter().copied()))
            .filter(Column::Customer.is_in(statements::padded(&texts(&ids))))
            .all(self.pools().reader())
            .await?;
        let times = rows.into_iter().map(|row| {
            let at = instant::from_millis("windows", "last_inbound_at", row.last_inbound_at)?;
            Ok(((row.account, row.customer), at))
        });
        times.collect()
    }

    /// When messages of these accounts to these recipients last failed because of their windows.
    ///
    /// The fold writes these columns, so a replay or a rebuild updates them.
    async fn list_refused(
        &self,
        accounts: &BTreeSet<&AccountId>,
        recipients: BTreeSet<String>,
        after: DateTime<Utc>,
    ) -> Result<LatestInbound, Error> {
        use message_row::Column as Message;
        // A literal, as in the condition of the partial index.
        let class = format!("failure_class = '{}'", FailureClass::Window.as_str());
        let rows: Vec<(AccountId, String, i64)> = message_row::Entity::find()
            .select_only()
            .column(Message::Account)
            .column(Message::Recipient)
            .column_as(Message::FailedAt.max(), "refused_at")
            .filter(Message::Account.is_in(accounts.iter().copied()))
            .filter(Message::Recipient.is_in(statements::padded(&texts(&recipients))))
            .filter(Message::FailedAt.gt(instant::to_millis(after)))
            .filter(Expr::cust(class))
            .group_by(Message::Account)
            .group_by(Message::Recipient)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let times = rows.into_iter().map(|(account, recipient, at)| {
            let at = instant::from_millis("messages", "failed_at", at)?;
            Ok(((account, recipient), at))
        });
        times.collect()
    }
}

/// The ids under which a customer may have written.
struct KnownIds {
    spellings: Vec<String>,
    person: BTreeSet<HeldId>,
}

impl KnownIds {
    /// Includes ids that belonged to another customer for a while.
    fn all(&self) -> impl Iterator<Item = String> {
        let held = self.person.iter();
        let others = held.flat_map(|held| recipient_spelling::spellings(&held.identity));
        self.spellings.iter().cloned().chain(others)
    }

    /// Whether this id belonged to the customer at that time.
    fn belonged_at(&self, id: &String, at: DateTime<Utc>) -> bool {
        let identity = canonical_spelling(id);
        let mut held = self.person.iter();
        self.spellings.contains(id)
            || held.any(|held| held.identity == identity && held.holds_at(at))
    }
}

fn texts(ids: &BTreeSet<String>) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}
