//! Recipients of campaigns without a message yet.

use std::collections::HashSet;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::db::{Error, statements};
use crate::domain::campaign::CampaignId;
use crate::store::Store;
use crate::store::entities::campaign_recipient_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRecipient {
    /// Equal for two rows about one recipient.
    pub row_key: String,
    /// What replaces the key after an erasure, by the current and the earlier secret keys.
    pub erased_keys: Vec<String>,
    /// The recipient's fields as JSON.
    pub content: String,
}

impl NewRecipient {
    fn keys(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.row_key).chain(&self.erased_keys)
    }

    /// Whether `known` has a key of the recipient.
    pub fn is_among(&self, known: &HashSet<String>) -> bool {
        self.keys().any(|key| known.contains(key))
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingRecipient {
    pub position: i64,
    /// The recipient's fields as JSON.
    pub content: String,
}

/// The most recipients that one transaction clears.
const CLEARED_AT_ONCE: u64 = 5000;

impl Store {
    /// Whether there are recipients without a message yet.
    pub async fn has_waiting_recipients(&self, campaign: &CampaignId) -> Result<bool, Error> {
        let first = waiting(campaign).one(self.pools().reader()).await?;
        Ok(first.is_some())
    }

    /// The first recipients without a message yet.
    pub async fn list_waiting_recipients(
        &self,
        campaign: &CampaignId,
        limit: u64,
    ) -> Result<Vec<WaitingRecipient>, Error> {
        list_waiting(self.pools().reader(), campaign, limit).await
    }

    /// The keys of these recipients that the campaign already has.
    pub async fn list_known_keys(
        &self,
        campaign: &CampaignId,
        recipients: &[NewRecipient],
    ) -> Result<HashSet<String>, Error> {
        list_keys(self.pools().reader(), campaign, recipients).await
    }
}

impl Ledger {
    /// The keys of these recipients that the campaign already has.
    pub async fn list_known_keys(
        &self,
        campaign: &CampaignId,
        recipients: &[NewRecipient],
    ) -> Result<HashSet<String>, Error> {
        list_keys(self.transaction(), campaign, recipients).await
    }

    /// Adds recipients that the campaign does not have; returns how many.
    pub async fn add_recipients(
        &mut self,
        campaign: &CampaignId,
        recipients: Vec<NewRecipient>,
    ) -> Result<u64, Error> {
        let known = self.list_known_keys(campaign, &recipients).await?;
        let recipients = recipients.into_iter().filter(|row| !row.is_among(&known));
        let last: Option<i64> = Entity::find()
            .select_only()
            .column(Column::Position)
            .filter(Column::Campaign.eq(campaign))
            .order_by_desc(Column::Position)
            .limit(1)
            .into_tuple()
            .one(self.transaction())
            .await?;
        let rows: Vec<Model> = (last.unwrap_or(0) + 1..)
            .zip(recipients)
            .map(|(position, recipient)| Model {
                campaign: campaign.clone(),
                position,
                row_key: recipient.row_key,
                content: Some(recipient.content),
            })
            .collect();
        let rows: Vec<&Model> = rows.iter().collect();
        let once = "ON CONFLICT (campaign, row_key) DO NOTHING";
        statements::insert::<Entity>(self.transaction(), &rows, once).await
    }

    /// The first recipients without a message yet.
    pub async fn list_waiting_recipients(
        &self,
        campaign: &CampaignId,
        limit: u64,
    ) -> Result<Vec<WaitingRecipient>, Error> {
        list_waiting(self.transaction(), campaign, limit).await
    }

    /// Deletes recipients for whom no message was created.
    pub async fn delete_recipients(
        &mut self,
        campaign: &CampaignId,
        positions: &[i64],
    ) -> Result<(), Error> {
        if positions.is_empty() {
            return Ok(());
        }
        Entity::delete_many()
            .filter(Column::Campaign.eq(campaign))
            .filter(Column::Position.is_in(positions.iter().copied()))
            .exec(self.transaction())
            .await?;
        Ok(())
    }

    /// Removes the data of the first `CLEARED_AT_ONCE` recipients without a message of a cancelled
    /// campaign.
    pub async fn clear_waiting_recipients(&mut self, campaign: &CampaignId) -> Result<(), Error> {
        let last: Option<i64> = waiting(campaign)
            .select_only()
            .column(Column::Position)
            .order_by_asc(Column::Position)
            .offset(CLEARED_AT_ONCE - 1)
            .limit(1)
            .into_tuple()
            .one(self.transaction())
            .await?;
        // There are fewer.
        let last = last.unwrap_or(i64::MAX);
        self.clear_recipients(campaign, last).await
    }

    /// Removes the data of recipients up to this position: they have messages now, or their campaign
    /// was cancelled.
    pub async fn clear_recipients(
        &mut self,
        campaign: &CampaignId,
        up_to: i64,
    ) -> Result<(), Error> {
        Entity::update_many()
            .col_expr(Column::Content, Expr::value(None::<String>))
            .filter(Column::Campaign.eq(campaign))
            .filter(Column::Content.is_not_null())
            .filter(Column::Position.lte(up_to))
            .exec(self.transaction())
            .await?;
        Ok(())
    }
}

fn waiting(campaign: &CampaignId) -> Select<Entity> {
    Entity::find()
        .filter(Column::Campaign.eq(campaign))
        .filter(Column::Content.is_not_null())
}

async fn list_waiting(
    connection: &impl ConnectionTrait,
    campaign: &CampaignId,
    limit: u64,
) -> Result<Vec<WaitingRecipient>, Error> {
    let query = waiting(campaign).order_by_asc(Column::Position);
    let rows = query.limit(limit).all(connection).await?;
    let waiting = rows.into_iter().filter_map(|row| {
        Some(WaitingRecipient {
            position: row.position,
            content: row.content?,
        })
    });
    Ok(waiting.collect())
}

async fn list_keys(
    connection: &impl ConnectionTrait,
    campaign: &CampaignId,
    recipients: &[NewRecipient],
) -> Result<HashSet<String>, Error> {
    let keys = recipients.iter().flat_map(NewRecipient::keys);
    let known: Vec<String> = Entity::find()
        .select_only()
        .column(Column::RowKey)
        .filter(Column::Campaign.eq(campaign))
        .filter(Column::RowKey.is_in(keys.map(String::as_str)))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(known.into_iter().collect())
}
