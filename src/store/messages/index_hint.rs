//! Chooses the index of a list query: the rarest condition keeps its index, the others lose theirs.
//! SQLite cannot choose, because it does not know how many messages have the same account or were
//! created in the same week.

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};

use crate::db::Error;
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::message_filter::{MessageFilter, Search};
use crate::store::messages::search_conditions::{ranges, references};

/// This many rows are found by an index and sorted within half a second. With more matches, a scan
/// in list order finds a page sooner, unless all matches are old.
pub(crate) const RARE: u64 = 100_000;

/// The condition whose index is used: the rarest, or else the list's own order.
///
/// SQLite would scan all messages in list order rather than find few and sort them. So the columns
/// of the other conditions are wrapped in an expression, which no index covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IndexHint {
    /// Our id, or a provider's.
    Id,
    Recipient,
    /// The text in the search box.
    Search,
    Reference,
    Campaign,
    Code,
    /// Delivered and reported as failed.
    Conflict,
    Resent,
    Overdue,
    Class,
    /// Creation time, within an account or state if given.
    Order,
    /// The time of the first attempt, of messages that waited for it for longer than a quarter hour
    /// began. Never the hint of a whole list: see [`Self::parts`].
    CountedLater,
    /// The time of the last change.
    Change,
}

/// This many messages of an account or state are sorted by their last change within a page's time.
/// Of more, a scan in the order of changes soon finds a page.
const FEW: u64 = 20_000;

/// Which of the given texts are in too many messages for their index, such as the first digits of a
/// country's phone numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Common {
    /// The text in the search box.
    pub(crate) search: bool,
    pub(crate) reference: bool,
}

impl IndexHint {
    pub(crate) fn of(filter: &MessageFilter, common: Common) -> Self {
        let searched = !filter.search.is_empty() && !common.search;
        let referred = filter.reference.is_some() && !common.reference;
        let ranked = [
            (!filter.ids.is_empty(), Self::Id),
            (filter.provider_id.is_some(), Self::Id),
            (filter.recipient.is_some(), Self::Recipient),
            (searched, Self::Search),
            (referred, Self::Reference),
            (filter.campaign.is_some(), Self::Campaign),
            (filter.code.is_some(), Self::Code),
            (filter.conflict == Some(true), Self::Conflict),
            (filter.resent == Some(true), Self::Resent),
            (filter.overdue_at.is_some(), Self::Overdue),
            (filter.class.is_some(), Self::Class),
        ];
        let first = ranked.into_iter().find(|(given, _)| *given);
        first.map_or(Self::Order, |(_, index_hint)| index_hint)
    }

    /// The hints of the queries that a list consists of.
    ///
    /// Messages that count in a period were created in it, or earlier and attempted in it. The first
    /// are found in list order within the period. The second have an index of their own: in list
    /// order, everything before the period would be read in search of them. Where the condition's
    /// index is not sorted by creation time, one query finds both.
    pub(super) fn parts(self, filter: &MessageFilter) -> Vec<Self> {
        match self {
            Self::Campaign
            | Self::Code
            | Self::Conflict
            | Self::Resent
            | Self::Class
            | Self::Order
                if filter.counted_after.is_some() =>
            {
                vec![self, Self::CountedLater]
            }
            _ => vec![self],
        }
    }

    /// A column of the condition `index_hint`, with its index only if `self` is that condition.
    pub(super) fn column(self, index_hint: Self, column: Column) -> SimpleExpr {
        operand(column, self != index_hint)
    }

    /// The creation time, by which most indexes are sorted after their own columns.
    pub(super) fn created_at(self) -> SimpleExpr {
        let masked = matches!(
            self,
            Self::Id | Self::Search | Self::Reference | Self::CountedLater | Self::Change
        );
        operand(Column::CreatedAt, masked)
    }
}

impl Store {
    /// Chooses the condition; a text only if at most `rare` messages have it.
    pub(super) async fn index_hint(
        &self,
        filter: &MessageFilter,
        rare: u64,
    ) -> Result<IndexHint, Error> {
        let index_hint = IndexHint::of(filter, Common::default());
        if !matches!(index_hint, IndexHint::Search | IndexHint::Reference) {
            return Ok(index_hint);
        }
        let common = Common {
            search: self.finds_any(beyond_search(filter, rare)).await?,
            reference: self.finds_any(beyond_reference(filter, rare)).await?,
        };
        Ok(IndexHint::of(filter, common))
    }

    /// For a list in the order of changes.
    pub(super) async fn index_hint_by_change(
        &self,
        filter: &MessageFilter,
        rare: u64,
    ) -> Result<IndexHint, Error> {
        let index_hint = self.index_hint(filter, rare).await?;
        if index_hint != IndexHint::Order {
            return Ok(index_hint);
        }
        if filter.account.is_none() && filter.states.is_empty() {
            return Ok(IndexHint::Change);
        }
        let groups = groups_of(filter);
        let any_is_large = self.finds_any(groups.map(|group| beyond(group, FEW)));
        Ok(if any_is_large.await? {
            IndexHint::Change
        } else {
            IndexHint::Order
        })
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

/// A column of a condition that is no reason to choose an index.
pub(super) fn unindexed(column: Column) -> SimpleExpr {
    operand(column, true)
}

/// A column, or an equal expression that no index covers.
fn operand(column: Column, masked: bool) -> SimpleExpr {
    let column = Expr::col((Entity, column));
    if masked {
        column.clone().if_null(column)
    } else {
        column
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
        | Search::ReferencePrefix(_) => ranges(search, |column| operand(column, false)),
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

/// The messages of the account, by state if states are given.
fn groups_of(filter: &MessageFilter) -> impl Iterator<Item = Condition> {
    let account = (filter.account.as_ref()).map(|account| Column::Account.eq(account));
    let whole = account.into_iter().fold(Condition::all(), Condition::add);
    let states = filter.states.iter().map(|state| Some(*state));
    let any_state = filter.states.is_empty().then_some(None);
    states.chain(any_state).map(move |state| match state {
        Some(state) => whole.clone().add(Column::State.eq(state)),
        None => whole.clone(),
    })
}

fn beyond(range: Condition, rare: u64) -> Select<Entity> {
    let one = Entity::find().select_only().expr_as(Expr::cust("1"), "one");
    one.filter(range).offset(rare).limit(1)
}

/// `tests/it/query_plans.rs` has the plans of other filters. More than [`RARE`] messages are too
/// many for a test database, so the hint is given here.
#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};

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
        let common = Common {
            search: true,
            reference: true,
        };
        let both = MessageFilter {
            search: vec![Search::PhonePrefix("919".to_owned())],
            ..reference.clone()
        };
        let rare_reference = Common {
            search: true,
            reference: false,
        };
        let hint = IndexHint::of(&both, rare_reference);
        let steps = plan(&store, listed(&both, hint, None, 51)).await;
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
                    let query = listed(filter, IndexHint::of(filter, common), after, 51);
                    let steps = plan(&store, query).await;
                    assert_eq!(indexes(&steps), [index], "{filter:?}: {steps:#?}");
                    let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
                    assert!(!sorts, "{filter:?}: {steps:#?}");
                }
            }
            for query in beyond_search(&filter, RARE).chain(beyond_reference(&filter, RARE)) {
                let steps = plan(&store, query).await;
                let covered = |step: &String| step.contains(" USING COVERING INDEX ");
                assert!(steps.iter().all(covered), "{filter:?}: {steps:#?}");
            }
        }
        store.close().await.unwrap();
    }
}
