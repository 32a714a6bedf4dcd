//! The query of a message list, newest first.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, Query, SelectStatement, SimpleExpr, UnionType};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};

use crate::db::instant;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::message::Origin;
use crate::store::dismissals::message_is_dismissed;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::index_hint::IndexHint;
use crate::store::messages::message_filter::{Cursor, MessageFilter};
use crate::store::messages::search_terms::{holds, ranges, references, sent_to};

/// At most `limit` matching messages, newest first, older than `after`.
pub(crate) fn listed(
    filter: &MessageFilter,
    index_hint: IndexHint,
    after: Option<Cursor>,
    limit: u64,
) -> Select<Entity> {
    let states: BTreeSet<DeliveryState> = filter.states.iter().copied().collect();
    let state = index_hint.column(IndexHint::Order, Column::State);
    let fitting = if states.is_empty() {
        narrow(filter, index_hint, after)
    } else if states.len() == 1 || index_hint != IndexHint::Order {
        narrow(filter, index_hint, after).filter(state.is_in(states))
    } else {
        let each = states
            .into_iter()
            .map(|one| narrow(filter, index_hint, after).filter(state.clone().eq(one)));
        Entity::find().filter(Column::Id.in_subquery(newest_of(each, limit)))
    };
    newest_first(fitting).limit(limit)
}

pub(crate) fn newest_first(query: Select<Entity>) -> Select<Entity> {
    query
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
}

/// Messages after the last one of a page.
pub(crate) fn older_than(created_at: SimpleExpr, after: Option<Cursor>) -> Condition {
    let older = after.map(|after| {
        let place = Expr::tuple([created_at, Expr::col((Entity, Column::Id))]);
        let (created_at, id) = (instant::write(after.created_at), after.id.uuid());
        place.lt(Expr::tuple([Expr::value(created_at), Expr::value(id)]))
    });
    older.into_iter().fold(Condition::all(), Condition::add)
}

/// The ids of the newest `limit` results of several queries, each of which reads an index in its
/// order.
/// With `state IN (…)` SQLite would scan all messages of the account.
fn newest_of(queries: impl Iterator<Item = Select<Entity>>, limit: u64) -> SelectStatement {
    let place = [Column::Id, Column::CreatedAt];
    let mut each = queries.map(|query| {
        let newest = newest_first(query).limit(limit);
        let newest = newest.select_only().columns(place).into_query();
        // In a union SQLite accepts `ORDER BY` and `LIMIT` only inside a subquery.
        let mut select = Query::select();
        select.columns(place).from_subquery(newest, "newest");
        select
    });
    let mut newest = each.next().unwrap_or_default();
    newest
        .unions(each.map(|others| (UnionType::All, others)))
        // By name: the columns of a union belong to no table.
        .order_by(Column::CreatedAt, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(limit);
    let mut ids = Query::select();
    ids.column(Column::Id).from_subquery(newest, "newest");
    ids
}

/// All conditions but the state.
fn narrow(filter: &MessageFilter, index_hint: IndexHint, after: Option<Cursor>) -> Select<Entity> {
    Entity::find()
        .filter(Column::Origin.ne(Origin::Orphan))
        .filter(party_filters(filter, index_hint))
        .filter(outcome_filters(filter, index_hint))
        .filter(text_filters(filter, index_hint))
        .filter(time_filters(filter, index_hint))
        .filter(older_than(index_hint.created_at(), after))
}

fn party_filters(filter: &MessageFilter, index_hint: IndexHint) -> Condition {
    let account = index_hint.column(IndexHint::Order, Column::Account);
    let given = [
        (filter.account.as_ref()).map(|it| account.eq(it)),
        filter.provider.map(|it| Column::Provider.eq(it)),
        (filter.sender.as_ref()).map(|it| Column::Sender.eq(it.as_str())),
        (filter.recipient.as_ref()).map(|it| sent_to(it)),
        (filter.provider_id.as_ref()).map(|it| holds(it)),
        filter.kind.map(|it| Column::Kind.eq(it)),
        filter.origin.map(|it| Column::Origin.eq(it)),
    ];
    all(given)
}

fn outcome_filters(filter: &MessageFilter, index_hint: IndexHint) -> Condition {
    let code = index_hint.column(IndexHint::Code, Column::FailureCode);
    let class = index_hint.column(IndexHint::Class, Column::FailureClass);
    let given = [
        (filter.code.as_ref()).map(|it| code.eq(it.as_str())),
        filter.class.map(|it| class.eq(it)),
        filter.conflict.map(|conflict| {
            if conflict {
                index_hint.column(IndexHint::Conflict, Column::Conflict)
            } else {
                in_conflict().not()
            }
        }),
        filter.resent.map(|resent| {
            if resent {
                index_hint
                    .column(IndexHint::Resent, Column::ResentAs)
                    .is_not_null()
            } else {
                Column::ResentAs.is_null()
            }
        }),
        filter.put_aside.map(|aside| {
            if aside {
                message_is_dismissed()
            } else {
                message_is_dismissed().not()
            }
        }),
    ];
    all(given)
}

fn time_filters(filter: &MessageFilter, index_hint: IndexHint) -> Condition {
    let due = index_hint.column(IndexHint::Overdue, Column::DueAt);
    let created = || index_hint.created_at();
    let given = [
        (filter.created_after).map(|at| created().gte(instant::write(at))),
        (filter.created_before).map(|at| created().lt(instant::write(at))),
        (filter.overdue_at).map(|now| due.lte(instant::write(now))),
        (filter.on_time_at).map(|now| {
            let later = Column::DueAt.gt(instant::write(now));
            Column::DueAt.is_null().or(later)
        }),
    ];
    all(given)
}

/// The reference in any slot, and any meaning of the search text.
fn text_filters(filter: &MessageFilter, index_hint: IndexHint) -> Condition {
    let referred = filter.reference.as_ref().map(|reference| {
        references()
            .map(|column| index_hint.column(IndexHint::Reference, column))
            .into_iter()
            .fold(Condition::any(), |any, text| {
                any.add(text.eq(reference.as_str()))
            })
    });
    let searched = (!filter.search.is_empty()).then(|| {
        let text = |column| index_hint.column(IndexHint::Search, column);
        let fits = filter.search.iter().flat_map(|it| ranges(it, text));
        fits.fold(Condition::any(), Condition::add)
    });
    [referred, searched]
        .into_iter()
        .flatten()
        .fold(Condition::all(), Condition::add)
}

fn all(given: impl IntoIterator<Item = Option<SimpleExpr>>) -> Condition {
    let given = given.into_iter().flatten();
    given.fold(Condition::all(), Condition::add)
}

/// The bare column: SQLite matches it to the partial index `WHERE conflict`, unlike `conflict = ?`.
pub(crate) fn in_conflict() -> SimpleExpr {
    Expr::col((Entity, Column::Conflict))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::db::statements;
    use crate::domain::delivery_state::QueueState;
    use crate::domain::ids::MessageId;
    use crate::domain::provider::ProviderId;
    use crate::domain::secret::Secret;
    use crate::store::Store;
    use crate::store::messages::message_filter::Search;
    use crate::store::messages::new_message::{NewMessage, set_recipient};

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
                queue: QueueState::Done,
                send_before: None,
                silence_limit: TimeDelta::hours(24),
            };
            let account = ["kaleyra-in", "kaleyra-eu"][usize::from(number % 2)];
            let account = account.parse().unwrap();
            let mut row = new.bare(&account, ProviderId::Kaleyra, Origin::Api);
            set_recipient(&mut row, Some(&format!("9199{number:08}")));
            row.reference = Some(["summer", "summer sale"][usize::from(number % 5 / 4)].to_owned());
            row.client_reference = (number % 7 == 0).then(|| format!("order-{number}"));
            row.state = DeliveryState::ALL[usize::from(number % 10)];
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
        let index_hints = [
            IndexHint::Search,
            IndexHint::Reference,
            IndexHint::Code,
            IndexHint::Order,
        ];
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
                    let find = async |index_hint| -> Vec<(Uuid, i64, DeliveryState)> {
                        let query = listed(&filter, index_hint, after, 7).select_only();
                        let query = query.columns([Column::Id, Column::CreatedAt, Column::State]);
                        let reader = store.pools().reader();
                        query.into_tuple().all(reader).await.unwrap()
                    };
                    let found = find(index_hints[0]).await;
                    for index_hint in index_hints {
                        assert_eq!(found, find(index_hint).await, "{index_hint:?}: {filter:?}");
                    }
                    pages += usize::from(found.len() == 7);
                    let states: BTreeSet<DeliveryState> = found.iter().map(|row| row.2).collect();
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
            (filter, IndexHint::Search, have)
        });
        let reference = (of_reference.clone(), IndexHint::Reference, 160);
        for (filter, index_hint, have) in cases.into_iter().chain([reference]) {
            let found = async |rare| store.index_hint(&filter, rare).await.unwrap();
            assert_eq!(found(have).await, index_hint, "{filter:?}");
            if let Some(fewer) = have.checked_sub(1) {
                assert_eq!(found(fewer).await, IndexHint::Order, "{filter:?}");
            }
        }
        let both = MessageFilter {
            search: vec![Search::PhonePrefix("9199".to_owned())],
            ..of_reference
        };
        let index_hint = store.index_hint(&both, 170).await.unwrap();
        assert_eq!(
            index_hint,
            IndexHint::Reference,
            "each text is weighed for itself"
        );
        store.close().await.unwrap();
    }
}
