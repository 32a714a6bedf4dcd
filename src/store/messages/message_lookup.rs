//! Finds one message with its receipts, or the ids of messages.

use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect, Select};
use uuid::Uuid;

use crate::db::Error;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::{Message, Origin};
use crate::domain::receipt::Receipt;
use crate::store::account_records::Pause;
use crate::store::entities::message_row;
use crate::store::ledger::merge::survivor;
use crate::store::{Store, receipts};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FoundMessage {
    Message(Box<Message>),
    /// It was merged into this message.
    Merged(MessageId),
}

impl Store {
    /// The message with this id, or the one that it was merged into.
    pub async fn find_message(&self, id: MessageId) -> Result<Option<FoundMessage>, Error> {
        let reader = self.pools().reader();
        if let Some(row) = message_row::Entity::find_by_id(id.uuid())
            .one(reader)
            .await?
        {
            let mut found = [Message::try_from(row)?];
            self.set_pause_holds(&mut found).await?;
            let [message] = found;
            return Ok(Some(FoundMessage::Message(Box::new(message))));
        }
        Ok(survivor(reader, id).await?.map(FoundMessage::Merged))
    }

    /// Sets the hold reason of queued messages whose account is paused or tripped.
    pub(super) async fn set_pause_holds(&self, messages: &mut [Message]) -> Result<(), Error> {
        let mut waiting = messages
            .iter_mut()
            .filter(|message| message.queue == QueueState::Queued && message.origin == Origin::Api)
            .peekable();
        if waiting.peek().is_none() {
            return Ok(());
        }
        let (accounts, flows) = (self.list_accounts().await?, self.list_send_flows().await?);
        for message in waiting {
            let record = accounts.get(&message.account);
            let pause = record.and_then(|record| record.pause.as_ref());
            let trip = || flows.get(&message.account)?.hold_text();
            if let Some(text) = pause.map(Pause::hold_text).or_else(trip) {
                message.hold = Some(text);
            }
        }
        Ok(())
    }

    /// In the order in which they were received.
    pub async fn list_receipts(&self, id: MessageId) -> Result<Vec<Receipt>, Error> {
        let mut found = receipts::find_of(self.pools().reader(), &[id.uuid()]).await?;
        Ok(found.remove(&id.uuid()).unwrap_or_default())
    }
}

pub(crate) async fn list_ids(
    connection: &impl ConnectionTrait,
    query: Select<message_row::Entity>,
) -> Result<Vec<MessageId>, Error> {
    let ids: Vec<Uuid> = query
        .select_only()
        .column(message_row::Column::Id)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(ids.into_iter().map(MessageId::from).collect())
}
