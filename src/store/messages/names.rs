//! The names of a message in a query: its ids, its customer's number, the texts that its caller gave it.

use sea_orm::sea_query::{Query, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, ExprTrait};

use crate::domain::phone;
use crate::store::entities::messages::Column;
use crate::store::entities::provider_ids;
use crate::store::messages::filter::Search;

/// The texts that the caller gave it.
pub(super) fn references() -> [Column; 4] {
    [
        Column::Reference,
        Column::Reference1,
        Column::Reference2,
        Column::ClientReference,
    ]
}

/// Each way in which a message may fit a reading of what was typed.
pub(super) fn ranges(search: &Search, text: impl Fn(Column) -> SimpleExpr) -> Vec<Condition> {
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

/// Which has this id of its provider's.
pub(super) fn holds(id: &str) -> SimpleExpr {
    Column::Id.in_subquery(
        Query::select()
            .column(provider_ids::Column::Message)
            .from(provider_ids::Entity)
            .and_where(provider_ids::Column::ProviderId.eq(id))
            .to_owned(),
    )
}
