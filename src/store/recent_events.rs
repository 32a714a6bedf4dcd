//! The latest events of several accounts, for charts and the headline of the overview.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::{Error, instant};
use crate::domain::account_event::{AccountEvent, AccountEventKind};
use crate::domain::ids::AccountId;
use crate::store::Store;
use crate::store::account_events::EventFilter;
use crate::store::entities::account_event_row::{Column, Entity};

/// The most events that are read at a time, for all accounts together.
const MOST_RECENT: u64 = 1_000;

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

    /// Events of these kinds since `from`, the newest first.
    pub async fn list_recent_events(
        &self,
        accounts: &[AccountId],
        kinds: &[AccountEventKind],
        from: DateTime<Utc>,
    ) -> Result<Vec<AccountEvent>, Error> {
        let rows = Entity::find()
            .filter(Column::Account.is_in(accounts))
            .filter(Column::HappenedAt.gte(instant::to_millis(from)))
            .filter(Column::Kind.is_in(kinds.iter().copied()))
            .order_by_desc(Column::HappenedAt)
            .order_by_desc(Column::Callback)
            .order_by_desc(Column::Part)
            .limit(MOST_RECENT)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(AccountEvent::try_from).collect()
    }
}
