//! Finds what belongs to one customer in the main database, and removes it.
//!
//! What names the customer in rows of others is in `erasure_sweep`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::store::entities::{
    account_event_row, callback_outcome_row, campaign_recipient_row, crashed_callback_row,
    message_row, person_link_row, quarantined_part_row, recipient_hold_row, window_row,
};
use crate::store::messages::message_lookup::list_ids;
use crate::store::{Store, callback_books};

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
            .filter(window_row::Column::Phone.is_in(identities))
            .order_by_asc(window_row::Column::Account)
            .all(self.pools().reader())
            .await?;
        let read = |row: window_row::Model| {
            let at = instant::from_millis("windows", "last_inbound_at", row.last_inbound_at)?;
            Ok((row.account, at))
        };
        rows.into_iter().map(read).collect()
    }

    /// Removes the personal data of these messages, with an entry in the audit log for each; returns
    /// the callbacks that reported on them.
    pub async fn erase_messages(
        &self,
        ids: &[MessageId],
        actions: &[Action],
        now: DateTime<Utc>,
    ) -> Result<BTreeSet<CallbackId>, Error> {
        self.change_in_background(now, async |ledger| {
            for action in actions {
                ledger.record_action(action).await?;
            }
            ledger.erase_messages(ids).await
        })
        .await
    }

    /// Removes rows that exist for one customer: windows, links between ids, holds, and rows of
    /// campaigns, by the keys of their recipients.
    pub async fn erase_customer_rows(
        &self,
        identities: &BTreeSet<String>,
        recipient_keys: &[String],
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                window_row::Entity::delete_many()
                    .filter(window_row::Column::Phone.is_in(identities))
                    .exec(transaction)
                    .await?;
                let linked = Condition::any()
                    .add(person_link_row::Column::Identity.is_in(identities))
                    .add(person_link_row::Column::Other.is_in(identities));
                person_link_row::Entity::delete_many()
                    .filter(linked)
                    .exec(transaction)
                    .await?;
                recipient_hold_row::Entity::delete_many()
                    .filter(recipient_hold_row::Column::Recipient.is_in(identities))
                    .exec(transaction)
                    .await?;
                // The hash of a number can be found by trying all numbers.
                let unique = "'erased ' || CAST(position AS text)";
                campaign_recipient_row::Entity::update_many()
                    .col_expr(campaign_recipient_row::Column::RowKey, Expr::cust(unique))
                    .col_expr(
                        campaign_recipient_row::Column::Content,
                        Expr::value(None::<String>),
                    )
                    .filter(campaign_recipient_row::Column::RowKey.is_in(recipient_keys))
                    .exec(transaction)
                    .await?;
                Ok(())
            })
            .await
    }

    /// Removes what is known of these callbacks but the receipts: outcomes, quarantined parts and
    /// account events, as a purge does. Their journal entries must be deleted next.
    pub async fn forget_callbacks(&self, callbacks: &[CallbackId]) -> Result<(), Error> {
        for chunk in callbacks.chunks(IDS_PER_QUERY) {
            let ids: Vec<Uuid> = chunk.iter().map(|id| id.uuid()).collect();
            let these = || ids.iter().copied();
            self.pools()
                .within(async |transaction| {
                    let outcomes = callback_outcome_row::Column::Callback.is_in(these());
                    let outcomes = Condition::all().add(outcomes);
                    callback_books::remove_outcomes(transaction, outcomes).await?;
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
