//! Removes personal data from messages. State, times, cost and counts stay; recipient, content and
//! ids go.

use std::collections::BTreeSet;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::domain::audit_action::Verb;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::receipt::SourceKind;
use crate::store::entities::{
    action_row, attempt_row, id_conflict_row, idempotency_key_row, message_row,
    message_warning_row, provider_id_row, receipt_row, upload_row,
};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::template_values::NO_VALUES;

/// Stands for a removed text in a column that must have one.
pub(in crate::store) const ERASED: &str = "…";

impl Ledger {
    /// Removes the personal data of these messages and cancels those that are queued; returns the
    /// callbacks that reported on them. Those that are being submitted stay: their outcome would bring
    /// the data back. None may be loaded.
    pub async fn erase_messages(
        &mut self,
        ids: &[MessageId],
    ) -> Result<BTreeSet<CallbackId>, Error> {
        let messages: Vec<Uuid> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::Id)
            .filter(message_row::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(message_row::Column::Queue.ne(QueueState::Sending))
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let ids: Vec<MessageId> = messages.iter().map(|id| MessageId::from(*id)).collect();
        let callbacks = self.list_reporting(&messages).await?;
        self.erase_receipts(&messages).await?;
        self.erase_attempts(&messages).await?;
        self.delete_ids(&messages).await?;
        self.load(&ids).await?;
        for id in &ids {
            self.cancel_queued(*id);
            let Some(entry) = self.entries.get_mut(&id.uuid()) else {
                continue;
            };
            erase_columns(&mut entry.row);
            entry.mark_ids_changed();
        }
        Ok(callbacks)
    }

    /// Cancels a loaded message that is queued.
    pub(in crate::store) fn cancel_queued(&mut self, id: MessageId) {
        if let Some(entry) = self.entries.get_mut(&id.uuid())
            && entry.row.queue == QueueState::Queued
        {
            entry.row.leave_queue(QueueState::Cancelled);
        }
    }

    /// Folds a loaded message again, and chooses its id again, after rows of it were changed.
    pub(in crate::store) fn fold_again(&mut self, id: MessageId) {
        if let Some(entry) = self.entries.get_mut(&id.uuid()) {
            entry.mark_ids_changed();
        }
    }

    async fn list_reporting(&self, messages: &[Uuid]) -> Result<BTreeSet<CallbackId>, Error> {
        let sources: Vec<Uuid> = receipt_row::Entity::find()
            .select_only()
            .column(receipt_row::Column::Source)
            .distinct()
            .filter(receipt_row::Column::Message.is_in(messages.iter().copied()))
            .filter(receipt_row::Column::SourceKind.eq(SourceKind::Callback))
            .into_tuple()
            .all(&self.transaction)
            .await?;
        Ok(sources.into_iter().map(Into::into).collect())
    }

    async fn erase_receipts(&self, messages: &[Uuid]) -> Result<(), Error> {
        let nothing = || Expr::value(None::<String>);
        receipt_row::Entity::update_many()
            .col_expr(receipt_row::Column::Recipient, nothing())
            .col_expr(receipt_row::Column::Detail, nothing())
            .col_expr(receipt_row::Column::PricingRaw, nothing())
            .filter(receipt_row::Column::Message.is_in(messages.iter().copied()))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }

    async fn erase_attempts(&self, messages: &[Uuid]) -> Result<(), Error> {
        let nothing = || Expr::value(None::<String>);
        attempt_row::Entity::update_many()
            .col_expr(attempt_row::Column::Request, Expr::value(ERASED))
            .col_expr(attempt_row::Column::Reply, nothing())
            .col_expr(attempt_row::Column::Detail, nothing())
            .filter(attempt_row::Column::Message.is_in(messages.iter().copied()))
            .exec(&self.transaction)
            .await?;
        // Reasons that operators wrote; details of other actions are ids.
        action_row::Entity::update_many()
            .col_expr(action_row::Column::Detail, nothing())
            .filter(action_row::Column::Verb.eq(Verb::MarkFailed))
            .filter(action_row::Column::Message.is_in(messages.iter().copied()))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }

    async fn delete_ids(&self, messages: &[Uuid]) -> Result<(), Error> {
        let these = || messages.iter().copied();
        provider_id_row::Entity::delete_many()
            .filter(provider_id_row::Column::Message.is_in(these()))
            .exec(&self.transaction)
            .await?;
        id_conflict_row::Entity::delete_many()
            .filter(
                Condition::any()
                    .add(id_conflict_row::Column::Message.is_in(these()))
                    .add(id_conflict_row::Column::Claimant.is_in(these())),
            )
            .exec(&self.transaction)
            .await?;
        idempotency_key_row::Entity::delete_many()
            .filter(idempotency_key_row::Column::Message.is_in(these()))
            .exec(&self.transaction)
            .await?;
        message_warning_row::Entity::delete_many()
            .filter(message_warning_row::Column::Message.is_in(these()))
            .exec(&self.transaction)
            .await?;
        upload_row::Entity::delete_many()
            .filter(upload_row::Column::Message.is_in(these()))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }
}

fn erase_columns(row: &mut message_row::Model) {
    row.recipient = None;
    row.recipient_reversed = None;
    row.recipient_name = None;
    row.media_url = None;
    row.media_id = None;
    row.media_token = None;
    row.upload_path = None;
    row.upload_size = None;
    row.caption = None;
    row.reference = None;
    row.reference1 = None;
    row.reference2 = None;
    row.client_reference = None;
    row.hold = None;
    row.template_values = row.template_name.as_ref().map(|_| NO_VALUES.to_owned());
}
