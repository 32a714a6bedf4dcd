//! Which message held an id when a callback arrived.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::Origin;
use crate::store::entities::provider_id_row::{self, NO_MESSAGE};
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// The message that had one of these ids by `at`. Prefers a sent message to one known only from
    /// callbacks. Later ids do not count, so that reprocessing the callback finds the same message.
    ///
    /// [`Ledger::load_holders`] must have looked them up: an id that has no message now had none.
    pub async fn find_holder_at(
        &mut self,
        account: &AccountId,
        ids: &[ProviderMessageId],
        at: DateTime<Utc>,
    ) -> Result<Option<MessageId>, Error> {
        if ids.iter().all(|id| self.holder(account, id).is_none()) {
            return Ok(None);
        }
        self.write_bindings().await?;
        let rows = provider_id_row::Entity::find()
            .filter(provider_id_row::Column::Account.eq(account))
            .filter(
                provider_id_row::Column::ProviderId
                    .is_in(ids.iter().map(ProviderMessageId::as_str)),
            )
            .filter(provider_id_row::Column::LearnedAt.lte(instant::to_millis(at)))
            .filter(provider_id_row::Column::Message.ne(NO_MESSAGE))
            .order_by_asc(provider_id_row::Column::LearnedAt)
            .order_by_asc(provider_id_row::Column::ProviderId)
            .all(&self.transaction)
            .await?;
        let holders: Vec<MessageId> = rows.into_iter().map(|row| row.message.into()).collect();
        self.load(&holders).await?;
        let is_sent = |id: &&MessageId| self.origin(**id).is_some_and(Origin::is_ours);
        let sent = holders.iter().find(is_sent);
        Ok(sent.or(holders.first()).copied())
    }
}
