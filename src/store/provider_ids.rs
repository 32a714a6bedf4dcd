//! Every id that a provider has used for a message.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::db::Error;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::explanation::Correlation;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::store::Store;
use crate::store::entities::provider_id_row::IdSource;
use crate::store::entities::{id_conflict_row, merged_message_row, provider_id_row};

/// Conflicts examined per message.
const MAX_CONFLICTS: u64 = 20;

impl Store {
    /// In the order in which they were learned.
    pub async fn list_provider_ids(
        &self,
        message: MessageId,
    ) -> Result<Vec<ProviderMessageId>, Error> {
        let mut ids = self.list_provider_ids_of(&[message]).await?;
        Ok(ids.remove(&message).unwrap_or_default())
    }

    /// In the order in which they were learned. Messages without any are absent.
    pub async fn list_provider_ids_of(
        &self,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Vec<ProviderMessageId>>, Error> {
        let mut ids: HashMap<MessageId, Vec<ProviderMessageId>> = HashMap::new();
        for chunk in messages.chunks(IDS_PER_QUERY) {
            let rows = provider_id_row::Entity::find()
                .filter(provider_id_row::Column::Message.is_in(chunk.iter().map(|id| id.uuid())))
                .order_by_asc(provider_id_row::Column::LearnedAt)
                .order_by_asc(provider_id_row::Column::ProviderId)
                .all(self.pools().reader())
                .await?;
            for row in rows {
                let id = ProviderMessageId::parse_stored(&row.provider_id)
                    .map_err(|_| Error::inconsistent("provider_ids", "provider_id", row.message))?;
                ids.entry(row.message.into()).or_default().push(id);
            }
        }
        Ok(ids)
    }

    /// What explains which ids and receipts a message has: merged orphans, conflicting claims,
    /// registration.
    pub async fn find_correlation(&self, message: MessageId) -> Result<Correlation, Error> {
        let reader = self.pools().reader();
        let merged = merged_message_row::Entity::find()
            .filter(merged_message_row::Column::Survivor.eq(message.uuid()))
            .count(reader)
            .await?;
        let claims = id_conflict_row::Entity::find()
            .filter(
                id_conflict_row::Column::Message
                    .eq(message.uuid())
                    .or(id_conflict_row::Column::Claimant.eq(message.uuid())),
            )
            .order_by_asc(id_conflict_row::Column::SeenAt)
            .limit(MAX_CONFLICTS)
            .all(reader)
            .await?;
        let others = |ids: Vec<Uuid>| -> Vec<MessageId> {
            let others = ids.into_iter().map(MessageId::from);
            let others: BTreeSet<MessageId> = others.filter(|other| *other != message).collect();
            others.into_iter().collect()
        };
        Ok(Correlation {
            merged,
            conflicting: others(
                claims
                    .iter()
                    .flat_map(|claim| [claim.message, claim.claimant])
                    .collect(),
            ),
            id_holders: others(claims.iter().map(|claim| claim.message).collect()),
            registered: is_registered(reader, message).await?,
        })
    }
}

/// Whether the message was registered by a caller (sent by other means).
pub(super) async fn is_registered(
    connection: &impl ConnectionTrait,
    message: MessageId,
) -> Result<bool, Error> {
    let ids = provider_id_row::Entity::find()
        .filter(provider_id_row::Column::Message.eq(message.uuid()))
        .filter(provider_id_row::Column::LearnedFrom.eq(IdSource::Registration))
        .count(connection)
        .await?;
    Ok(ids > 0)
}
