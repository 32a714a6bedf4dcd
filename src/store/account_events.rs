//! The events of accounts, as callbacks report them; newest first.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::account_event::{AccountEvent, AccountEventKind};
use crate::domain::ids::{AccountId, CallbackId};
use crate::store::Store;
use crate::store::entities::account_event_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

/// Events kept per account; beyond that, the oldest are deleted.
pub const EVENTS_PER_ACCOUNT: u64 = 10_000;

/// Selects events of an account; all given conditions must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventFilter {
    pub kind: Option<AccountEventKind>,
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
    pub template: Option<String>,
    /// Digits of the business number.
    pub sender: Option<String>,
}

/// Where a page of events ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventCursor {
    pub at: DateTime<Utc>,
    pub callback: CallbackId,
    pub part: i32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventPage {
    pub events: Vec<AccountEvent>,
    pub next: Option<EventCursor>,
}

impl Ledger {
    /// Stores events, and removes those of their accounts beyond [`EVENTS_PER_ACCOUNT`].
    pub async fn record_events(&mut self, events: Vec<AccountEvent>) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let rows: Vec<Model> = events.into_iter().map(Model::from).collect();
        let accounts: BTreeSet<AccountId> = rows.iter().map(|row| row.account.clone()).collect();
        let rows: Vec<&Model> = rows.iter().collect();
        let replace = "ON CONFLICT (callback, part) DO UPDATE SET account = excluded.account, \
                       happened_at = excluded.happened_at, kind = excluded.kind, \
                       title = excluded.title, previous = excluded.previous, \
                       current = excluded.current, template = excluded.template, \
                       sender = excluded.sender, detail = excluded.detail";
        statements::insert::<Entity>(self.transaction(), &rows, replace).await?;
        for account in accounts {
            self.remove_oldest_events(&account).await?;
        }
        Ok(())
    }

    async fn remove_oldest_events(&mut self, account: &AccountId) -> Result<(), Error> {
        let surplus: Option<(i64, Uuid, i32)> = newest_first(of_account(account))
            .select_only()
            .columns([Column::HappenedAt, Column::Callback, Column::Part])
            .offset(EVENTS_PER_ACCOUNT)
            .limit(1)
            .into_tuple()
            .one(self.transaction())
            .await?;
        if let Some((at, callback, part)) = surplus {
            Entity::delete_many()
                .filter(Column::Account.eq(account))
                .filter(sort_key().lte(Expr::tuple([
                    Expr::value(at),
                    Expr::value(callback),
                    Expr::value(part),
                ])))
                .exec(self.transaction())
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// Newest first.
    pub async fn list_account_events(
        &self,
        account: &AccountId,
        filter: &EventFilter,
        after: Option<EventCursor>,
        limit: usize,
    ) -> Result<EventPage, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let rows = newest_first(matching(account, filter))
            .apply_if(after, |query, after| {
                query.filter(sort_key().lt(Expr::tuple([
                    Expr::value(instant::to_millis(after.at)),
                    Expr::value(after.callback.uuid()),
                    Expr::value(after.part),
                ])))
            })
            .limit(wanted)
            .all(self.pools().reader())
            .await?;
        let more = rows.len() > limit;
        let events: Vec<AccountEvent> = rows
            .into_iter()
            .take(limit)
            .map(AccountEvent::try_from)
            .collect::<Result<_, _>>()?;
        let next = events.last().filter(|_| more).map(|last| EventCursor {
            at: last.at,
            callback: last.callback,
            part: last.part,
        });
        Ok(EventPage { events, next })
    }
}

fn of_account(account: &AccountId) -> Select<Entity> {
    Entity::find().filter(Column::Account.eq(account))
}

fn matching(account: &AccountId, filter: &EventFilter) -> Select<Entity> {
    of_account(account)
        .apply_if(filter.kind, |query, kind| {
            query.filter(Column::Kind.eq(kind))
        })
        .apply_if(filter.from, |query, at| {
            query.filter(Column::HappenedAt.gte(instant::to_millis(at)))
        })
        .apply_if(filter.to, |query, at| {
            query.filter(Column::HappenedAt.lt(instant::to_millis(at)))
        })
        .apply_if(filter.template.as_ref(), |query, template| {
            query.filter(Column::Template.eq(template))
        })
        .apply_if(filter.sender.as_ref(), |query, sender| {
            query.filter(Column::Sender.eq(sender))
        })
}

fn newest_first(query: Select<Entity>) -> Select<Entity> {
    query
        .order_by_desc(Column::HappenedAt)
        .order_by_desc(Column::Callback)
        .order_by_desc(Column::Part)
}

fn sort_key() -> sea_orm::sea_query::SimpleExpr {
    Expr::tuple([
        Expr::col(Column::HappenedAt),
        Expr::col(Column::Callback),
        Expr::col(Column::Part),
    ])
}

impl From<AccountEvent> for Model {
    fn from(event: AccountEvent) -> Self {
        Self {
            callback: event.callback.uuid(),
            part: event.part,
            account: event.account,
            happened_at: instant::to_millis(event.at),
            kind: event.kind,
            title: event.title,
            previous: event.previous,
            current: event.current,
            template: event.template,
            sender: event.sender,
            detail: event.detail,
        }
    }
}

impl TryFrom<Model> for AccountEvent {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            callback: row.callback.into(),
            part: row.part,
            account: row.account,
            at: instant::from_millis("account_events", "happened_at", row.happened_at)?,
            kind: row.kind,
            title: row.title,
            previous: row.previous,
            current: row.current,
            template: row.template,
            sender: row.sender,
            detail: row.detail,
        })
    }
}
