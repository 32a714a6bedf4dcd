//! The query of a message list, newest first by creation or by the last change.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, Func, Query, SelectStatement, SimpleExpr, UnionType};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};

use crate::db::instant;
use crate::domain::account_limit::AccountLimit;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::store::dismissals::dismissal_filter;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::index_hint::{
    ChangeOrderPlan, CreationOrderPlan, IndexHint, unindexed,
};
use crate::store::messages::message_filter::{Cursor, MessageFilter};
use crate::store::messages::search_conditions::{
    has_provider_id, references, search_conditions, sent_to_customer,
};

/// At most `limit` matching messages, newest first, older than `after`.
pub(crate) fn listed(
    filter: &MessageFilter,
    plan: &CreationOrderPlan,
    after: Option<Cursor>,
    limit: u64,
) -> Select<Entity> {
    let parts = plan.index_hint.parts(filter);
    let mut queries: Vec<(IndexHint, Select<Entity>)> = Vec::new();
    for part in &parts {
        let older = older_than(part.created_at(), after);
        let groups = state_groups(filter, *part, plan);
        let part_queries = if groups.is_empty() {
            let query = filtered(filter, &parts, *part, older);
            vec![in_states(query, filter, unindexed(Column::State))]
        } else {
            let rest = without_accounts(filter, plan);
            let query = filtered(&rest, &parts, *part, older);
            let groups = groups.into_iter();
            groups.map(|group| query.clone().filter(group)).collect()
        };
        queries.extend(part_queries.into_iter().map(|query| (*part, query)));
    }
    let found = if queries.len() == 1 {
        queries.swap_remove(0).1
    } else {
        let each = queries
            .into_iter()
            .map(|(part, query)| match (part, plan.backend) {
                // SQLite reads only as much of each as the merged list needs.
                (IndexHint::Order, DbBackend::Sqlite) => in_order(query, Column::CreatedAt),
                _ => first(newest_first(query).limit(limit), Column::CreatedAt),
            });
        let newest = merged(each, Column::CreatedAt, limit);
        Entity::find().filter(Column::Id.in_subquery(newest))
    };
    newest_first(found).limit(limit)
}

/// The groups of messages that an index by state has in list order: a condition for each state and
/// account. Empty for a list that uses another index.
fn state_groups(
    filter: &MessageFilter,
    index_hint: IndexHint,
    plan: &CreationOrderPlan,
) -> Vec<Condition> {
    if index_hint != IndexHint::Order {
        return Vec::new();
    }
    let of_accounts: Vec<Condition> = match (&filter.account, plan.backend) {
        (Some(account), backend) => vec![of_account(account, backend)],
        (None, DbBackend::Sqlite) => {
            let visible = plan.accounts.iter().filter(|it| filter.limit.allows(it));
            visible.map(|it| of_account(it, plan.backend)).collect()
        }
        (None, _) => vec![Condition::all()],
    };
    let states: BTreeSet<DeliveryState> = filter.states.iter().copied().collect();
    let groups = of_accounts.into_iter().flat_map(|of_account| {
        let states = states.iter();
        states.map(move |state| of_account.clone().add(Column::State.eq(*state)))
    });
    groups.collect()
}

/// The filter without the accounts, which [`state_groups`] selects. If each of many queries named
/// all accounts that the caller may access, SQLite could refuse the number of values.
fn without_accounts(filter: &MessageFilter, plan: &CreationOrderPlan) -> MessageFilter {
    let is_of_plan = filter.account.is_none() && plan.backend == DbBackend::Sqlite;
    MessageFilter {
        account: None,
        limit: if is_of_plan {
            AccountLimit::default()
        } else {
            filter.limit.clone()
        },
        ..filter.clone()
    }
}

/// `likely` makes SQLite choose the index by account and state. In a list of a period, it otherwise
/// rates the index by account alone as equal.
fn of_account(account: &AccountId, backend: DbBackend) -> Condition {
    let is_of_account = Column::Account.eq(account);
    Condition::all().add(match backend {
        DbBackend::Sqlite => Func::cust("likely").arg(is_of_account).into(),
        _ => is_of_account,
    })
}

fn in_states(query: Select<Entity>, filter: &MessageFilter, state: SimpleExpr) -> Select<Entity> {
    if filter.states.is_empty() {
        return query;
    }
    query.filter(state.is_in(filter.states.iter().copied()))
}

/// At most `limit` matching messages, last changed first, changed before `after`.
pub(crate) fn listed_by_change(
    filter: &MessageFilter,
    choice: &ChangeOrderPlan,
    after: Option<Cursor>,
    limit: u64,
) -> Select<Entity> {
    match choice {
        ChangeOrderPlan::SortAll(index_hint) => {
            let fitting = changed_before(filter, *index_hint, after);
            let state = index_hint.column(IndexHint::Order, Column::State);
            let fitting = in_states(fitting, filter, state);
            last_changed_first(fitting, *index_hint).limit(limit)
        }
        ChangeOrderPlan::ByState(states) => {
            let each = states.iter().map(|(state, index_hint)| {
                let fitting = changed_before(filter, *index_hint, after);
                let fitting = fitting.filter(Column::State.eq(*state));
                let latest = last_changed_first(fitting, *index_hint).limit(limit);
                first(latest, Column::UpdatedAt)
            });
            let latest = merged(each, Column::UpdatedAt, limit);
            let found = Entity::find().filter(Column::Id.in_subquery(latest));
            last_changed_first(found, IndexHint::Id).limit(limit)
        }
    }
}

/// All conditions except the state, and the last change before that of `after`.
fn changed_before(
    filter: &MessageFilter,
    index_hint: IndexHint,
    after: Option<Cursor>,
) -> Select<Entity> {
    let changed_at = || index_hint.column(IndexHint::Change, Column::UpdatedAt);
    let older = older_than(changed_at(), after);
    // A message changes after its creation, so the scan can end at the earliest creation time.
    let since = filter.created_after.map(instant::to_millis);
    filtered(filter, &[index_hint], index_hint, older)
        .apply_if(since, |query, since| query.filter(changed_at().gte(since)))
}

fn last_changed_first(query: Select<Entity>, index_hint: IndexHint) -> Select<Entity> {
    let changed_at = index_hint.column(IndexHint::Change, Column::UpdatedAt);
    query
        .order_by(changed_at, Order::Desc)
        .order_by_desc(Column::Id)
}

pub(crate) fn newest_first(query: Select<Entity>) -> Select<Entity> {
    query
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
}

/// Messages after the last one of a page.
pub(crate) fn older_than(time: SimpleExpr, after: Option<Cursor>) -> Condition {
    let older = after.map(|after| {
        let sort_key = Expr::tuple([time, Expr::col((Entity, Column::Id))]);
        let (at, id) = (instant::to_millis(after.at), after.id.uuid());
        sort_key.lt(Expr::tuple([Expr::value(at), Expr::value(id)]))
    });
    older.into_iter().fold(Condition::all(), Condition::add)
}

/// The ids and times of a query, which reads an index in this order.
fn in_order(query: Select<Entity>, time: Column) -> SelectStatement {
    query.select_only().columns([Column::Id, time]).into_query()
}

/// The ids and times of a query with a limit. In a union SQLite accepts `ORDER BY` and `LIMIT` only
/// inside a subquery.
fn first(query: Select<Entity>, time: Column) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns([Column::Id, time])
        .from_subquery(in_order(query, time), "newest");
    select
}

/// The ids of the latest `limit` results of several queries, by `time`. With `state IN (…)` in a
/// single query, SQLite would not read an index in list order: it would scan all messages of the
/// account, or of all.
fn merged(
    mut each: impl Iterator<Item = SelectStatement>,
    time: Column,
    limit: u64,
) -> SelectStatement {
    let mut newest = each.next().unwrap_or_default();
    newest
        .unions(each.map(|others| (UnionType::All, others)))
        // By name: the columns of a union belong to no table.
        .order_by(time, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(limit);
    let mut ids = Query::select();
    ids.column(Column::Id).from_subquery(newest, "newest");
    ids
}

/// All conditions except the state.
fn filtered(
    filter: &MessageFilter,
    parts: &[IndexHint],
    index_hint: IndexHint,
    older: Condition,
) -> Select<Entity> {
    Entity::find()
        .filter(Column::Origin.ne(Origin::Orphan))
        .filter(party_filters(filter, index_hint))
        .filter(outcome_filters(filter, index_hint))
        .filter(text_filters(filter, index_hint))
        .filter(time_filters(filter, index_hint))
        .filter(counting_filters(filter, parts, index_hint))
        .filter(older)
}

fn party_filters(filter: &MessageFilter, index_hint: IndexHint) -> Condition {
    let account = index_hint.column(IndexHint::Order, Column::Account);
    let sender = index_hint.column(IndexHint::Sender, Column::Sender);
    let kind = index_hint.column(IndexHint::Kind, Column::Kind);
    let origin = index_hint.column(IndexHint::Origin, Column::Origin);
    let given = [
        (filter.account.as_ref()).map(|it| account.eq(it)),
        (filter.limit.accounts()).map(|them| unindexed(Column::Account).is_in(them)),
        filter.provider.map(|it| Column::Provider.eq(it)),
        (filter.sender.as_ref()).map(|it| sender.eq(it.as_str())),
        (filter.provider_id.as_ref()).map(|it| has_provider_id(it)),
        (!filter.ids.is_empty()).then(|| Column::Id.is_in(filter.ids.iter().map(|id| id.uuid()))),
        filter.kind.map(|it| kind.eq(it)),
        filter.origin.map(|it| origin.eq(it)),
        (index_hint == IndexHint::Origin).then(not_from_api),
    ];
    let to =
        (filter.recipient.as_ref()).map(|it| sent_to_customer(it, &filter.recipient_other_ids));
    to.into_iter().fold(all(given), Condition::add)
}

fn outcome_filters(filter: &MessageFilter, index_hint: IndexHint) -> Condition {
    let code = index_hint.column(IndexHint::Code, Column::FailureCode);
    let campaign = index_hint.column(IndexHint::Campaign, Column::Campaign);
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
        dismissal_filter(filter.dismissed),
        (filter.campaign.as_ref()).map(|it| campaign.eq(it)),
    ];
    all(given)
}

fn time_filters(filter: &MessageFilter, index_hint: IndexHint) -> Condition {
    let due = index_hint.column(IndexHint::Overdue, Column::DueAt);
    let created = || index_hint.created_at();
    let given = [
        (filter.created_after).map(|at| created().gte(instant::to_millis(at))),
        (filter.created_before).map(|at| created().lt(instant::to_millis(at))),
        (filter.overdue_at).map(|now| due.lte(instant::to_millis(now))),
        (filter.on_time_at).map(|now| {
            let later = Column::DueAt.gt(instant::to_millis(now));
            Column::DueAt.is_null().or(later)
        }),
    ];
    all(given)
}

/// The period of the time by which statistics count a message: that of its first attempt, or of its
/// creation while there is no attempt. The creation is never later.
fn counting_filters(
    filter: &MessageFilter,
    parts: &[IndexHint],
    index_hint: IndexHint,
) -> Condition {
    let after = filter.counted_after.map(instant::to_millis);
    let before = filter.counted_before.map(instant::to_millis);
    let created = || index_hint.created_at();
    let is_split = parts.contains(&IndexHint::CountedLater);
    let given = if index_hint == IndexHint::CountedLater {
        let attempted = || Expr::col((Entity, Column::CountedAt));
        [
            after.map(|at| attempted().gte(at)),
            before.map(|at| attempted().lt(at)),
            after.map(|at| created().lt(at)),
            None,
        ]
    } else {
        let counted = || {
            let attempted = Expr::col((Entity, Column::CountedAt));
            attempted.if_null(Expr::col((Entity, Column::CreatedAt)))
        };
        [
            after.map(|at| counted().gte(at)),
            before.map(|at| counted().lt(at)),
            after.filter(|_| is_split).map(|at| created().gte(at)),
            before.map(|at| created().lt(at)),
        ]
    };
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
        let fits = filter
            .search
            .iter()
            .flat_map(|it| search_conditions(it, text));
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

/// The condition of a partial index, exactly as the index has it.
pub(crate) fn not_from_api() -> SimpleExpr {
    Expr::cust("messages.origin <> 'api'")
}

/// The bare column: SQLite matches it to the partial index `WHERE conflict`, unlike `conflict = ?`.
pub(crate) fn in_conflict() -> SimpleExpr {
    Expr::col((Entity, Column::Conflict))
}
