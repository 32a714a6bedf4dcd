//! Messages: found by any name they have, and listed by keyset.

mod list;
pub(crate) mod row;

use sea_orm::EntityTrait;

pub use list::{Cursor, MessageFilter, Page, Search};

use crate::domain::delivery::Receipt;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::store::entities::messages;
use crate::store::{Error, Store, ledger, receipts};

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
            return Ok(Some(Found::Message(Box::new(row.try_into()?))));
        }
        Ok(ledger::survivor(reader, id).await?.map(Found::Moved))
    }

    /// Every fact about a message, in the order we heard of them.
    pub async fn list_receipts(&self, id: MessageId) -> Result<Vec<Receipt>, Error> {
        let mut found = receipts::find_of(self.pools().reader(), &[id.uuid()]).await?;
        Ok(found.remove(&id.uuid()).unwrap_or_default())
    }
}
