//! Every id a provider has used for one message, and ids that two messages claim.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::store::entities::{id_conflicts, provider_ids};
use crate::store::{Error, Store};

impl Store {
    /// The ids of a message in the order they were learned.
    pub async fn list_provider_ids(
        &self,
        message: MessageId,
    ) -> Result<Vec<ProviderMessageId>, Error> {
        let rows = provider_ids::Entity::find()
            .filter(provider_ids::Column::Message.eq(message.uuid()))
            .order_by_asc(provider_ids::Column::LearnedAt)
            .order_by_asc(provider_ids::Column::ProviderId)
            .all(self.pools().reader())
            .await?;
        rows.iter()
            .map(|row| ProviderMessageId::parse(&row.provider_id))
            .collect::<Result<_, _>>()
            .map_err(|_| Error::inconsistent("provider_ids", "provider_id", message))
    }

    /// How many ids two sent messages claim.
    pub async fn count_id_conflicts(&self) -> Result<u64, Error> {
        Ok(id_conflicts::Entity::find()
            .count(self.pools().reader())
            .await?)
    }
}
