//! The latest events of an account, for its card.

use std::collections::HashMap;

use crate::db;
use crate::domain::account_event::{AccountEvent, AccountEventKind};
use crate::domain::ids::AccountId;
use crate::domain::scope::Visibility;
use crate::reporting::account_health::AccountStatus;
use crate::store::Store;
use crate::store::account_events::EventFilter;
use crate::web::dashboard::time_element::TimeElement;

/// Events on the card of an account; the API has all of them.
const SHOWN: usize = 10;

pub type LatestEvents = HashMap<AccountId, Vec<AccountEvent>>;

pub(super) async fn list_latest(
    store: &Store,
    accounts: &[AccountStatus],
) -> Result<LatestEvents, db::Error> {
    let mut latest = LatestEvents::new();
    for account in accounts {
        let filter = EventFilter::default();
        let page = store
            .list_account_events(&account.id, &filter, None, SHOWN)
            .await?;
        latest.insert(account.id.clone(), page.events);
    }
    Ok(latest)
}

#[derive(Clone, Debug)]
pub(super) struct EventRow {
    pub(super) at: TimeElement,
    pub(super) kind: &'static str,
    pub(super) title: String,
    /// `TIER_1K → TIER_10K`
    pub(super) change: Option<String>,
    pub(super) sender: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) callback: String,
}

impl EventRow {
    pub(super) fn new(event: &AccountEvent, viewer: Visibility) -> Self {
        let quoted = |text: &Option<String>| text.as_deref().map(|text| viewer.quoted(text));
        Self {
            at: TimeElement::new(event.at),
            kind: match event.kind {
                AccountEventKind::PhoneNumber => "phone number",
                kind => kind.as_str(),
            },
            title: viewer.quoted(&event.title),
            change: match (quoted(&event.previous), quoted(&event.current)) {
                (Some(previous), Some(current)) => Some(format!("{previous} → {current}")),
                // "Quality rating: flagged" needs no "FLAGGED".
                (None, current) => current.filter(|current| {
                    let title = event.title.to_lowercase();
                    !title.ends_with(&current.to_lowercase())
                }),
                (previous, None) => previous.map(|previous| format!("before: {previous}")),
            },
            sender: event.sender.as_deref().map(|number| viewer.phone(number)),
            detail: quoted(&event.detail),
            callback: format!("/callbacks/{}", event.callback.uuid()),
        }
    }
}
