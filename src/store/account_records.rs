//! What the database stores about accounts, including removed ones: pauses, and when they were last
//! active.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IdenStatic, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Statement, Value,
};

use crate::db::{Error, instant, statements};
use crate::domain::audit_action::ActionKind;
use crate::domain::callback_record::{Route, UrlMistake};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::paused_by::PausedBy;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::Account;
use crate::store::Store;
use crate::store::entities::account_row::{Column, Entity, Model};
use crate::store::entities::action_row;
use crate::store::ledger::message_ledger::Ledger;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRecord {
    pub id: AccountId,
    pub provider: ProviderId,
    /// The generation of the callback URL, as last configured.
    pub generation: u32,
    pub pause: Option<Pause>,
    pub last_callback_at: Option<DateTime<Utc>>,
    /// When a callback last arrived at a URL of an earlier generation or secret key.
    pub old_address_at: Option<DateTime<Utc>>,
    /// When a callback last arrived at its URL with white space in it.
    pub url_space_at: Option<DateTime<Utc>>,
    /// When a callback last arrived at its URL with a doubled slash.
    pub url_slash_at: Option<DateTime<Utc>>,
    /// The last text that a callback contained instead of an id, and when.
    pub constant_id: Option<(String, DateTime<Utc>)>,
    /// When an id last was longer than providers document.
    pub long_id_at: Option<DateTime<Utc>>,
}

/// What the callback URL of an account is derived from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackUrlRecord {
    pub account: AccountId,
    pub provider: ProviderId,
    /// As last configured.
    pub generation: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pause {
    pub since: DateTime<Utc>,
    pub by: PausedBy,
    /// In the words of the provider or of the operator.
    pub reason: String,
}

impl Pause {
    /// The hold reason of the account's messages.
    pub fn hold_text(&self) -> String {
        format!("sending is paused: {}", self.reason)
    }
}

impl Store {
    pub async fn record_accounts(
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
                        paused_by: None,
                        last_callback_at: None,
                        old_address_at: None,
                        url_space_at: None,
                        url_slash_at: None,
                        constant_id: None,
                        constant_id_at: None,
                        long_id_at: None,
                        last_inbound_at: None,
                        first_seen_at: instant::to_millis(now),
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

    /// Includes accounts that are no longer configured. Reads only columns that every version has,
    /// so the schema may be that of an earlier one.
    pub async fn list_callback_url_records(&self) -> Result<Vec<CallbackUrlRecord>, Error> {
        let rows: Vec<(AccountId, ProviderId, i32)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Provider, Column::Generation])
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|(account, provider, generation)| {
                let bad = |_| Error::inconsistent("accounts", "generation", account.as_str());
                Ok(CallbackUrlRecord {
                    generation: u32::try_from(generation).map_err(bad)?,
                    account: account.clone(),
                    provider,
                })
            })
            .collect()
    }

    /// Includes accounts that are no longer configured.
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
    /// Pauses an account. A paused account keeps its first reason. Returns whether this call paused
    /// it.
    pub async fn pause_account(
        &mut self,
        account: &AccountId,
        by: PausedBy,
        reason: &str,
    ) -> Result<bool, Error> {
        let paused = Entity::update_many()
            .col_expr(
                Column::PausedAt,
                Expr::value(instant::to_millis(self.now())),
            )
            .col_expr(Column::PauseReason, Expr::value(reason))
            .col_expr(Column::PausedBy, Expr::value(by))
            .filter(Column::Id.eq(account).and(Column::PausedAt.is_null()))
            .exec(self.transaction())
            .await?;
        Ok(paused.rows_affected == 1)
    }

    /// The account of a loaded message, and when it was submitted, or `received_at` if unknown.
    pub fn find_submission(
        &self,
        message: MessageId,
        received_at: DateTime<Utc>,
    ) -> Result<Option<(AccountId, DateTime<Utc>)>, Error> {
        let Some(row) = self.row(message) else {
            return Ok(None);
        };
        let started_at =
            instant::from_optional_millis("messages", "handed_over_at", row.submission_started_at)?;
        Ok(Some((
            row.account.clone(),
            started_at.unwrap_or(received_at),
        )))
    }

    /// Pauses an account because of a report that the provider rejects it. `submitted_at` is when
    /// the reported message was submitted.
    ///
    /// Does nothing if an operator has resumed the account since: the cause of the report is fixed.
    /// Returns whether this call paused it.
    pub async fn pause_by_report(
        &mut self,
        account: &AccountId,
        submitted_at: DateTime<Utc>,
        reason: &str,
    ) -> Result<bool, Error> {
        let resumed_since = action_row::Entity::find()
            .filter(action_row::Column::Kind.eq(ActionKind::ResumeAccount))
            .filter(action_row::Column::Account.eq(account))
            .filter(action_row::Column::HappenedAt.gt(instant::to_millis(submitted_at)))
            .count(self.transaction())
            .await?;
        if resumed_since > 0 {
            return Ok(false);
        }
        self.pause_account(account, PausedBy::Provider, reason)
            .await
    }

    /// Returns whether the account was paused.
    pub async fn resume_account(&mut self, account: &AccountId) -> Result<bool, Error> {
        let touched = Entity::update_many()
            .col_expr(Column::PausedAt, Expr::value(Option::<i64>::None))
            .col_expr(Column::PauseReason, Expr::value(Option::<String>::None))
            .col_expr(Column::PausedBy, Expr::value(Option::<PausedBy>::None))
            .filter(Column::Id.eq(account).and(Column::PausedAt.is_not_null()))
            .exec(self.transaction())
            .await?;
        Ok(touched.rows_affected == 1)
    }

    pub async fn is_paused(&self, account: &AccountId) -> Result<bool, Error> {
        let row = Entity::find_by_id(account.clone())
            .one(self.transaction())
            .await?;
        Ok(row.is_some_and(|row| row.paused_at.is_some()))
    }
}

/// When an account's callbacks last arrived, by the kind of URL.
#[derive(Debug, Default)]
pub(crate) struct CallbackTimes {
    last: Option<DateTime<Utc>>,
    old_address: Option<DateTime<Utc>>,
    url_space: Option<DateTime<Utc>>,
    url_slash: Option<DateTime<Utc>>,
}

impl CallbackTimes {
    pub(crate) fn add(&mut self, route: Option<Route>, received_at: DateTime<Utc>) {
        let of_route = match route {
            Some(Route::OldCallback) => Some(&mut self.old_address),
            Some(Route::MistypedCallback(UrlMistake::WhiteSpace)) => Some(&mut self.url_space),
            Some(Route::MistypedCallback(UrlMistake::DoubledSlash)) => Some(&mut self.url_slash),
            Some(Route::Callback | Route::Report(_)) | None => None,
        };
        for time in [Some(&mut self.last), of_route].into_iter().flatten() {
            *time = Ord::max(*time, Some(received_at));
        }
    }
}

/// In one statement for all accounts. A callback from the spool or a replay may be older than the
/// stored time.
pub(crate) async fn record_callback_times(
    connection: &impl ConnectionTrait,
    accounts: &BTreeMap<AccountId, CallbackTimes>,
) -> Result<(), Error> {
    const TYPES: [&str; 5] = ["text", "bigint", "bigint", "bigint", "bigint"];
    if accounts.is_empty() {
        return Ok(());
    }
    let latest = |column: Column, given: &str| {
        let column = column.as_str();
        format!(
            "{column} = CASE WHEN accounts.{column} >= given.{given} THEN accounts.{column} \
             ELSE coalesce(given.{given}, accounts.{column}) END"
        )
    };
    let set = [
        latest(Column::LastCallbackAt, "column2"),
        latest(Column::OldAddressAt, "column3"),
        latest(Column::UrlSpaceAt, "column4"),
        latest(Column::UrlSlashAt, "column5"),
    ]
    .join(", ");
    let backend = connection.get_database_backend();
    let size = accounts.len().next_power_of_two();
    let mut values: Vec<Value> = Vec::with_capacity(size * TYPES.len());
    for (account, times) in accounts {
        let CallbackTimes {
            last,
            old_address,
            url_space,
            url_slash,
        } = times;
        values.push(account.as_str().into());
        let times = [last, old_address, url_space, url_slash];
        values.extend(times.map(|at| Value::from(at.map(instant::to_millis))));
    }
    statements::pad(&mut values, TYPES.len(), size);
    let given = statements::placeholders(backend, &TYPES, size);
    let sql = format!(
        "UPDATE accounts SET {set} FROM ({given}) AS given WHERE accounts.id = given.column1"
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    connection.execute_raw(statement).await?;
    Ok(())
}

impl TryFrom<Model> for AccountRecord {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let since = instant::from_optional_millis("accounts", "paused_at", row.paused_at)?;
        Ok(Self {
            generation: u32::try_from(row.generation)
                .map_err(|_| Error::inconsistent("accounts", "generation", &row.id))?,
            id: row.id,
            provider: row.provider,
            pause: since.map(|since| Pause {
                since,
                by: row.paused_by.unwrap_or(PausedBy::Provider),
                reason: row.pause_reason.clone().unwrap_or_default(),
            }),
            last_callback_at: instant::from_optional_millis(
                "accounts",
                "last_callback_at",
                row.last_callback_at,
            )?,
            old_address_at: instant::from_optional_millis(
                "accounts",
                "old_address_at",
                row.old_address_at,
            )?,
            url_space_at: instant::from_optional_millis(
                "accounts",
                "url_space_at",
                row.url_space_at,
            )?,
            url_slash_at: instant::from_optional_millis(
                "accounts",
                "url_slash_at",
                row.url_slash_at,
            )?,
            constant_id: row.constant_id.zip(instant::from_optional_millis(
                "accounts",
                "constant_id_at",
                row.constant_id_at,
            )?),
            long_id_at: instant::from_optional_millis("accounts", "long_id_at", row.long_id_at)?,
        })
    }
}
