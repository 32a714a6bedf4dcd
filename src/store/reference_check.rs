//! Finds rows that refer to missing messages or contradict each other, for `verify`.

use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::domain::callback_outcome::Outcome;
use crate::domain::receipt::SourceKind;
use crate::store::entities::provider_id_row::NO_MESSAGE;
use crate::store::entities::receipt_row::ReceiptKind;
use crate::store::entities::{
    attempt_row, callback_outcome_row, merged_message_row, message_row, provider_id_row,
    receipt_row,
};
use crate::store::store_settings;
use crate::store::verify_snapshot::VerifySnapshot;

impl VerifySnapshot {
    /// Receipts, attempts, ids and merges of missing messages; at most `limit` of each.
    pub async fn find_dangling(&self, limit: u64) -> Result<Vec<String>, Error> {
        let mut discrepancies = Vec::new();
        let (key, message) = (receipt_row::Column::Source, receipt_row::Column::Message);
        for (source, message) in self.list_dangling(key, message, limit).await? {
            discrepancies.push(format!(
                "a receipt from {source} is about message {message}, which does not exist"
            ));
        }
        let (key, message) = (attempt_row::Column::Id, attempt_row::Column::Message);
        for (attempt, message) in self.list_dangling(key, message, limit).await? {
            discrepancies.push(format!(
                "attempt {attempt} is about message {message}, which does not exist"
            ));
        }
        let message = provider_id_row::Column::Message;
        for (_, message) in self.list_dangling(message, message, limit).await? {
            // A constant id, which belongs to no message.
            if message == NO_MESSAGE {
                continue;
            }
            discrepancies.push(format!(
                "a provider id belongs to message {message}, which does not exist"
            ));
        }
        let (key, message) = (
            merged_message_row::Column::Id,
            merged_message_row::Column::Survivor,
        );
        for (merged, message) in self.list_dangling(key, message, limit).await? {
            discrepancies.push(format!(
                "{merged} was merged into message {message}, which does not exist"
            ));
        }
        Ok(discrepancies)
    }

    /// The values of `key` and `message` where the message does not exist.
    async fn list_dangling<C: ColumnTrait<EntityName: EntityTrait>>(
        &self,
        key: C,
        message: C,
        limit: u64,
    ) -> Result<Vec<(Uuid, Uuid)>, Error> {
        let messages = Query::select()
            .column(message_row::Column::Id)
            .from(message_row::Entity)
            .to_owned();
        Ok(C::EntityName::find()
            .select_only()
            .column_as(key, "key")
            .column_as(message, "message")
            .distinct()
            .filter(message.not_in_subquery(messages))
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?)
    }

    /// Callbacks whose receipts and outcome contradict each other; at most `limit` of each kind.
    pub async fn find_contradictions(&self, limit: u64) -> Result<Vec<String>, Error> {
        let with_receipts: Vec<(Uuid, Outcome)> = callback_outcome_row::Entity::find()
            .select_only()
            .columns([
                callback_outcome_row::Column::Callback,
                callback_outcome_row::Column::Outcome,
            ])
            .filter(callback_outcome_row::Column::Outcome.ne(Outcome::Receipts))
            .filter(callback_outcome_row::Column::Callback.in_subquery(callbacks_with_receipts()))
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let mut discrepancies: Vec<String> = with_receipts
            .into_iter()
            .map(|(callback, outcome)| {
                format!(
                    "callback {callback} has the outcome `{}` but has receipts",
                    outcome.as_str()
                )
            })
            .collect();
        if store_settings::messages_purged_before(&self.transaction)
            .await?
            .is_some()
        {
            // Receipts are purged with their messages, outcomes with their callbacks.
            return Ok(discrepancies);
        }
        let without_receipts: Vec<Uuid> = callback_outcome_row::Entity::find()
            .select_only()
            .column(callback_outcome_row::Column::Callback)
            .filter(callback_outcome_row::Column::Outcome.eq(Outcome::Receipts))
            // With a detail, only ids were learned from it.
            .filter(callback_outcome_row::Column::Detail.is_null())
            .filter(
                callback_outcome_row::Column::Callback.not_in_subquery(callbacks_with_receipts()),
            )
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        discrepancies.extend(without_receipts.into_iter().map(|callback| {
            format!("callback {callback} has the outcome `receipts` but no receipts")
        }));
        Ok(discrepancies)
    }
}

/// Callbacks with receipts other than notices; those with notices alone have the outcome `notice`.
fn callbacks_with_receipts() -> SelectStatement {
    Query::select()
        .column(receipt_row::Column::Source)
        .from(receipt_row::Entity)
        .and_where(receipt_row::Column::SourceKind.eq(SourceKind::Callback))
        .and_where(receipt_row::Column::Kind.ne(ReceiptKind::Notice.as_str()))
        .to_owned()
}
