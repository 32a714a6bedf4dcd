//! Finds what belongs to one customer in the main database, and removes it.
//!
//! `erasure_sweep` handles texts in the rows of others that name the customer.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::receipt::SourceKind;
use crate::store::audit_log::insert_action;
use crate::store::entities::{
    account_event_row, callback_outcome_row, crashed_callback_row, message_row, person_link_row,
    quarantined_part_row, receipt_row, recipient_hold_row, window_row,
};
use crate::store::ledger::message_erasure::NameHash;
use crate::store::messages::message_lookup::list_ids;
use crate::store::{Store, outcome_counts};

impl Store {
    /// The next messages to these recipients, by id; at most `limit`.
    pub async fn list_messages_to(
        &self,
        identities: &BTreeSet<String>,
        after: Option<MessageId>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        let query = message_row::Entity::find()
            .filter(message_row::Column::Recipient.is_in(identities))
            .filter(message_row::Column::Id.gt(after.map_or(Uuid::nil(), MessageId::uuid)))
            .order_by_asc(message_row::Column::Id)
            .limit(limit);
        list_ids(self.pools().reader(), query).await
    }

    /// Messages to these recipients that are being submitted.
    pub async fn count_submitting(&self, identities: &BTreeSet<String>) -> Result<u64, Error> {
        Ok(message_row::Entity::find()
            .filter(message_row::Column::Recipient.is_in(identities))
            .filter(message_row::Column::Queue.eq(QueueState::Sending))
            .count(self.pools().reader())
            .await?)
    }

    /// When these customers last wrote, by account.
    pub async fn list_windows_of(
        &self,
        identities: &BTreeSet<String>,
    ) -> Result<Vec<(AccountId, DateTime<Utc>)>, Error> {
        let rows = window_row::Entity::find()
            .filter(window_row::Column::Customer.is_in(identities))
            .order_by_asc(window_row::Column::Account)
            .all(self.pools().reader())
            .await?;
        let read = |row: window_row::Model| {
            let at = instant::from_millis("windows", "last_inbound_at", row.last_inbound_at)?;
            Ok((row.account, at))
        };
        rows.into_iter().map(read).collect()
    }

    /// The callbacks that reported on these messages.
    pub async fn list_reporting_callbacks(
        &self,
        ids: &[MessageId],
    ) -> Result<BTreeSet<CallbackId>, Error> {
        let sources: Vec<Uuid> = receipt_row::Entity::find()
            .select_only()
            .column(receipt_row::Column::Source)
            .distinct()
            .filter(receipt_row::Column::Message.is_in(ids.iter().map(|id| id.uuid())))
            .filter(receipt_row::Column::SourceKind.eq(SourceKind::Callback))
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(sources.into_iter().map(Into::into).collect())
    }

    /// The campaigns of these messages with their client references, which identify rows of
    /// campaigns.
    pub async fn list_campaign_references(
        &self,
        ids: &[MessageId],
    ) -> Result<Vec<(CampaignId, String)>, Error> {
        Ok(message_row::Entity::find()
            .select_only()
            .columns([
                message_row::Column::Campaign,
                message_row::Column::ClientReference,
            ])
            .filter(message_row::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(message_row::Column::Campaign.is_not_null())
            .filter(message_row::Column::ClientReference.is_not_null())
            .into_tuple()
            .all(self.pools().reader())
            .await?)
    }

    /// Cancels those of these messages that are queued.
    pub async fn cancel_queued(&self, ids: &[MessageId], now: DateTime<Utc>) -> Result<(), Error> {
        self.change_in_background(now, async |ledger| ledger.cancel_all_queued(ids).await)
            .await
    }

    /// Removes the personal data of these messages, except those that are being submitted; returns
    /// the erased ones. Records the actions that are about erased messages.
    pub async fn erase_messages(
        &self,
        ids: &[MessageId],
        actions: &[Action],
        hash: NameHash<'_>,
        now: DateTime<Utc>,
    ) -> Result<BTreeSet<MessageId>, Error> {
        self.change_in_background(now, async |ledger| {
            let erased = ledger.erase_messages(ids, hash).await?;
            for action in actions {
                if action.message.is_some_and(|id| erased.contains(&id)) {
                    ledger.record_action(action).await?;
                }
            }
            Ok(erased)
        })
        .await
    }

    /// Removes rows that exist for one customer: windows and holds.
    pub async fn erase_customer_rows(&self, identities: &BTreeSet<String>) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                window_row::Entity::delete_many()
                    .filter(window_row::Column::Customer.is_in(identities))
                    .exec(transaction)
                    .await?;
                recipient_hold_row::Entity::delete_many()
                    .filter(recipient_hold_row::Column::Recipient.is_in(identities))
                    .exec(transaction)
                    .await?;
                Ok(())
            })
            .await
    }

    /// Ends an erasure: removes the links between the ids, which a resumed erasure still needs to
    /// find the customer's data, and records it in the audit log.
    pub async fn end_erasure(
        &self,
        identities: &BTreeSet<String>,
        action: &Action,
    ) -> Result<(), Error> {
        let linked = Condition::any()
            .add(person_link_row::Column::Identity.is_in(identities))
            .add(person_link_row::Column::Other.is_in(identities));
        let deletion = person_link_row::Entity::delete_many().filter(linked);
        self.pools()
            .within(async |transaction| {
                deletion.clone().exec(transaction).await?;
                insert_action(transaction, action).await
            })
            .await
    }

    /// Removes the data of these callbacks except the receipts: outcomes, quarantined parts and
    /// account events, as a purge does. Their journal entries must be deleted next.
    pub async fn forget_callbacks(&self, callbacks: &[CallbackId]) -> Result<(), Error> {
        for chunk in callbacks.chunks(IDS_PER_QUERY) {
            let ids: Vec<Uuid> = chunk.iter().map(|id| id.uuid()).collect();
            let these = || ids.iter().copied();
            self.pools()
                .within(async |transaction| {
                    let outcomes = callback_outcome_row::Column::Callback.is_in(these());
                    let outcomes = Condition::all().add(outcomes);
                    outcome_counts::remove_outcomes(transaction, outcomes).await?;
                    quarantined_part_row::Entity::delete_many()
                        .filter(quarantined_part_row::Column::Callback.is_in(these()))
                        .exec(transaction)
                        .await?;
                    account_event_row::Entity::delete_many()
                        .filter(account_event_row::Column::Callback.is_in(these()))
                        .exec(transaction)
                        .await?;
                    crashed_callback_row::Entity::delete_many()
                        .filter(crashed_callback_row::Column::Callback.is_in(these()))
                        .exec(transaction)
                        .await?;
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    /// `None` on PostgreSQL.
    pub async fn sqlite_version(&self) -> Result<Option<String>, Error> {
        self.pools().sqlite_version().await
    }

    /// See [`Pools::compact`](crate::db::pools::Pools).
    pub async fn compact(&self) -> Result<(), Error> {
        self.pools().compact().await
    }
}
