//! Events of several accounts, for charts.

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::account_event::AccountEvent;
use crate::domain::ids::AccountId;
use crate::store::Store;
use crate::store::account_events::EventFilter;

impl Store {
    /// The newest events of the accounts since `from`, at most `limit` of each; oldest first.
    pub async fn list_events_since(
        &self,
        accounts: impl IntoIterator<Item = &AccountId>,
        from: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<AccountEvent>, Error> {
        let mut events = Vec::new();
        for account in accounts {
            let filter = EventFilter::default();
            let page = self
                .list_account_events(account, &filter, None, limit)
                .await?;
            events.extend(page.events.into_iter().filter(|event| event.at >= from));
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }
}
