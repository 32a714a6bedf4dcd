//! Every id a provider has used for one message, and ids that two messages claim.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::db::Error;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::explanation::Correlation;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::store::Store;
use crate::store::entities::{id_conflicts, merged_messages, provider_ids};
use crate::store::ledger::LearnedFrom;

/// Claims on a message's ids that are looked at; more would be a provider that mixes everything up.
const CONTENDERS: u64 = 20;

impl Store {
    /// The ids of a message in the order they were learned.
    pub async fn list_provider_ids(
        &self,
        message: MessageId,
    ) -> Result<Vec<ProviderMessageId>, Error> {
        let mut ids = self.list_provider_ids_of(&[message]).await?;
        Ok(ids.remove(&message).unwrap_or_default())
    }

    /// The ids of each of these messages in the order they were learned; one without any is absent.
    pub async fn list_provider_ids_of(
        &self,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Vec<ProviderMessageId>>, Error> {
        let mut ids: HashMap<MessageId, Vec<ProviderMessageId>> = HashMap::new();
        for chunk in messages.chunks(IDS_PER_QUERY) {
            let rows = provider_ids::Entity::find()
                .filter(provider_ids::Column::Message.is_in(chunk.iter().map(|id| id.uuid())))
                .order_by_asc(provider_ids::Column::LearnedAt)
                .order_by_asc(provider_ids::Column::ProviderId)
                .all(self.pools().reader())
                .await?;
            for row in rows {
                let id = ProviderMessageId::parse(&row.provider_id)
                    .map_err(|_| Error::inconsistent("provider_ids", "provider_id", row.message))?;
                ids.entry(row.message.into()).or_default().push(id);
            }
        }
        Ok(ids)
    }

    /// How a message came to facts that were not told to it directly.
    pub async fn find_correlation(&self, message: MessageId) -> Result<Correlation, Error> {
        let reader = self.pools().reader();
        let merged = merged_messages::Entity::find()
            .filter(merged_messages::Column::Survivor.eq(message.uuid()))
            .count(reader)
            .await?;
        let claims = id_conflicts::Entity::find()
            .filter(
                id_conflicts::Column::Message
                    .eq(message.uuid())
                    .or(id_conflicts::Column::Claimant.eq(message.uuid())),
            )
            .order_by_asc(id_conflicts::Column::SeenAt)
            .limit(CONTENDERS)
            .all(reader)
            .await?;
        let registered = provider_ids::Entity::find()
            .filter(provider_ids::Column::Message.eq(message.uuid()))
            .filter(provider_ids::Column::LearnedFrom.eq(LearnedFrom::Registration.as_str()))
            .count(reader)
            .await?;
        let mut conflicting: Vec<MessageId> = claims
            .iter()
            .flat_map(|claim| [claim.message, claim.claimant])
            .map(MessageId::from)
            .filter(|other| *other != message)
            .collect();
        conflicting.sort();
        conflicting.dedup();
        let id_holders = claims
            .iter()
            .map(|claim| MessageId::from(claim.message))
            .filter(|keeper| *keeper != message && conflicting.contains(keeper))
            .collect::<BTreeSet<_>>();
        Ok(Correlation {
            merged,
            conflicting,
            id_holders: id_holders.into_iter().collect(),
            registered: registered > 0,
        })
    }

    /// How many ids two sent messages claim.
    pub async fn count_id_conflicts(&self) -> Result<u64, Error> {
        Ok(id_conflicts::Entity::find()
            .count(self.pools().reader())
            .await?)
    }
}
