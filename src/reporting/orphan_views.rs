//! Orphans for display, each with its ids and with the messages it may be about.

use crate::db;
use crate::domain::delivery_state::Stage;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::message::Message;
use crate::store::Store;
use crate::store::messages::Cursor;
use crate::store::orphan_list::{OrphanFilter, SuggestedMessage};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedOrphan {
    pub message: Message,
    pub ids: Vec<ProviderMessageId>,
    /// Messages without an id that were sent to the same recipient around that time.
    pub suggestions: Vec<SuggestedMessage>,
}

impl ListedOrphan {
    /// The highest stage that was reported.
    pub fn stage(&self) -> Option<Stage> {
        Stage::ALL
            .into_iter()
            .rev()
            .find(|stage| self.message.stage(*stage).is_some())
    }
}

/// A page of orphans, newest first, and the cursor of the next page.
pub async fn list(
    store: &Store,
    filter: &OrphanFilter,
    after: Option<Cursor>,
    limit: usize,
) -> Result<(Vec<ListedOrphan>, Option<Cursor>), db::Error> {
    let page = store.list_orphans(filter, after, limit).await?;
    let listed: Vec<MessageId> = page.messages.iter().map(|message| message.id).collect();
    let mut ids = store.list_provider_ids_of(&listed).await?;
    let mut suggestions = store.list_suggestions(&page.messages).await?;
    let orphans = page.messages.into_iter().map(|message| ListedOrphan {
        ids: ids.remove(&message.id).unwrap_or_default(),
        suggestions: suggestions.remove(&message.id).unwrap_or_default(),
        message,
    });
    Ok((orphans.collect(), page.next))
}
