//! How the messages of a list are found: by which index, so that on ten million a page takes some milliseconds whatever was asked.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, Query, SelectStatement, SimpleExpr, UnionType};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};

use crate::domain::message::Origin;
use crate::domain::phone;
use crate::store::entities::messages::{Column, Entity};
use crate::store::entities::provider_ids;
use crate::store::instant;
use crate::store::messages::list::{Cursor, MessageFilter, Search};
use crate::store::put_aside::message_is_aside;

/// So many messages that have a text are found by its index and sorted within half a second. Where more have it, one is met soon on a walk
/// through all, unless they are all old.
pub(crate) const RARE: u64 = 100_000;

/// What a list is found by: the rarest of what is asked for that has an index, or else the list's own order.
///
/// SQLite does not know how many messages have the same account or are of one week, and would rather walk them all, since they are in order,
/// than find the few that are asked for and sort those. So every other column is masked: an expression keeps it from its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lead {
    /// The message's own id, or one that its provider uses.
    Id,
    /// The customer.
    Recipient,
    /// What was typed into the search box.
    Search,
    /// The reference.
    Reference,
    /// The failure code.
    Code,
    /// Being reported as failed, and on the phone.
    Conflict,
    /// Having been sent again.
    Resent,
    /// Being overdue.
    Overdue,
    /// The failure class.
    Class,
    /// The time, within an account or a state where these are asked for.
    Order,
}

/// Whether very many messages have the texts that are searched for, as they have the first digits of a country's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Common {
    /// What was typed into the search box.
    pub(crate) search: bool,
    /// The reference.
    pub(crate) reference: bool,
}

impl Lead {
    /// The first in the order of rarity.
    pub(crate) fn of(filter: &MessageFilter, common: Common) -> Self {
        let searched = !filter.search.is_empty() && !common.search;
        let referred = filter.reference.is_some() && !common.reference;
        let ranked = [
            (filter.provider_id.is_some(), Self::Id),
            (filter.recipient.is_some(), Self::Recipient),
            (searched, Self::Search),
            (referred, Self::Reference),
            (filter.code.is_some(), Self::Code),
            (filter.conflict == Some(true), Self::Conflict),
            (filter.resent == Some(true), Self::Resent),
            (filter.overdue_at.is_some(), Self::Overdue),
            (filter.class.is_some(), Self::Class),
        ];
        let first = ranked.into_iter().find(|(given, _)| *given);
        first.map_or(Self::Order, |(_, lead)| lead)
    }

    /// A column that belongs to `lead`: bare where that leads, else masked.
    fn column(self, lead: Self, column: Column) -> SimpleExpr {
        operand(column, self != lead)
    }

    /// When messages were created: their order, with which most indexes go on.
    fn created_at(self) -> SimpleExpr {
        let masked = matches!(self, Self::Id | Self::Search | Self::Reference);
        operand(Column::CreatedAt, masked)
    }
}

/// A column, or the same as an expression that no index serves.
fn operand(column: Column, masked: bool) -> SimpleExpr {
    let column = Expr::col((Entity, column));
    if masked {
        column.clone().if_null(column)
    } else {
        column
    }
}

/// At most `limit` messages that fit, newest first, older than `after`.
pub(crate) fn listed(
    filter: &MessageFilter,
    lead: Lead,
    after: Option<Cursor>,
    limit: u64,
) -> Select<Entity> {
    let states: BTreeSet<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    let state = lead.column(Lead::Order, Column::State);
    let fitting = if states.is_empty() {
        narrow(filter, lead, after)
    } else if states.len() == 1 || lead != Lead::Order {
        narrow(filter, lead, after).filter(state.is_in(states))
    } else {
        let each = states
            .into_iter()
            .map(|word| narrow(filter, lead, after).filter(state.clone().eq(word)));
        Entity::find().filter(Column::Id.in_subquery(newest_of(each, limit)))
    };
    newest_first(fitting).limit(limit)
}

/// One query for each way of having what was typed that many messages may have: it finds something where more than `rare` do.
pub(crate) fn beyond_search(
    filter: &MessageFilter,
    rare: u64,
) -> impl Iterator<Item = Select<Entity>> {
    let ranges = filter.search.iter().flat_map(|search| match search {
        Search::Id(_) | Search::ProviderId(_) | Search::Phone(_) => Vec::new(),
        Search::PhonePrefix(_) | Search::PhoneSuffix(_) | Search::ReferencePrefix(_) => {
            ranges(search, |column| operand(column, false))
        }
    });
    ranges.map(move |range| beyond(range, rare))
}

/// The same for the reference.
pub(crate) fn beyond_reference(
    filter: &MessageFilter,
    rare: u64,
) -> impl Iterator<Item = Select<Entity>> {
    let given = filter.reference.iter().flat_map(|reference| {
        references().map(|column| Condition::all().add(column.eq(reference.as_str())))
    });
    given.map(move |range| beyond(range, rare))
}

fn beyond(range: Condition, rare: u64) -> Select<Entity> {
    let one = Entity::find().select_only().expr_as(Expr::cust("1"), "one");
    one.filter(range).offset(rare).limit(1)
}

/// Newest first.
pub(crate) fn newest_first(query: Select<Entity>) -> Select<Entity> {
    query
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
}

/// Whether a message comes after the last one of a page.
pub(crate) fn older_than(created_at: SimpleExpr, after: Option<Cursor>) -> Condition {
    let older = after.map(|after| {
        let place = Expr::tuple([created_at, Expr::col((Entity, Column::Id))]);
        let (created_at, id) = (instant::write(after.created_at), after.id.uuid());
        place.lt(Expr::tuple([Expr::value(created_at), Expr::value(id)]))
    });
    older.into_iter().fold(Condition::all(), Condition::add)
}

/// The ids of the newest of what several queries find, each of which walks an index in its order, to `limit` and no further. Asked for several
/// states at once SQLite walks all that comes in order, whatever its state.
fn newest_of(queries: impl Iterator<Item = Select<Entity>>, limit: u64) -> SelectStatement {
    let place = [Column::Id, Column::CreatedAt];
    let mut each = queries.map(|query| {
        let newest = newest_first(query).limit(limit);
        let newest = newest.select_only().columns(place).into_query();
        // Within a union SQLite takes an order and a limit only one query further in.
        let mut select = Query::select();
        select.columns(place).from_subquery(newest, "newest");
        select
    });
    let mut newest = each.next().unwrap_or_default();
    newest
        .unions(each.map(|others| (UnionType::All, others)))
        // By the names of the union's columns: it is of no one table.
        .order_by(Column::CreatedAt, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(limit);
    let mut ids = Query::select();
    ids.column(Column::Id).from_subquery(newest, "newest");
    ids
}

/// What fits, whatever its state.
fn narrow(filter: &MessageFilter, lead: Lead, after: Option<Cursor>) -> Select<Entity> {
    let mut all = Condition::all().add(Column::Origin.ne(Origin::Provisional.as_str()));
    let given = [
        filter.account.as_ref().map(|account| {
            lead.column(Lead::Order, Column::Account)
                .eq(account.as_str())
        }),
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
        filter.code.as_ref().map(|code| {
            lead.column(Lead::Code, Column::FailureCode)
                .eq(code.as_str())
        }),
        filter.class.map(|class| {
            lead.column(Lead::Class, Column::FailureClass)
                .eq(class.as_str())
        }),
        filter.conflict.map(|conflict| {
            if conflict {
                lead.column(Lead::Conflict, Column::Conflict)
            } else {
                in_conflict().not()
            }
        }),
        filter.overdue_at.map(|now| {
            lead.column(Lead::Overdue, Column::DueAt)
                .lte(instant::write(now))
        }),
        filter.resent.map(|resent| {
            if resent {
                lead.column(Lead::Resent, Column::ResentAs).is_not_null()
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
            .map(|at| lead.created_at().gte(instant::write(at))),
        filter
            .created_before
            .map(|at| lead.created_at().lt(instant::write(at))),
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
    if let Some(reference) = &filter.reference {
        all = all.add(
            references()
                .into_iter()
                .fold(Condition::any(), |any, column| {
                    any.add(lead.column(Lead::Reference, column).eq(reference.as_str()))
                }),
        );
    }
    if !filter.search.is_empty() {
        let fits = filter
            .search
            .iter()
            .flat_map(|search| ranges(search, |it| lead.column(Lead::Search, it)));
        all = all.add(fits.fold(Condition::any(), Condition::add));
    }
    let older = older_than(lead.created_at(), after);
    Entity::find().filter(all).filter(older)
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

/// Each way in which a message may fit a reading of what was typed.
fn ranges(search: &Search, text: impl Fn(Column) -> SimpleExpr) -> Vec<Condition> {
    let fits = |condition| vec![Condition::all().add(condition)];
    match search {
        Search::Id(id) => fits(Column::Id.eq(id.uuid())),
        Search::ProviderId(id) => fits(holds(id)),
        Search::Phone(digits) => fits(sent_to(digits)),
        Search::PhonePrefix(digits) => vec![begins(&text(Column::Recipient), digits)],
        Search::PhoneSuffix(digits) => {
            let reversed: String = digits.chars().rev().collect();
            vec![begins(&text(Column::RecipientReversed), &reversed)]
        }
        Search::ReferencePrefix(beginning) => references()
            .map(|column| begins(&text(column), beginning))
            .to_vec(),
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
fn begins(column: &SimpleExpr, prefix: &str) -> Condition {
    Condition::all()
        .add(column.clone().gte(prefix))
        .add(column.clone().lt(format!("{prefix}\u{10FFFF}")))
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::domain::delivery::{DeliveryState, QueueWord};
    use crate::domain::ids::MessageId;
    use crate::domain::provider::ProviderId;
    use crate::domain::secret::Secret;
    use crate::store::messages::row::{NewMessage, set_recipient};
    use crate::store::{Store, statements};

    /// Two hundred messages of which many share an instant, a text, an account, a state.
    async fn filled(folder: &std::path::Path) -> Store {
        let url = format!("sqlite://{}", folder.join("bluetick.db").display());
        let store = Store::open(&Secret::new(url)).await.unwrap();
        store.migrate().await.unwrap();
        let start: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let mut rows = Vec::new();
        for number in 0_u16..200 {
            let created_at = start + TimeDelta::seconds(i64::from(number / 3));
            let new = NewMessage {
                id: MessageId::new(created_at),
                created_at,
                queue: QueueWord::Done,
                send_before: None,
                silence_limit: TimeDelta::hours(24),
            };
            let account = ["kaleyra-in", "kaleyra-eu"][usize::from(number % 2)];
            let account = account.parse().unwrap();
            let mut row = new.bare(&account, ProviderId::Kaleyra, Origin::Api);
            set_recipient(&mut row, Some(&format!("9199{number:08}")));
            row.reference = Some(["summer", "summer sale"][usize::from(number % 5 / 4)].to_owned());
            row.client_reference = (number % 7 == 0).then(|| format!("order-{number}"));
            row.state = DeliveryState::ALL[usize::from(number % 10)].to_string();
            rows.push(row);
        }
        let rows: Vec<_> = rows.iter().collect();
        statements::insert::<Entity>(store.pools().writer(), &rows, "")
            .await
            .unwrap();
        store
    }

    #[tokio::test]
    async fn whatever_leads_the_same_messages_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path()).await;
        let all = MessageFilter::default();
        let typed = |search| MessageFilter {
            search,
            ..all.clone()
        };
        let texts = [
            typed(vec![Search::PhonePrefix("9199".to_owned())]),
            typed(vec![Search::PhoneSuffix("00000123".to_owned())]),
            typed(vec![
                Search::Phone("919900000011".to_owned()),
                Search::ReferencePrefix("summer s".to_owned()),
            ]),
            typed(vec![Search::ReferencePrefix("order-".to_owned())]),
            MessageFilter {
                reference: Some("summer".to_owned()),
                ..all.clone()
            },
        ];
        let leads = [Lead::Search, Lead::Reference, Lead::Code, Lead::Order];
        let (mut in_two_states, mut pages) = (0, 0);
        for text in texts {
            let of_account = MessageFilter {
                account: Some("kaleyra-eu".parse().unwrap()),
                ..text.clone()
            };
            let of_states = MessageFilter {
                states: vec![DeliveryState::Played, DeliveryState::Cancelled],
                ..of_account.clone()
            };
            for filter in [text, of_account, of_states] {
                let mut after = None;
                loop {
                    let find = async |lead| -> Vec<(Uuid, i64, String)> {
                        let query = listed(&filter, lead, after, 7).select_only();
                        let query = query.columns([Column::Id, Column::CreatedAt, Column::State]);
                        let reader = store.pools().reader();
                        query.into_tuple().all(reader).await.unwrap()
                    };
                    let found = find(leads[0]).await;
                    for lead in leads {
                        assert_eq!(found, find(lead).await, "{lead:?}: {filter:?}");
                    }
                    pages += usize::from(found.len() == 7);
                    let states: BTreeSet<&str> = found.iter().map(|row| row.2.as_str()).collect();
                    let both = filter.states.len() == 2 && states.len() == 2;
                    in_two_states += usize::from(both);
                    let Some((id, created_at, _)) = found.last() else {
                        break;
                    };
                    after = Some(Cursor {
                        created_at: DateTime::from_timestamp_millis(*created_at).unwrap(),
                        id: (*id).into(),
                    });
                }
            }
        }
        assert!(pages > 20, "much was found: {pages}");
        assert!(in_two_states > 5, "states were merged: {in_two_states}");
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_text_leads_unless_more_messages_have_it_than_are_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path()).await;
        let of_reference = MessageFilter {
            reference: Some("summer".to_owned()),
            ..MessageFilter::default()
        };
        let searches = [
            (Search::PhonePrefix("9199".to_owned()), 200),
            (Search::PhonePrefix("9198".to_owned()), 0),
            (Search::PhoneSuffix("99".to_owned()), 2),
            (Search::ReferencePrefix("summer".to_owned()), 200),
            (Search::ReferencePrefix("order-".to_owned()), 29),
        ];
        let cases = searches.map(|(search, have)| {
            let filter = MessageFilter {
                search: vec![Search::Id(MessageId::new(DateTime::UNIX_EPOCH)), search],
                ..MessageFilter::default()
            };
            (filter, Lead::Search, have)
        });
        let reference = (of_reference.clone(), Lead::Reference, 160);
        for (filter, lead, have) in cases.into_iter().chain([reference]) {
            let found = async |rare| store.lead(&filter, rare).await.unwrap();
            assert_eq!(found(have).await, lead, "{filter:?}");
            if let Some(fewer) = have.checked_sub(1) {
                assert_eq!(found(fewer).await, Lead::Order, "{filter:?}");
            }
        }
        let both = MessageFilter {
            search: vec![Search::PhonePrefix("9199".to_owned())],
            ..of_reference
        };
        let lead = store.lead(&both, 170).await.unwrap();
        assert_eq!(lead, Lead::Reference, "each text is weighed for itself");
        store.close().await.unwrap();
    }
}
