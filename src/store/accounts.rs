//! Accounts as the database remembers them: known for ever, paused or not, last heard from.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder,
};

use crate::db::{Error, instant};
use crate::domain::audit_action::Verb;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::Account;
use crate::store::Store;
use crate::store::entities::accounts::{Column, Entity, Model};
use crate::store::entities::actions;
use crate::store::ledger::Ledger;

/// What is remembered of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRecord {
    /// Its id.
    pub id: AccountId,
    /// Its provider.
    pub provider: ProviderId,
    /// The callback address's generation when it was last configured.
    pub generation: u32,
    /// Why sending is paused, and since when.
    pub pause: Option<Pause>,
    /// When its provider last called back.
    pub last_callback_at: Option<DateTime<Utc>>,
    /// When an earlier callback address was last used.
    pub old_address_at: Option<DateTime<Utc>>,
    /// When an account that has a rate may send next.
    pub next_send_at: Option<DateTime<Utc>>,
}

/// Why an account does not send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pause {
    /// Since when.
    pub since: DateTime<Utc>,
    /// The provider's own words.
    pub reason: String,
}

impl Pause {
    /// Why a message of the account waits.
    pub fn in_words(&self) -> String {
        format!("sending is paused: {}", self.reason)
    }
}

impl Store {
    /// Remembers the configured accounts.
    pub async fn remember_accounts(
        &self,
        accounts: &[Account],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                for account in accounts {
                    let row = Model {
                        id: account.id.clone(),
                        provider: account.provider(),
                        generation: i32::try_from(account.callback_generation).unwrap_or(i32::MAX),
                        paused_at: None,
                        pause_reason: None,
                        last_callback_at: None,
                        old_address_at: None,
                        last_inbound_at: None,
                        first_seen_at: instant::write(now),
                        next_send_at: None,
                    };
                    let renew = OnConflict::column(Column::Id)
                        .update_columns([Column::Provider, Column::Generation])
                        .to_owned();
                    Entity::insert(row.into_active_model())
                        .on_conflict(renew)
                        .exec_without_returning(transaction)
                        .await?;
                }
                Ok(())
            })
            .await
    }

    /// Every account ever known, by id.
    pub async fn list_accounts(&self) -> Result<BTreeMap<AccountId, AccountRecord>, Error> {
        let rows = Entity::find()
            .order_by_asc(Column::Id)
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|row| AccountRecord::try_from(row).map(|record| (record.id.clone(), record)))
            .collect()
    }
}

impl Ledger {
    /// Stops an account from sending, for the reason its provider gave. An account that is paused already keeps its first reason; tells whether this one paused it.
    pub async fn pause_account(
        &mut self,
        account: &AccountId,
        reason: &str,
    ) -> Result<bool, Error> {
        let paused = Entity::update_many()
            .col_expr(Column::PausedAt, Expr::value(instant::write(self.now())))
            .col_expr(Column::PauseReason, Expr::value(reason))
            .filter(Column::Id.eq(account).and(Column::PausedAt.is_null()))
            .exec(self.transaction())
            .await?;
        Ok(paused.rows_affected == 1)
    }

    /// The account of a loaded message, and when it was tried: handed over or, where that is not known, `received_at`.
    pub fn tried(
        &self,
        message: MessageId,
        received_at: DateTime<Utc>,
    ) -> Result<Option<(AccountId, DateTime<Utc>)>, Error> {
        let Some(row) = self.row(message) else {
            return Ok(None);
        };
        let handed_over = row
            .handed_over_at
            .map(|at| instant::read("messages", "handed_over_at", at))
            .transpose()?;
        Ok(Some((
            row.account.clone(),
            handed_over.unwrap_or(received_at),
        )))
    }

    /// Stops an account of which a report says that its provider refuses it; `tried_at` is when its message was tried.
    ///
    /// Not where an operator has let it send again since: such a report is about what was mended. Tells whether this one paused it.
    pub async fn pause_by_report(
        &mut self,
        account: &AccountId,
        tried_at: DateTime<Utc>,
        reason: &str,
    ) -> Result<bool, Error> {
        let resumed_since = actions::Entity::find()
            .filter(actions::Column::Verb.eq(Verb::ResumeAccount))
            .filter(actions::Column::Account.eq(account))
            .filter(actions::Column::HappenedAt.gt(instant::write(tried_at)))
            .count(self.transaction())
            .await?;
        if resumed_since > 0 {
            return Ok(false);
        }
        self.pause_account(account, reason).await
    }

    /// Lets an account send again; false when it was not paused.
    pub async fn resume_account(&mut self, account: &AccountId) -> Result<bool, Error> {
        let touched = Entity::update_many()
            .col_expr(Column::PausedAt, Expr::value(Option::<i64>::None))
            .col_expr(Column::PauseReason, Expr::value(Option::<String>::None))
            .filter(Column::Id.eq(account).and(Column::PausedAt.is_not_null()))
            .exec(self.transaction())
            .await?;
        Ok(touched.rows_affected == 1)
    }

    /// Takes an account's next place to send, `gap` behind the last; false while it has not come. All processes stand in one line.
    pub async fn take_place(&mut self, account: &AccountId, gap: TimeDelta) -> Result<bool, Error> {
        let row = Entity::find_by_id(account.clone())
            .one(self.transaction())
            .await?;
        let now = instant::write(self.now());
        let place = row.and_then(|row| row.next_send_at).unwrap_or(now);
        if place > now {
            return Ok(false);
        }
        let gap = gap.num_milliseconds();
        // A pause is not made up for by a burst.
        let next = Ord::max(place, now - gap) + gap;
        Entity::update_many()
            .col_expr(Column::NextSendAt, Expr::value(next))
            .filter(Column::Id.eq(account))
            .exec(self.transaction())
            .await?;
        Ok(true)
    }

    /// Whether an account is paused.
    pub async fn is_paused(&self, account: &AccountId) -> Result<bool, Error> {
        let row = Entity::find_by_id(account.clone())
            .one(self.transaction())
            .await?;
        Ok(row.is_some_and(|row| row.paused_at.is_some()))
    }
}

/// Remembers when a provider last called back, and by an earlier address.
pub(crate) async fn heard_from(
    connection: &impl ConnectionTrait,
    account: &AccountId,
    last: DateTime<Utc>,
    by_old_address: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let heard = [
        (Column::LastCallbackAt, Some(last)),
        (Column::OldAddressAt, by_old_address),
    ];
    for (column, at) in heard {
        let Some(at) = at.map(instant::write) else {
            continue;
        };
        // What is read late, from the spool or again, was not heard last.
        Entity::update_many()
            .col_expr(column, Expr::value(at))
            .filter(Column::Id.eq(account))
            .filter(column.is_null().or(column.lt(at)))
            .exec(connection)
            .await?;
    }
    Ok(())
}

impl TryFrom<Model> for AccountRecord {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let since = instant::read_optional("accounts", "paused_at", row.paused_at)?;
        Ok(Self {
            generation: u32::try_from(row.generation)
                .map_err(|_| Error::inconsistent("accounts", "generation", &row.id))?,
            id: row.id,
            provider: row.provider,
            pause: since.map(|since| Pause {
                since,
                reason: row.pause_reason.clone().unwrap_or_default(),
            }),
            last_callback_at: instant::read_optional(
                "accounts",
                "last_callback_at",
                row.last_callback_at,
            )?,
            old_address_at: instant::read_optional(
                "accounts",
                "old_address_at",
                row.old_address_at,
            )?,
            next_send_at: instant::read_optional("accounts", "next_send_at", row.next_send_at)?,
        })
    }
}
