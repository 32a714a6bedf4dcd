//! The main database as it is at one instant, for `verify`.
//!
//! Discrepancies are texts with ids and no personal data.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{
    AccessMode, ColumnTrait, DatabaseTransaction, DbBackend, EntityTrait, IdenStatic,
    IsolationLevel, Iterable, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait,
};
use uuid::Uuid;

use crate::db::{Error, statements};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::entities::{callback_outcome_row, message_row, provider_id_row};
use crate::store::ledger::flush::refold;
use crate::store::ledger::id_binding::preferred_id;
use crate::store::{Store, receipts, store_settings};

/// Messages per batch.
pub(super) const BATCH: u64 = 400;

#[derive(Debug)]
pub struct VerifySnapshot {
    pub(super) transaction: DatabaseTransaction,
}

impl Store {
    /// Begins a snapshot, which contains no later writes.
    pub async fn snapshot(&self) -> Result<VerifySnapshot, Error> {
        let reader = self.pools().reader();
        let transaction = if reader.get_database_backend() == DbBackend::Postgres {
            let isolation = Some(IsolationLevel::RepeatableRead);
            reader
                .begin_with_config(isolation, Some(AccessMode::ReadOnly))
                .await?
        } else {
            reader.begin().await?
        };
        Ok(VerifySnapshot { transaction })
    }
}

impl VerifySnapshot {
    pub async fn close(self) -> Result<(), Error> {
        Ok(self.transaction.rollback().await?)
    }

    /// The last processed journal `seq`.
    pub async fn position(&self) -> Result<i64, Error> {
        store_settings::position(&self.transaction).await
    }

    pub async fn count_messages(&self) -> Result<u64, Error> {
        Ok(message_row::Entity::find().count(&self.transaction).await?)
    }

    /// Callbacks with an outcome, by `seq` within `(after, until]`.
    pub async fn list_outcomes(
        &self,
        after: i64,
        until: i64,
    ) -> Result<BTreeMap<i64, CallbackId>, Error> {
        let rows: Vec<(i64, Uuid)> = callback_outcome_row::Entity::find()
            .select_only()
            .columns([
                callback_outcome_row::Column::Seq,
                callback_outcome_row::Column::Callback,
            ])
            .filter(callback_outcome_row::Column::Seq.gt(after))
            .filter(callback_outcome_row::Column::Seq.lte(until))
            .into_tuple()
            .all(&self.transaction)
            .await?;
        Ok(rows.into_iter().map(|(seq, id)| (seq, id.into())).collect())
    }

    /// Folds the next messages again. Returns the last one, their number and the discrepancies;
    /// `None` after the last message.
    pub async fn check_messages(
        &self,
        after: Option<MessageId>,
    ) -> Result<Option<(MessageId, u64, Vec<String>)>, Error> {
        let rows = message_row::Entity::find()
            .filter(message_row::Column::Id.gt(after.map_or(Uuid::nil(), MessageId::uuid)))
            .order_by_asc(message_row::Column::Id)
            .limit(BATCH)
            .all(&self.transaction)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let (last, number) = (last.id, u64::try_from(rows.len()).unwrap_or_default());
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let receipts = receipts::find_of(&self.transaction, &ids).await?;
        let mut provider_ids: HashMap<Uuid, Vec<provider_id_row::Model>> = HashMap::new();
        let by_message = provider_id_row::Column::Message;
        for row in
            statements::find_by::<provider_id_row::Entity>(&self.transaction, by_message, &ids)
                .await?
        {
            provider_ids.entry(row.message).or_default().push(row);
        }
        let mut discrepancies = Vec::new();
        for row in &rows {
            let provider_ids = provider_ids.get(&row.id).map_or(&[][..], Vec::as_slice);
            let mut derived = row.clone();
            refold(
                &mut derived,
                receipts.get(&row.id).map_or(&[], Vec::as_slice),
            )?;
            derived.provider_id = preferred_id(provider_ids);
            discrepancies.extend(compare(row, &derived));
            let of_others = provider_ids.iter().filter(|id| id.account != row.account);
            discrepancies.extend(of_others.map(|id| {
                format!(
                    "message {} of account {} holds an id of account {}",
                    row.id, row.account, id.account
                )
            }));
        }
        Ok(Some((last.into(), number, discrepancies)))
    }
}

/// Names the columns that differ from those derived from receipts and ids.
fn compare(stored: &message_row::Model, derived: &message_row::Model) -> Option<String> {
    if stored.state != derived.state {
        return Some(format!(
            "message {} is stored as {}; its receipts give {}",
            stored.id, stored.state, derived.state
        ));
    }
    let wrong: Vec<&str> = message_row::Column::iter()
        .filter(|column| stored.get(*column) != derived.get(*column))
        .map(|column| column.as_str())
        .collect();
    (!wrong.is_empty()).then(|| {
        format!(
            "message {}: its receipts and ids give other values of {}",
            stored.id,
            wrong.join(", ")
        )
    })
}
