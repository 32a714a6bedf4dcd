//! Problems that an operator has seen and put aside: they leave counts and lists until something new is heard.

use sea_orm::sea_query::{Expr, OnConflict, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::entities::{put_aside, quarantine, receipts};
use crate::store::ledger::Ledger;

/// Whether a message was put aside and nothing was heard of it since.
pub(crate) fn message_is_aside() -> SimpleExpr {
    Expr::cust(
        "EXISTS (SELECT 1 FROM put_aside WHERE put_aside.subject = messages.id AND put_aside.facts >= \
         (SELECT COUNT(*) FROM receipts WHERE receipts.message = messages.id))",
    )
}

/// Whether what is unreadable of a callback was put aside.
pub(crate) fn callback_is_aside() -> SimpleExpr {
    Expr::cust("EXISTS (SELECT 1 FROM put_aside WHERE put_aside.subject = quarantine.callback)")
}

impl Ledger {
    /// Puts a message aside until another fact about it is heard.
    pub async fn put_message_aside(&self, message: MessageId) -> Result<(), Error> {
        let facts = receipts::Entity::find()
            .filter(receipts::Column::Message.eq(message.uuid()))
            .count(self.transaction())
            .await?;
        let facts = i32::try_from(facts).unwrap_or(i32::MAX);
        write(self, message.uuid(), facts).await
    }

    /// Puts what is unreadable of a callback aside; false when nothing of it is.
    pub async fn put_callback_aside(&self, callback: CallbackId) -> Result<bool, Error> {
        let parts = quarantine::Entity::find()
            .filter(quarantine::Column::Callback.eq(callback.uuid()))
            .count(self.transaction())
            .await?;
        if parts > 0 {
            write(self, callback.uuid(), 0).await?;
        }
        Ok(parts > 0)
    }
}

async fn write(ledger: &Ledger, subject: Uuid, facts: i32) -> Result<(), Error> {
    let row = put_aside::Model {
        subject,
        facts,
        put_at: instant::write(ledger.now()),
    };
    let again = OnConflict::column(put_aside::Column::Subject)
        .update_columns([put_aside::Column::Facts, put_aside::Column::PutAt])
        .to_owned();
    put_aside::Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_without_returning(ledger.transaction())
        .await?;
    Ok(())
}
