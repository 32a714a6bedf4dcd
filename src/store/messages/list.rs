//! Pages of the list of messages, by keyset, newest first.

use crate::db::Error;
use crate::domain::message::Message;
use crate::store::Store;
use crate::store::entities::messages::Model;
use crate::store::messages::filter::{Cursor, MessageFilter};
use crate::store::messages::lead::RARE;
use crate::store::messages::query::listed;

/// One page, newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
}

impl Store {
    /// A page of at most `limit` messages older than `after`.
    pub async fn list_messages(
        &self,
        filter: &MessageFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let lead = self.lead(filter, RARE).await?;
        let rows = listed(filter, lead, after, wanted)
            .all(self.pools().reader())
            .await?;
        let mut page = Page::of(rows, limit)?;
        self.explain_waiting(&mut page.messages).await?;
        Ok(page)
    }
}

impl Page {
    /// The first `limit` of the rows; one more was asked for to know whether there are more.
    pub(crate) fn of(rows: Vec<Model>, limit: usize) -> Result<Self, Error> {
        let more = rows.len() > limit;
        let messages = rows
            .into_iter()
            .take(limit)
            .map(Message::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let next = messages.last().filter(|_| more).map(|last| Cursor {
            created_at: last.created_at,
            id: last.id,
        });
        Ok(Self { messages, next })
    }
}
