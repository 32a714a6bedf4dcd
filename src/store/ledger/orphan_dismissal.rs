//! Dismisses many orphans at once.

use std::collections::HashMap;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::domain::ids::MessageId;
use crate::domain::message::Origin;
use crate::store::dismissals;
use crate::store::entities::{message_row, receipt_row};
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// Dismisses those of the messages that are orphans until their next receipt, and never adopts
    /// them; returns their number. None may be loaded.
    pub async fn dismiss_orphans(&self, ids: &[MessageId]) -> Result<u64, Error> {
        let orphans: Vec<Uuid> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::Id)
            .filter(message_row::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(message_row::Column::Origin.eq(Origin::Orphan))
            .into_tuple()
            .all(&self.transaction)
            .await?;
        if orphans.is_empty() {
            return Ok(0);
        }
        let counted: Vec<(Uuid, i64)> = receipt_row::Entity::find()
            .select_only()
            .column(receipt_row::Column::Message)
            .column_as(receipt_row::Column::Source.count(), "receipts")
            .filter(receipt_row::Column::Message.is_in(orphans.iter().copied()))
            .group_by(receipt_row::Column::Message)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let receipts: HashMap<Uuid, i64> = counted.into_iter().collect();
        let subjects = orphans.iter().map(|orphan| {
            let receipts = receipts.get(orphan).copied().unwrap_or_default();
            (*orphan, i32::try_from(receipts).unwrap_or(i32::MAX))
        });
        dismissals::write_all(self, subjects.collect()).await?;
        message_row::Entity::update_many()
            .col_expr(
                message_row::Column::AdoptAt,
                Expr::value(Option::<i64>::None),
            )
            .filter(message_row::Column::Id.is_in(orphans.iter().copied()))
            .exec(&self.transaction)
            .await?;
        Ok(u64::try_from(orphans.len()).unwrap_or(u64::MAX))
    }
}
