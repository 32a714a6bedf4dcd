//! SQL conditions on ids, phone numbers and references.

use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, ExprTrait};

use crate::db::instant;
use crate::domain::person::HeldId;
use crate::domain::recipient_spelling;
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

/// The conditions of one meaning of a search text; a message that fulfils any of them is found.
/// `text` returns the expression of a column, wrapped if its index must not be used.
pub(super) fn search_conditions(
    search: &Search,
    text: impl Fn(Column) -> SimpleExpr,
) -> Vec<Condition> {
    let single = |condition| vec![Condition::all().add(condition)];
    match search {
        Search::Id(id) => single(Column::Id.eq(id.uuid())),
        Search::ProviderId(id) => single(has_provider_id(id)),
        Search::Phone(digits) => single(sent_to(digits)),
        Search::HeldId(held) => vec![sent_while_held(held)],
        Search::PhonePrefix(digits) => vec![starts_with(&text(Column::Recipient), digits)],
        Search::PhoneSuffix(digits) => {
            vec![starts_with(
                &text(Column::RecipientReversed),
                &reverse(digits),
            )]
        }
        Search::RecentPhoneSuffix(digits, since) => {
            let ends = starts_with(&text(Column::RecipientReversed), &reverse(digits));
            vec![ends.add(unindexed_creation().gte(instant::to_millis(*since)))]
        }
        Search::ReferencePrefix(beginning) => references()
            .map(|column| starts_with(&text(column), beginning))
            .to_vec(),
    }
}

/// Sent to this recipient, in every spelling of the number. A single spelling uses equality, so
/// that the index returns the messages by creation time without a sort.
pub(crate) fn sent_to(recipient: &str) -> SimpleExpr {
    match recipient_spelling::spellings(recipient).as_slice() {
        [only] => Column::Recipient.eq(only.as_str()),
        several => Column::Recipient.is_in(several),
    }
}

/// Sent to this id while it was the customer's.
fn sent_while_held(held: &HeldId) -> Condition {
    let limits = [
        (held.from).map(|from| unindexed_creation().gte(instant::to_millis(from))),
        (held.until).map(|until| unindexed_creation().lt(instant::to_millis(until))),
    ];
    let sent = Condition::all().add(sent_to(&held.identity));
    limits.into_iter().flatten().fold(sent, Condition::add)
}

/// The no-op prevents the planner from using the index of `created_at`: the number is more
/// selective.
fn unindexed_creation() -> SimpleExpr {
    Expr::col(Column::CreatedAt).if_null(Expr::col(Column::CreatedAt))
}

fn reverse(digits: &str) -> String {
    digits.chars().rev().collect()
}

/// Sent to this recipient, or to another id of the same customer while the customer had it.
pub(super) fn sent_to_customer(recipient: &str, also: &[HeldId]) -> Condition {
    let sent = Condition::any().add(sent_to(recipient));
    also.iter().map(sent_while_held).fold(sent, Condition::add)
}

/// A range, because SQLite's `LIKE` ignores case and so uses no index with binary collation.
fn starts_with(column: &SimpleExpr, prefix: &str) -> Condition {
    Condition::all()
        .add(column.clone().gte(prefix))
        .add(column.clone().lt(format!("{prefix}\u{10FFFF}")))
}

/// Has this provider id, among others.
pub(crate) fn has_provider_id(id: &str) -> SimpleExpr {
    Column::Id.in_subquery(
        Query::select()
            .column(provider_id_row::Column::Message)
            .from(provider_id_row::Entity)
            .and_where(provider_id_row::Column::ProviderId.eq(id))
            .to_owned(),
    )
}
