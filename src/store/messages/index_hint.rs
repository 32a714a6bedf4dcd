//! The index that a list query uses: that of one condition. The indexes of the other conditions are
//! disabled.

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{DbBackend, ExprTrait};

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::message_filter::MessageFilter;

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
    Sender,
    /// An origin other than [`Origin::Api`].
    Origin,
    Kind,
    /// Creation time, within the given account and states.
    Order,
    /// The time of the first attempt, for messages whose first attempt was in a later quarter hour
    /// than their creation. Never the hint of a whole list: see [`Self::parts`].
    CountedLater,
    /// The time of the last change, within a state.
    Change,
}

/// Which of the given texts are in so many messages that their index does not help, such as the
/// first digits of a country's phone numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct CommonTexts {
    /// The text in the search box.
    pub(crate) search: bool,
    pub(crate) reference: bool,
}

/// How a list in the order of creation is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CreationOrderPlan {
    pub(crate) index_hint: IndexHint,
    /// For a list of states across accounts on SQLite: the accounts whose lists are merged, because
    /// the index with the state begins with the account. If empty, no lists are merged by account.
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) backend: DbBackend,
}

impl CreationOrderPlan {
    pub(super) fn of(index_hint: IndexHint, backend: DbBackend) -> Self {
        Self {
            index_hint,
            accounts: Vec::new(),
            backend,
        }
    }
}

/// How a list in the order of changes is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ChangeOrderPlan {
    /// Few messages match, and are sorted.
    SortAll(IndexHint),
    /// Each of these states by its own index.
    ByState(Vec<(DeliveryState, IndexHint)>),
}

impl IndexHint {
    pub(crate) fn of(filter: &MessageFilter, common: CommonTexts) -> Self {
        let has_search = !filter.search.is_empty() && !common.search;
        let has_reference = filter.reference.is_some() && !common.reference;
        let ranked = [
            (!filter.ids.is_empty(), Self::Id),
            (filter.provider_id.is_some(), Self::Id),
            (filter.recipient.is_some(), Self::Recipient),
            (has_search, Self::Search),
            (has_reference, Self::Reference),
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
    /// Messages that statistics count in a period were created in it, or were created earlier and
    /// first attempted in it. The former are found in list order within the period. The latter have
    /// an index of their own: in list order, everything before the period would be read to find
    /// them. Where the condition's index is not sorted by creation time, one query finds both.
    pub(super) fn parts(self, filter: &MessageFilter) -> Vec<Self> {
        match self {
            Self::Campaign
            | Self::Code
            | Self::Conflict
            | Self::Resent
            | Self::Class
            | Self::Sender
            | Self::Origin
            | Self::Kind
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
        let without_index = matches!(
            self,
            Self::Id | Self::Search | Self::Reference | Self::CountedLater | Self::Change
        );
        operand(Column::CreatedAt, without_index)
    }
}

/// A column of a condition, without its index.
pub(super) fn unindexed(column: Column) -> SimpleExpr {
    operand(column, true)
}

/// A column, or an equal expression that no index covers.
fn operand(column: Column, without_index: bool) -> SimpleExpr {
    let column = Expr::col((Entity, column));
    if without_index {
        column.clone().if_null(column)
    } else {
        column
    }
}
