//! Messages: found by any name they have, and listed by keyset.

mod exported;
mod filter;
mod lead;
mod list;
mod names;
mod query;
pub(crate) mod row;

use sea_orm::EntityTrait;

pub use exported::{ExportPage, ExportedFailure, ExportedMessage};
pub use filter::{Cursor, MessageFilter, Search};
#[cfg(test)]
pub(crate) use lead::{Common, Lead, RARE, beyond_reference, beyond_search};
pub use list::Page;
pub(crate) use names::sent_to;
#[cfg(test)]
pub(crate) use query::listed;
pub(crate) use query::{in_conflict, newest_first, older_than};

use crate::db::Error;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::{Message, Origin};
use crate::domain::receipt::Receipt;
use crate::store::entities::messages;
use crate::store::{Store, ledger, receipts};

/// What an id leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// The message itself.
    Message(Box<Message>),
    /// It was merged; it lives on under this id.
    Moved(MessageId),
}

impl Store {
    /// The message of an id, or where it went.
    pub async fn find_message(&self, id: MessageId) -> Result<Option<Found>, Error> {
        let reader = self.pools().reader();
        if let Some(row) = messages::Entity::find_by_id(id.uuid()).one(reader).await? {
            let mut found = [Message::try_from(row)?];
            self.explain_waiting(&mut found).await?;
            let [message] = found;
            return Ok(Some(Found::Message(Box::new(message))));
        }
        Ok(ledger::survivor(reader, id).await?.map(Found::Moved))
    }

    /// Says of messages that wait for a paused account why they do.
    async fn explain_waiting(&self, messages: &mut [Message]) -> Result<(), Error> {
        let mut waiting = messages
            .iter_mut()
            .filter(|message| message.queue == QueueState::Queued && message.origin == Origin::Api)
            .peekable();
        if waiting.peek().is_none() {
            return Ok(());
        }
        let accounts = self.list_accounts().await?;
        for message in waiting {
            let record = accounts.get(&message.account);
            if let Some(pause) = record.and_then(|record| record.pause.as_ref()) {
                message.hold = Some(pause.in_words());
            }
        }
        Ok(())
    }

    /// Every fact about a message, in the order we heard of them.
    pub async fn list_receipts(&self, id: MessageId) -> Result<Vec<Receipt>, Error> {
        let mut found = receipts::find_of(self.pools().reader(), &[id.uuid()]).await?;
        Ok(found.remove(&id.uuid()).unwrap_or_default())
    }
}
