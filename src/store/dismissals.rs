//! Dismissed problems: they are not counted or listed until something new is reported.

use sea_orm::sea_query::{Expr, OnConflict, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::entities::{dismissal_row, quarantined_part_row, receipt_row};
use crate::store::ledger::message_ledger::Ledger;

/// Selects messages that were dismissed and have no receipt since.
pub(crate) fn message_is_dismissed() -> SimpleExpr {
    Expr::cust(
        "EXISTS (SELECT 1 FROM put_aside WHERE put_aside.subject = messages.id AND put_aside.facts >= \
         (SELECT COUNT(*) FROM receipts WHERE receipts.message = messages.id))",
    )
}

/// The condition of a list's filter.
pub(crate) fn dismissal_filter(dismissed: Option<bool>) -> Option<SimpleExpr> {
    dismissed.map(|dismissed| {
        if dismissed {
            message_is_dismissed()
        } else {
            message_is_dismissed().not()
        }
    })
}

/// Selects quarantined callbacks that were dismissed.
pub(crate) fn callback_is_dismissed() -> SimpleExpr {
    Expr::cust("EXISTS (SELECT 1 FROM put_aside WHERE put_aside.subject = quarantine.callback)")
}

impl Ledger {
    /// Dismisses a message until its next receipt.
    pub async fn dismiss_message(&self, message: MessageId) -> Result<(), Error> {
        let receipts = receipt_row::Entity::find()
            .filter(receipt_row::Column::Message.eq(message.uuid()))
            .count(self.transaction())
            .await?;
        let receipts = i32::try_from(receipts).unwrap_or(i32::MAX);
        write(self, message.uuid(), receipts).await
    }

    /// Dismisses a quarantined callback; false when it has no unparsed part.
    pub async fn dismiss_callback(&self, callback: CallbackId) -> Result<bool, Error> {
        let parts = quarantined_part_row::Entity::find()
            .filter(quarantined_part_row::Column::Callback.eq(callback.uuid()))
            .count(self.transaction())
            .await?;
        if parts > 0 {
            write(self, callback.uuid(), 0).await?;
        }
        Ok(parts > 0)
    }
}

async fn write(ledger: &Ledger, subject: Uuid, receipts: i32) -> Result<(), Error> {
    write_all(ledger, vec![(subject, receipts)]).await
}

/// Each subject with its number of receipts.
pub(super) async fn write_all(ledger: &Ledger, subjects: Vec<(Uuid, i32)>) -> Result<(), Error> {
    let rows = subjects.into_iter().map(|(subject, receipts)| {
        let row = dismissal_row::Model {
            subject,
            receipts,
            dismissed_at: instant::to_millis(ledger.now()),
        };
        row.into_active_model()
    });
    let again = OnConflict::column(dismissal_row::Column::Subject)
        .update_columns([
            dismissal_row::Column::Receipts,
            dismissal_row::Column::DismissedAt,
        ])
        .to_owned();
    dismissal_row::Entity::insert_many(rows)
        .on_conflict(again)
        .exec_without_returning(ledger.transaction())
        .await?;
    Ok(())
}
