//! Finds and lists messages.

mod export_page;
pub(crate) mod fold_columns;
mod index_hint;
mod keyset_page;
mod list_query;
mod message_filter;
mod message_from_row;
pub(crate) mod new_message;
mod search_terms;

use sea_orm::EntityTrait;

pub use export_page::{ExportPage, ExportedFailure, ExportedMessage};
#[cfg(test)]
pub(crate) use index_hint::{Common, IndexHint, RARE, beyond_reference, beyond_search};
pub use keyset_page::Page;
#[cfg(test)]
pub(crate) use list_query::listed;
pub(crate) use list_query::{in_conflict, newest_first, older_than};
pub use message_filter::{Cursor, MessageFilter, Search};
pub(crate) use search_terms::sent_to;

use crate::db::Error;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::{Message, Origin};
use crate::domain::receipt::Receipt;
use crate::store::entities::message_row;
use crate::store::{Store, ledger, receipts};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    Message(Box<Message>),
    /// Merged into this message.
    Moved(MessageId),
}

impl Store {
    /// The message with this id, or the one that it was merged into.
    pub async fn find_message(&self, id: MessageId) -> Result<Option<Found>, Error> {
        let reader = self.pools().reader();
        if let Some(row) = message_row::Entity::find_by_id(id.uuid())
            .one(reader)
            .await?
        {
            let mut found = [Message::try_from(row)?];
            self.set_pause_holds(&mut found).await?;
            let [message] = found;
            return Ok(Some(Found::Message(Box::new(message))));
        }
        Ok(ledger::survivor(reader, id).await?.map(Found::Moved))
    }

    /// Sets the hold reason of queued messages whose account is paused.
    async fn set_pause_holds(&self, messages: &mut [Message]) -> Result<(), Error> {
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
                message.hold = Some(pause.hold_text());
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
