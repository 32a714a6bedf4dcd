//! Chooses the index of a list query: that of its rarest condition. SQLite cannot choose, because
//! it does not know how many messages have the same account or were created in the same week.

use std::collections::BTreeSet;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter,
    QuerySelect, Select, Statement,
};

use crate::db::Error;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::index_hint::{
    ChangeOrderPlan, CommonTexts, CreationOrderPlan, IndexHint,
};
use crate::store::messages::list_query::{in_conflict, not_from_api};
use crate::store::messages::message_filter::{MessageFilter, Search};
use crate::store::messages::search_conditions::{references, search_conditions};

/// Up to this many rows are found by an index and sorted within half a second. With more matches, a
/// scan in list order finds a page sooner, unless all matches are old.
pub(crate) const RARE_LIMIT: u64 = 100_000;

/// Up to this many messages are sorted fast enough for a page. With more matches, a scan in list
/// order soon finds a page.
const FEW_LIMIT: u64 = 20_000;
/// Queries that are merged into one list; SQLite accepts 500. With more, all messages are read in the
/// order of creation until the page is full, which is slow for rare states.
const MERGED_LIMIT: usize = 400;
/// Conditions that may match few messages or most.
const FEW_OR_MOST: [IndexHint; 3] = [IndexHint::Sender, IndexHint::Origin, IndexHint::Kind];
/// Conditions whose indexes are not in the order of changes: if few messages match one of them, a
/// list in that order sorts these messages.
const UNSORTED_BY_CHANGE: [IndexHint; 8] = [
    IndexHint::Campaign,
    IndexHint::Code,
    IndexHint::Conflict,
    IndexHint::Resent,
    IndexHint::Class,
    IndexHint::Sender,
    IndexHint::Origin,
    IndexHint::Kind,
];

impl Store {
    /// Chooses the condition, and the accounts that are read one by one.
    pub(super) async fn plan_creation_order(
        &self,
        filter: &MessageFilter,
        rare: u64,
    ) -> Result<CreationOrderPlan, Error> {
        let backend = self.pools().reader().get_database_backend();
        let mut plan = CreationOrderPlan::of(self.index_hint(filter, rare).await?, backend);
        let is_by_state = plan.index_hint == IndexHint::Order && !filter.states.is_empty();
        if is_by_state && filter.account.is_none() && backend == DbBackend::Sqlite {
            let accounts = self.list_accounts_with_messages().await?;
            let visible = accounts.iter().filter(|it| filter.limit.allows(it));
            if visible.count() * filter.states.len() <= MERGED_LIMIT {
                plan.accounts = accounts;
            }
        }
        Ok(plan)
    }

    /// The accounts that have messages or orphans; one search of an index per account.
    pub(super) async fn list_accounts_with_messages(&self) -> Result<Vec<AccountId>, Error> {
        let reader = self.pools().reader();
        let next = "SELECT min(account) FROM messages WHERE account > found.account";
        let sql = format!(
            "WITH RECURSIVE found (account) AS (SELECT min(account) FROM messages \
             UNION ALL SELECT ({next}) FROM found WHERE account IS NOT NULL) \
             SELECT account FROM found WHERE account IS NOT NULL"
        );
        let statement = Statement::from_string(reader.get_database_backend(), sql);
        let rows = reader.query_all_raw(statement).await?;
        let accounts = rows.iter().map(|row| row.try_get("", "account"));
        Ok(accounts.collect::<Result<_, _>>()?)
    }

    /// Chooses the condition; that of a text only if at most `rare` messages have the text.
    pub(super) async fn index_hint(
        &self,
        filter: &MessageFilter,
        rare: u64,
    ) -> Result<IndexHint, Error> {
        let index_hint = self.ranked_hint(filter, rare).await?;
        if index_hint != IndexHint::Order {
            return Ok(index_hint);
        }
        if let Some(few) = self.find_few(&FEW_OR_MOST, filter).await? {
            return Ok(few);
        }
        // Each of these indexes is in list order, too. The index of an account or a state is
        // better.
        let has_group = filter.account.is_some() || !filter.states.is_empty();
        let mut given = FEW_OR_MOST
            .into_iter()
            .filter(|it| condition(filter, *it).is_some());
        Ok(given
            .next()
            .filter(|_| !has_group)
            .unwrap_or(IndexHint::Order))
    }

    /// Chooses the conditions for a list in the order of changes.
    pub(super) async fn plan_change_order(
        &self,
        filter: &MessageFilter,
        rare: u64,
    ) -> Result<ChangeOrderPlan, Error> {
        let index_hint = self.ranked_hint(filter, rare).await?;
        if index_hint != IndexHint::Order && !UNSORTED_BY_CHANGE.contains(&index_hint) {
            return Ok(ChangeOrderPlan::SortAll(index_hint));
        }
        if let Some(few) = self.find_few(&UNSORTED_BY_CHANGE, filter).await? {
            return Ok(ChangeOrderPlan::SortAll(few));
        }
        let given: BTreeSet<DeliveryState> = filter.states.iter().copied().collect();
        let all = DeliveryState::ALL.iter().copied().collect();
        let states = if given.is_empty() { all } else { given };
        let mut choices = Vec::with_capacity(states.len());
        for state in states {
            choices.push((state, self.change_hint(filter, state).await?));
        }
        Ok(ChangeOrderPlan::ByState(choices))
    }

    /// If an account has few messages in a state, they are sorted: a scan would read the changes of
    /// all accounts.
    async fn change_hint(
        &self,
        filter: &MessageFilter,
        state: DeliveryState,
    ) -> Result<IndexHint, Error> {
        let Some(account) = &filter.account else {
            return Ok(IndexHint::Change);
        };
        let group = Condition::all()
            .add(Column::Account.eq(account))
            .add(Column::State.eq(state));
        let is_large = self
            .finds_any(std::iter::once(beyond(group, FEW_LIMIT)))
            .await?;
        Ok(if is_large {
            IndexHint::Change
        } else {
            IndexHint::Order
        })
    }

    async fn ranked_hint(&self, filter: &MessageFilter, rare: u64) -> Result<IndexHint, Error> {
        let index_hint = IndexHint::of(filter, CommonTexts::default());
        if !matches!(index_hint, IndexHint::Search | IndexHint::Reference) {
            return Ok(index_hint);
        }
        let common = CommonTexts {
            search: self.finds_any(beyond_search(filter, rare)).await?,
            reference: self.finds_any(beyond_reference(filter, rare)).await?,
        };
        Ok(IndexHint::of(filter, common))
    }

    /// The first condition that few messages match.
    async fn find_few(
        &self,
        conditions: &[IndexHint],
        filter: &MessageFilter,
    ) -> Result<Option<IndexHint>, Error> {
        for index_hint in conditions {
            let more = condition(filter, *index_hint).map(|matching| beyond(matching, FEW_LIMIT));
            if more.is_some() && !self.finds_any(more.into_iter()).await? {
                return Ok(Some(*index_hint));
            }
        }
        Ok(None)
    }

    async fn finds_any(
        &self,
        queries: impl Iterator<Item = Select<Entity>>,
    ) -> Result<bool, Error> {
        for query in queries {
            let found = query.into_tuple::<i32>().one(self.pools().reader()).await?;
            if found.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// For each condition of a search that many messages may match, a query with a result if more than
/// `rare` messages match.
pub(crate) fn beyond_search(
    filter: &MessageFilter,
    rare: u64,
) -> impl Iterator<Item = Select<Entity>> {
    let ranges = filter.search.iter().flat_map(|search| match search {
        Search::Id(_) | Search::ProviderId(_) | Search::Phone(_) | Search::HeldId(_) => Vec::new(),
        Search::PhonePrefix(_)
        | Search::PhoneSuffix(_)
        | Search::RecentPhoneSuffix(..)
        | Search::ReferencePrefix(_) => {
            search_conditions(search, |column| Expr::col((Entity, column)))
        }
    });
    ranges.map(move |range| beyond(range, rare))
}

/// [`beyond_search`] for the reference.
pub(crate) fn beyond_reference(
    filter: &MessageFilter,
    rare: u64,
) -> impl Iterator<Item = Select<Entity>> {
    let given = filter.reference.iter().flat_map(|reference| {
        references().map(|column| Condition::all().add(column.eq(reference.as_str())))
    });
    given.map(move |range| beyond(range, rare))
}

/// The condition of a hint alone, if the filter has it.
fn condition(filter: &MessageFilter, index_hint: IndexHint) -> Option<Condition> {
    let given = match index_hint {
        IndexHint::Campaign => (filter.campaign.as_ref()).map(|it| Column::Campaign.eq(it)),
        IndexHint::Code => (filter.code.as_ref()).map(|it| Column::FailureCode.eq(it.as_str())),
        IndexHint::Conflict => (filter.conflict == Some(true)).then(in_conflict),
        IndexHint::Resent => (filter.resent == Some(true)).then(|| Column::ResentAs.is_not_null()),
        IndexHint::Class => filter.class.map(|it| Column::FailureClass.eq(it)),
        IndexHint::Sender => (filter.sender.as_ref()).map(|it| Column::Sender.eq(it.as_str())),
        IndexHint::Origin => {
            let other = filter.origin.filter(|origin| *origin != Origin::Api);
            other.map(|it| not_from_api().and(Column::Origin.eq(it)))
        }
        IndexHint::Kind => filter.kind.map(|it| Column::Kind.eq(it)),
        IndexHint::Id
        | IndexHint::Recipient
        | IndexHint::Search
        | IndexHint::Reference
        | IndexHint::Overdue
        | IndexHint::Order
        | IndexHint::CountedLater
        | IndexHint::Change => None,
    };
    given.map(|filter| Condition::all().add(filter))
}

fn beyond(range: Condition, rare: u64) -> Select<Entity> {
    let one = Entity::find().select_only().expr_as(Expr::cust("1"), "one");
    one.filter(range).offset(rare).limit(1)
}

/// `tests/it/query_plans.rs` has the plans of other filters. More than [`RARE_LIMIT`] messages are
/// too many for a test database, so the hint is given here.
#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use sea_orm::QueryTrait;

    use super::*;
    use crate::domain::delivery_state::DeliveryState;
    use crate::domain::ids::MessageId;
    use crate::domain::secret::Secret;
    use crate::store::messages::list_query::listed;
    use crate::store::messages::message_filter::Cursor;

    async fn plan(store: &Store, query: Select<Entity>) -> Vec<String> {
        let built = query.build(DbBackend::Sqlite);
        let statement = Statement {
            sql: format!("EXPLAIN QUERY PLAN {}", built.sql),
            ..built
        };
        let rows = store.pools().reader().query_all_raw(statement).await;
        rows.unwrap()
            .iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect()
    }

    /// The index of each read of messages.
    fn indexes(plan: &[String]) -> Vec<&str> {
        let reads = plan.iter().filter(|step| step.contains(" messages "));
        reads
            .map(|step| step.split_once(" INDEX ").unwrap_or_default().1)
            .map(|index| index.split(' ').next().unwrap_or_default())
            .collect()
    }

    #[tokio::test]
    async fn a_text_in_too_many_messages_is_found_by_reading_the_list_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("bluetick.db").display());
        let store = Store::open(&Secret::new(url), 12).await.unwrap();
        store.migrate().await.unwrap();
        let search = MessageFilter {
            search: vec![
                Search::ProviderId("919".to_owned()),
                Search::PhonePrefix("919".to_owned()),
                Search::ReferencePrefix("919".to_owned()),
            ],
            ..MessageFilter::default()
        };
        let reference = MessageFilter {
            reference: Some("summer".to_owned()),
            ..MessageFilter::default()
        };
        let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let (at, id) = (now, MessageId::new(now));
        let after = Some(Cursor { at, id });
        let common = CommonTexts {
            search: true,
            reference: true,
        };
        let both = MessageFilter {
            search: vec![Search::PhonePrefix("919".to_owned())],
            ..reference.clone()
        };
        let rare_reference = CommonTexts {
            search: true,
            reference: false,
        };
        let hint = IndexHint::of(&both, rare_reference);
        let by = |hint| CreationOrderPlan::of(hint, DbBackend::Sqlite);
        let steps = plan(&store, listed(&both, &by(hint), None, 51)).await;
        let is_of_reference = |index: &&str| index.contains("_reference");
        assert!(indexes(&steps).iter().all(is_of_reference), "{steps:#?}");
        for filter in [search, reference] {
            let of_account = MessageFilter {
                account: Some("kaleyra-in".parse().unwrap()),
                ..filter.clone()
            };
            let of_state = MessageFilter {
                states: vec![DeliveryState::Failed],
                ..of_account.clone()
            };
            for (filter, index) in [
                (&filter, "messages_created"),
                (&of_account, "messages_account_created"),
                (&of_state, "messages_account_state_created"),
            ] {
                for after in [None, after] {
                    let hint = IndexHint::of(filter, common);
                    let query = listed(filter, &by(hint), after, 51);
                    let steps = plan(&store, query).await;
                    assert_eq!(indexes(&steps), [index], "{filter:?}: {steps:#?}");
                    let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
                    assert!(!sorts, "{filter:?}: {steps:#?}");
                }
            }
            for query in
                beyond_search(&filter, RARE_LIMIT).chain(beyond_reference(&filter, RARE_LIMIT))
            {
                let steps = plan(&store, query).await;
                let covered = |step: &String| step.contains(" USING COVERING INDEX ");
                assert!(steps.iter().all(covered), "{filter:?}: {steps:#?}");
            }
        }
        store.close().await.unwrap();
    }
}
