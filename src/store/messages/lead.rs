//! By which index a list is found: the rarest of what is asked for leads, and nothing else distracts SQLite from it.

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};

use crate::db::Error;
use crate::store::Store;
use crate::store::entities::messages::{Column, Entity};
use crate::store::messages::filter::{MessageFilter, Search};
use crate::store::messages::names::{ranges, references};

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
    pub(super) fn column(self, lead: Self, column: Column) -> SimpleExpr {
        operand(column, self != lead)
    }

    /// When messages were created: their order, with which most indexes go on.
    pub(super) fn created_at(self) -> SimpleExpr {
        let masked = matches!(self, Self::Id | Self::Search | Self::Reference);
        operand(Column::CreatedAt, masked)
    }
}

impl Store {
    /// What a list is found by; a text only where no more than `rare` messages have it.
    pub(super) async fn lead(&self, filter: &MessageFilter, rare: u64) -> Result<Lead, Error> {
        let lead = Lead::of(filter, Common::default());
        if !matches!(lead, Lead::Search | Lead::Reference) {
            return Ok(lead);
        }
        let common = Common {
            search: self.finds_any(beyond_search(filter, rare)).await?,
            reference: self.finds_any(beyond_reference(filter, rare)).await?,
        };
        Ok(Lead::of(filter, common))
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

/// A column, or the same as an expression that no index serves.
fn operand(column: Column, masked: bool) -> SimpleExpr {
    let column = Expr::col((Entity, column));
    if masked {
        column.clone().if_null(column)
    } else {
        column
    }
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
