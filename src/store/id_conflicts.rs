//! Lists the provider ids that two sent messages claim.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::store::Store;
use crate::store::entities::id_conflict_row::{Column, Entity};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdConflict {
    pub account: AccountId,
    pub provider_id: ProviderMessageId,
    /// The message that holds the id.
    pub message: MessageId,
    /// The other message that the provider reported with the id.
    pub claimant: MessageId,
    /// When the conflict was first reported.
    pub seen_at: DateTime<Utc>,
}

/// Where a page ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdConflictCursor {
    pub seen_at: DateTime<Utc>,
    pub claimant: MessageId,
    pub provider_id: String,
}

impl Store {
    /// Newest first.
    pub async fn list_id_conflicts(
        &self,
        after: Option<&IdConflictCursor>,
        limit: u64,
    ) -> Result<Vec<IdConflict>, Error> {
        let rows = Entity::find()
            .apply_if(after, |query, after| {
                let sort_key = Expr::tuple([
                    Expr::col(Column::SeenAt),
                    Expr::col(Column::Claimant),
                    Expr::col(Column::ProviderId),
                ]);
                query.filter(sort_key.lt(Expr::tuple([
                    Expr::value(instant::to_millis(after.seen_at)),
                    Expr::value(after.claimant.uuid()),
                    Expr::value(after.provider_id.as_str()),
                ])))
            })
            .order_by_desc(Column::SeenAt)
            .order_by_desc(Column::Claimant)
            .order_by_desc(Column::ProviderId)
            .limit(limit)
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(IdConflict {
                    account: row.account,
                    provider_id: ProviderMessageId::parse_stored(&row.provider_id).map_err(
                        |_| Error::inconsistent("id_conflicts", "provider_id", row.claimant),
                    )?,
                    message: row.message.into(),
                    claimant: row.claimant.into(),
                    seen_at: instant::from_millis("id_conflicts", "seen_at", row.seen_at)?,
                })
            })
            .collect()
    }

    pub async fn count_id_conflicts(&self) -> Result<u64, Error> {
        Ok(Entity::find().count(self.pools().reader()).await?)
    }
}
