//! Pages of the message list, newest or last changed first, by keyset.

use crate::db::Error;
use crate::domain::message::Message;
use crate::store::Store;
use crate::store::entities::message_row::Model;
use crate::store::messages::index_choice::RARE_LIMIT;
use crate::store::messages::list_query::{listed, listed_by_change};
use crate::store::messages::message_filter::{Cursor, MessageFilter, MessageOrder};
use crate::store::messages::message_lookup::list_ids;

/// A page of a list, in the order of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    pub messages: Vec<Message>,
    /// Absent on the last page.
    pub next: Option<Cursor>,
}

impl Store {
    /// At most `limit` messages older than `after`.
    pub async fn list_messages(
        &self,
        filter: &MessageFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let filter = &*self.with_other_ids(filter).await?;
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let plan = self.plan_creation_order(filter, RARE_LIMIT).await?;
        let rows = listed(filter, &plan, after, wanted)
            .all(self.pools().reader())
            .await?;
        let mut page = Page::of(rows, limit)?;
        self.set_pause_holds(&mut page.messages).await?;
        Ok(page)
    }

    /// [`Store::list_messages`] in the given order.
    pub async fn list_messages_by(
        &self,
        order: MessageOrder,
        filter: &MessageFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        if order == MessageOrder::Created {
            return self.list_messages(filter, after, limit).await;
        }
        let filter = &*self.with_other_ids(filter).await?;
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let choice = self.plan_change_order(filter, RARE_LIMIT).await?;
        let rows = listed_by_change(filter, &choice, after, wanted)
            .all(self.pools().reader())
            .await?;
        let mut page = Page::of(rows, limit)?;
        let last = page.messages.last();
        page.next = page.next.zip(last).map(|(next, last)| Cursor {
            at: last.updated_at,
            ..next
        });
        self.set_pause_holds(&mut page.messages).await?;
        Ok(page)
    }
}

impl Store {
    /// How many messages the filter matches; `None` if more than `limit`.
    pub async fn count_matches(
        &self,
        filter: &MessageFilter,
        limit: u64,
    ) -> Result<Option<u64>, Error> {
        let filter = &*self.with_other_ids(filter).await?;
        let plan = self.plan_creation_order(filter, RARE_LIMIT).await?;
        let beyond = listed(filter, &plan, None, limit.saturating_add(1));
        let ids = list_ids(self.pools().reader(), beyond).await?;
        let found = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        Ok((found <= limit).then_some(found))
    }
}

impl Page {
    /// The first `limit` rows; one more shows that this page is not the last.
    pub(crate) fn of(rows: Vec<Model>, limit: usize) -> Result<Self, Error> {
        let more = rows.len() > limit;
        let messages = rows
            .into_iter()
            .take(limit)
            .map(Message::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let next = messages.last().filter(|_| more).map(|last| Cursor {
            at: last.created_at,
            id: last.id,
        });
        Ok(Self { messages, next })
    }
}
