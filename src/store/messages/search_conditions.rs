//! Conditions on ids, phone numbers and references.

use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, ExprTrait};

use crate::db::instant;
use crate::domain::person::HeldId;
use crate::domain::phone;
use crate::store::entities::message_row::Column;
use crate::store::entities::provider_id_row;
use crate::store::messages::message_filter::Search;

pub(super) fn references() -> [Column; 4] {
    [
        Column::Reference,
        Column::Reference1,
        Column::Reference2,
        Column::ClientReference,
    ]
}

/// Conditions of one meaning of a search text, of which any may match. `text` is the expression of a
/// column, wrapped where no index is to be used.
pub(super) fn ranges(search: &Search, text: impl Fn(Column) -> SimpleExpr) -> Vec<Condition> {
    let fits = |condition| vec![Condition::all().add(condition)];
    match search {
        Search::Id(id) => fits(Column::Id.eq(id.uuid())),
        Search::ProviderId(id) => fits(holds(id)),
        Search::Phone(digits) => fits(sent_to(digits)),
        Search::HeldId(held) => vec![sent_while_held(held)],
        Search::PhonePrefix(digits) => vec![begins(&text(Column::Recipient), digits)],
        Search::PhoneSuffix(digits) => {
            let reversed: String = digits.chars().rev().collect();
            vec![begins(&text(Column::RecipientReversed), &reversed)]
        }
        Search::RecentPhoneSuffix(digits, since) => {
            let reversed: String = digits.chars().rev().collect();
            // Without its index: the end of the number is rarer.
            let created_at = Expr::col(Column::CreatedAt).if_null(Expr::col(Column::CreatedAt));
            let ends = begins(&text(Column::RecipientReversed), &reversed);
            vec![ends.add(created_at.gte(instant::to_millis(*since)))]
        }
        Search::ReferencePrefix(beginning) => references()
            .map(|column| begins(&text(column), beginning))
            .to_vec(),
    }
}

/// Sent to this recipient, in every spelling of the number. A single spelling uses equality, so
/// that the index returns the messages by creation time without a sort.
pub(crate) fn sent_to(recipient: &str) -> SimpleExpr {
    match phone::spellings(recipient).as_slice() {
        [only] => Column::Recipient.eq(only.as_str()),
        several => Column::Recipient.is_in(several),
    }
}

/// Sent to this id while it was the customer's.
fn sent_while_held(held: &HeldId) -> Condition {
    // Without its index: the recipient is rarer.
    let created_at = || Expr::col(Column::CreatedAt).if_null(Expr::col(Column::CreatedAt));
    let limits = [
        (held.from).map(|from| created_at().gte(instant::to_millis(from))),
        (held.until).map(|until| created_at().lt(instant::to_millis(until))),
    ];
    let sent = Condition::all().add(sent_to(&held.identity));
    limits.into_iter().flatten().fold(sent, Condition::add)
}

/// Sent to this recipient, or to another id of theirs while it was theirs.
pub(super) fn sent_to_person(recipient: &str, also: &[HeldId]) -> Condition {
    let sent = Condition::any().add(sent_to(recipient));
    also.iter().map(sent_while_held).fold(sent, Condition::add)
}

/// A range, because SQLite's `LIKE` ignores case and so uses no index with binary collation.
fn begins(column: &SimpleExpr, prefix: &str) -> Condition {
    Condition::all()
        .add(column.clone().gte(prefix))
        .add(column.clone().lt(format!("{prefix}\u{10FFFF}")))
}

/// Has this provider id, among others.
pub(crate) fn holds(id: &str) -> SimpleExpr {
    Column::Id.in_subquery(
        Query::select()
            .column(provider_id_row::Column::Message)
            .from(provider_id_row::Entity)
            .and_where(provider_id_row::Column::ProviderId.eq(id))
            .to_owned(),
    )
}
