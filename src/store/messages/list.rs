//! The list of messages: filters, the one search box, and pages by keyset, newest first.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::domain::delivery::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{Message, Origin};
use crate::domain::phone;
use crate::domain::provider::ProviderId;
use crate::store::entities::messages::{Column, Entity, Model};
use crate::store::entities::provider_ids;
use crate::store::put_aside::message_is_aside;
use crate::store::{Error, Store, instant};

/// Which messages to list; every given condition must hold. Messages known only from callbacks are never listed here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageFilter {
    /// Account.
    pub account: Option<AccountId>,
    /// Provider.
    pub provider: Option<ProviderId>,
    /// Business number, `+` and digits.
    pub sender: Option<String>,
    /// Any of these states; empty for all.
    pub states: Vec<DeliveryState>,
    /// Image or video.
    pub kind: Option<MediaKind>,
    /// The customer's whole number, digits.
    pub recipient: Option<String>,
    /// Exactly this text in any reference slot or as client reference.
    pub reference: Option<String>,
    /// Any id that the provider used.
    pub provider_id: Option<String>,
    /// Failure code.
    pub code: Option<String>,
    /// Failure class.
    pub class: Option<FailureClass>,
    /// On the phone and reported as failed, or not.
    pub conflict: Option<bool>,
    /// Overdue at this instant.
    pub overdue_at: Option<DateTime<Utc>>,
    /// Not overdue at this instant.
    pub on_time_at: Option<DateTime<Utc>>,
    /// How we came to know it.
    pub origin: Option<Origin>,
    /// Sent again as a new message, or not.
    pub resent: Option<bool>,
    /// Put aside by an operator, or not.
    pub put_aside: Option<bool>,
    /// Created at or after.
    pub created_after: Option<DateTime<Utc>>,
    /// Created before.
    pub created_before: Option<DateTime<Utc>>,
    /// The search box; any of these fits.
    pub search: Vec<Search>,
}

/// One reading of what was typed into the search box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Search {
    /// Our id.
    Id(MessageId),
    /// A provider's id, whole.
    ProviderId(String),
    /// The customer's whole number, digits.
    Phone(String),
    /// How the customer's number begins, digits.
    PhonePrefix(String),
    /// How the customer's number ends, digits.
    PhoneSuffix(String),
    /// How a reference begins.
    ReferencePrefix(String),
}

/// Where a page ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Creation of the last message shown.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: MessageId,
}

/// One page, newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
}

impl Store {
    /// A page of at most `limit` messages older than `after`.
    pub async fn list_messages(
        &self,
        filter: &MessageFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let rows = listed(filter, after)
            .limit(wanted)
            .all(self.pools().reader())
            .await?;
        let mut page = Page::of(rows, limit)?;
        self.explain_waiting(&mut page.messages).await?;
        Ok(page)
    }
}

impl Page {
    /// The first `limit` of the rows; one more was asked for to know whether there are more.
    pub(crate) fn of(rows: Vec<Model>, limit: usize) -> Result<Self, Error> {
        let more = rows.len() > limit;
        let messages = rows
            .into_iter()
            .take(limit)
            .map(Message::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let next = messages.last().filter(|_| more).map(|last| Cursor {
            created_at: last.created_at,
            id: last.id,
        });
        Ok(Self { messages, next })
    }
}

/// Messages that fit, newest first, older than `after`.
pub(crate) fn listed(filter: &MessageFilter, after: Option<Cursor>) -> Select<Entity> {
    newest_first(narrow(Entity::find(), filter), after)
}

/// Newest first, older than `after`.
pub(crate) fn newest_first(query: Select<Entity>, after: Option<Cursor>) -> Select<Entity> {
    let older = after.map(|after| {
        let (created_at, id) = (instant::write(after.created_at), after.id.uuid());
        Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)])
            .lt(Expr::tuple([Expr::value(created_at), Expr::value(id)]))
    });
    query
        .filter(older.into_iter().fold(Condition::all(), Condition::add))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
}

fn narrow(query: Select<Entity>, filter: &MessageFilter) -> Select<Entity> {
    let mut all = Condition::all().add(Column::Origin.ne(Origin::Provisional.as_str()));
    let given = [
        filter
            .account
            .as_ref()
            .map(|account| Column::Account.eq(account.as_str())),
        filter
            .provider
            .map(|provider| Column::Provider.eq(provider.as_str())),
        filter
            .sender
            .as_ref()
            .map(|sender| Column::Sender.eq(sender.as_str())),
        filter.kind.map(|kind| Column::Kind.eq(kind.as_str())),
        filter
            .recipient
            .as_ref()
            .map(|recipient| sent_to(recipient)),
        filter.provider_id.as_ref().map(|id| holds(id)),
        filter
            .code
            .as_ref()
            .map(|code| Column::FailureCode.eq(code.as_str())),
        filter
            .class
            .map(|class| Column::FailureClass.eq(class.as_str())),
        filter.conflict.map(|conflict| {
            if conflict {
                in_conflict()
            } else {
                in_conflict().not()
            }
        }),
        filter
            .overdue_at
            .map(|now| Column::DueAt.lte(instant::write(now))),
        filter.resent.map(|resent| {
            if resent {
                Column::ResentAs.is_not_null()
            } else {
                Column::ResentAs.is_null()
            }
        }),
        filter.put_aside.map(|aside| {
            if aside {
                message_is_aside()
            } else {
                message_is_aside().not()
            }
        }),
        filter
            .origin
            .map(|origin| Column::Origin.eq(origin.as_str())),
        filter
            .created_after
            .map(|at| Column::CreatedAt.gte(instant::write(at))),
        filter
            .created_before
            .map(|at| Column::CreatedAt.lt(instant::write(at))),
    ];
    for condition in given.into_iter().flatten() {
        all = all.add(condition);
    }
    if let Some(now) = filter.on_time_at {
        all = all.add(
            Column::DueAt
                .is_null()
                .or(Column::DueAt.gt(instant::write(now))),
        );
    }
    if !filter.states.is_empty() {
        all = all.add(Column::State.is_in(filter.states.iter().map(|state| state.as_str())));
    }
    if let Some(reference) = &filter.reference {
        all = all.add(
            references()
                .into_iter()
                .fold(Condition::any(), |any, column| {
                    any.add(column.eq(reference.as_str()))
                }),
        );
    }
    if !filter.search.is_empty() {
        all = all.add(
            filter
                .search
                .iter()
                .fold(Condition::any(), |any, search| any.add(fits(search))),
        );
    }
    query.filter(all)
}

/// The bare column: SQLite sees that `WHERE conflict` of the index is meant, which it does not in `conflict = ?`.
pub(crate) fn in_conflict() -> SimpleExpr {
    Expr::col((Entity, Column::Conflict))
}

fn references() -> [Column; 4] {
    [
        Column::Reference,
        Column::Reference1,
        Column::Reference2,
        Column::ClientReference,
    ]
}

fn fits(search: &Search) -> Condition {
    match search {
        Search::Id(id) => Condition::all().add(Column::Id.eq(id.uuid())),
        Search::ProviderId(id) => Condition::all().add(holds(id)),
        Search::Phone(digits) => Condition::all().add(sent_to(digits)),
        Search::PhonePrefix(digits) => begins(Column::Recipient, digits),
        Search::PhoneSuffix(digits) => begins(
            Column::RecipientReversed,
            &digits.chars().rev().collect::<String>(),
        ),
        Search::ReferencePrefix(text) => references()
            .into_iter()
            .fold(Condition::any(), |any, column| {
                any.add(begins(column, text))
            }),
    }
}

/// To this customer, in every spelling of the number. One spelling is compared for equality, so that the index keeps its order.
pub(crate) fn sent_to(recipient: &str) -> SimpleExpr {
    match phone::spellings(recipient).as_slice() {
        [only] => Column::Recipient.eq(only.as_str()),
        several => Column::Recipient.is_in(several),
    }
}

/// A range an index serves; `LIKE` would not use a binary index.
fn begins(column: Column, prefix: &str) -> Condition {
    Condition::all()
        .add(column.gte(prefix))
        .add(column.lt(format!("{prefix}\u{10FFFF}")))
}

fn holds(id: &str) -> SimpleExpr {
    Column::Id.in_subquery(
        Query::select()
            .column(provider_ids::Column::Message)
            .from(provider_ids::Entity)
            .and_where(provider_ids::Column::ProviderId.eq(id))
            .to_owned(),
    )
}
