//! Removes personal data from messages. State, times, cost and counts stay; recipient, content and
//! ids are removed.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::domain::audit_action::ActionKind;
use crate::domain::delivery_state::QueueState;
use crate::domain::erased_name;
use crate::domain::erased_recipient::replacements;
use crate::domain::ids::MessageId;
use crate::store::entities::{
    action_row, attempt_row, id_conflict_row, idempotency_key_row, message_row,
    message_warning_row, provider_id_row, receipt_row, upload_row,
};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::template_values::NO_VALUES;
use crate::store::recipient_country::charged_country;

/// Hashes the parts of a name; see [`erased_name`].
pub(crate) type NameHash<'a> = &'a (dyn Fn(&[&str]) -> String + Sync);

impl Ledger {
    /// Removes the personal data of these messages and cancels the queued ones; returns the erased
    /// messages. Messages that are being submitted are not erased: recording their outcome would
    /// store the data again. None of the messages may be loaded.
    pub async fn erase_messages(
        &mut self,
        ids: &[MessageId],
        hash: NameHash<'_>,
    ) -> Result<BTreeSet<MessageId>, Error> {
        let messages: Vec<Uuid> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::Id)
            .filter(message_row::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(message_row::Column::Queue.ne(QueueState::Sending))
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let ids: Vec<MessageId> = messages.iter().map(|id| MessageId::from(*id)).collect();
        self.erase_receipts(&messages).await?;
        self.erase_attempts(&messages).await?;
        self.hash_keys(&messages, hash).await?;
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
        Ok(ids.into_iter().collect())
    }

    /// Cancels those of these messages that are queued.
    pub async fn cancel_all_queued(&mut self, ids: &[MessageId]) -> Result<(), Error> {
        self.load(ids).await?;
        for id in ids {
            self.cancel_queued(*id);
            self.fold_again(*id);
        }
        Ok(())
    }

    /// Replaces erased recipients in the receipts of these messages by texts that differ, so that
    /// as many recipients are counted as before.
    pub(in crate::store) async fn erase_recipients(
        &self,
        messages: &[Uuid],
        is_erased: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<(), Error> {
        let rows: Vec<(Uuid, String)> = receipt_row::Entity::find()
            .select_only()
            .columns([receipt_row::Column::Message, receipt_row::Column::Recipient])
            .distinct()
            .filter(receipt_row::Column::Message.is_in(messages.iter().copied()))
            .filter(receipt_row::Column::Recipient.is_not_null())
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let mut recipients: BTreeMap<Uuid, Vec<&str>> = BTreeMap::new();
        for (message, recipient) in &rows {
            recipients.entry(*message).or_default().push(recipient);
        }
        let mut replaced: BTreeMap<(&str, String), Vec<Uuid>> = BTreeMap::new();
        for (message, recipients) in &recipients {
            for replacement in replacements(recipients, is_erased) {
                replaced.entry(replacement).or_default().push(*message);
            }
        }
        for ((recipient, replacement), messages) in replaced {
            receipt_row::Entity::update_many()
                .col_expr(receipt_row::Column::Recipient, Expr::value(replacement))
                .filter(receipt_row::Column::Message.is_in(messages))
                .filter(receipt_row::Column::Recipient.eq(recipient))
                .exec(&self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Cancels a loaded message that is queued.
    pub(in crate::store) fn cancel_queued(&mut self, id: MessageId) {
        if let Some(entry) = self.entries.get_mut(&id.uuid())
            && entry.row.queue == QueueState::Queued
        {
            entry.row.leave_queue(QueueState::Cancelled);
        }
    }

    /// Makes the flush fold a loaded message and choose its id again, after its rows were changed.
    pub(in crate::store) fn fold_again(&mut self, id: MessageId) {
        if let Some(entry) = self.entries.get_mut(&id.uuid()) {
            entry.mark_ids_changed();
        }
    }

    async fn erase_receipts(&self, messages: &[Uuid]) -> Result<(), Error> {
        let nothing = || Expr::value(None::<String>);
        receipt_row::Entity::update_many()
            .col_expr(receipt_row::Column::Detail, nothing())
            .col_expr(receipt_row::Column::PricingRaw, nothing())
            .filter(receipt_row::Column::Message.is_in(messages.iter().copied()))
            .exec(&self.transaction)
            .await?;
        self.erase_recipients(messages, &|_| true).await
    }

    /// Hashes keys, so that a repeated request is still recognised.
    async fn hash_keys(&self, messages: &[Uuid], hash: NameHash<'_>) -> Result<(), Error> {
        let rows = idempotency_key_row::Entity::find()
            .filter(idempotency_key_row::Column::Message.is_in(messages.iter().copied()))
            .all(&self.transaction)
            .await?;
        for row in rows {
            hash_key(&self.transaction, &row, hash).await?;
        }
        Ok(())
    }

    async fn erase_attempts(&self, messages: &[Uuid]) -> Result<(), Error> {
        let nothing = || Expr::value(None::<String>);
        attempt_row::Entity::update_many()
            .col_expr(attempt_row::Column::Request, Expr::value(erased_name::TEXT))
            .col_expr(attempt_row::Column::Reply, nothing())
            .col_expr(attempt_row::Column::Detail, nothing())
            .filter(attempt_row::Column::Message.is_in(messages.iter().copied()))
            .exec(&self.transaction)
            .await?;
        // Reasons that operators wrote; details of other actions are ids.
        action_row::Entity::update_many()
            .col_expr(action_row::Column::Detail, nothing())
            .filter(action_row::Column::Kind.eq(ActionKind::MarkFailed))
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

/// Hashes name and request of an idempotency key, unless they are hashed already.
pub(in crate::store) async fn hash_key(
    transaction: &DatabaseTransaction,
    row: &idempotency_key_row::Model,
    hash: NameHash<'_>,
) -> Result<(), Error> {
    if row.request_hash.starts_with(erased_name::PREFIX) {
        return Ok(());
    }
    let name = hash(&erased_name::request_key_parts(&row.account, &row.name));
    let request_hash = hash(&erased_name::request_hash_parts(&row.request_hash));
    idempotency_key_row::Entity::update_many()
        .col_expr(idempotency_key_row::Column::Name, Expr::value(name))
        .col_expr(
            idempotency_key_row::Column::RequestHash,
            Expr::value(request_hash),
        )
        .col_expr(
            idempotency_key_row::Column::Warnings,
            Expr::value(None::<String>),
        )
        .filter(idempotency_key_row::Column::Account.eq(&row.account))
        .filter(idempotency_key_row::Column::Name.eq(&row.name))
        .exec(transaction)
        .await?;
    Ok(())
}

fn erase_columns(row: &mut message_row::Model) {
    let (recipient, erased) = (row.recipient.as_deref(), row.erased_country.as_deref());
    row.erased_country = charged_country(recipient, erased);
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
