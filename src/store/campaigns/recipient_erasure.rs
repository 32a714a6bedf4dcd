//! Rows of campaigns, for the erasure of a customer.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::Error;
use crate::domain::campaign::CampaignId;
use crate::store::Store;
use crate::store::entities::campaign_recipient_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

/// A row of a campaign, waiting or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecipientRow {
    pub campaign: CampaignId,
    pub position: i64,
    pub row_key: String,
    /// JSON; absent unless the recipient waits.
    pub content: Option<String>,
}

impl From<Model> for RecipientRow {
    fn from(row: Model) -> Self {
        Self {
            campaign: row.campaign,
            position: row.position,
            row_key: row.row_key,
            content: row.content,
        }
    }
}

impl Store {
    /// Waiting recipients of all campaigns, in the order of campaign and position.
    pub async fn list_all_waiting(
        &self,
        after: Option<&(CampaignId, i64)>,
        limit: u64,
    ) -> Result<Vec<RecipientRow>, Error> {
        let mut query = Entity::find()
            .filter(Column::Content.is_not_null())
            .order_by_asc(Column::Campaign)
            .order_by_asc(Column::Position)
            .limit(limit);
        if let Some((campaign, position)) = after {
            let sort_key = Expr::tuple([Expr::col(Column::Campaign), Expr::col(Column::Position)]);
            let last = Expr::tuple([Expr::value(campaign.as_str()), Expr::value(*position)]);
            query = query.filter(sort_key.gt(last));
        }
        let rows = query.all(self.pools().reader()).await?;
        Ok(rows.into_iter().map(RecipientRow::from).collect())
    }

    /// The rows with these keys, of one or of all campaigns.
    pub async fn list_rows_with_keys(
        &self,
        campaign: Option<&CampaignId>,
        row_keys: &[String],
    ) -> Result<Vec<RecipientRow>, Error> {
        let mut query = Entity::find().filter(Column::RowKey.is_in(row_keys));
        if let Some(campaign) = campaign {
            query = query.filter(Column::Campaign.eq(campaign));
        }
        let rows = query.all(self.pools().reader()).await?;
        Ok(rows.into_iter().map(RecipientRow::from).collect())
    }

    pub async fn replace_row_key(&self, row: &RecipientRow, key: &str) -> Result<(), Error> {
        let update = Entity::update_many()
            .col_expr(Column::RowKey, Expr::value(key))
            .filter(Column::Campaign.eq(&row.campaign))
            .filter(Column::Position.eq(row.position))
            .filter(Column::RowKey.eq(&row.row_key));
        self.pools()
            .within(async |transaction| {
                update.clone().exec(transaction).await?;
                Ok(())
            })
            .await
    }
}

impl Ledger {
    /// Erases a waiting recipient except for a hash of the key; false if none waits at this
    /// position.
    pub async fn erase_waiting_row(
        &mut self,
        campaign: &CampaignId,
        position: i64,
        key: &str,
    ) -> Result<bool, Error> {
        let erased = Entity::update_many()
            .col_expr(Column::RowKey, Expr::value(key))
            .col_expr(Column::Content, Expr::value(None::<String>))
            .filter(Column::Campaign.eq(campaign))
            .filter(Column::Position.eq(position))
            .filter(Column::Content.is_not_null())
            .exec(self.transaction())
            .await?;
        Ok(erased.rows_affected > 0)
    }

    /// Deletes a waiting recipient; false if none waits at this position.
    pub async fn delete_waiting_row(
        &mut self,
        campaign: &CampaignId,
        position: i64,
    ) -> Result<bool, Error> {
        let deleted = Entity::delete_many()
            .filter(Column::Campaign.eq(campaign))
            .filter(Column::Position.eq(position))
            .filter(Column::Content.is_not_null())
            .exec(self.transaction())
            .await?;
        Ok(deleted.rows_affected > 0)
    }
}
