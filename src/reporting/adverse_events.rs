//! The last event by which a provider lowered an account's quality rating or messaging limit, unless
//! a later event reversed it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::Error;
use crate::domain::account_event::{AccountEvent, AccountEventKind};
use crate::domain::ids::AccountId;
use crate::store::Store;

/// An event counts for as long as WhatsApp watches a flagged number.
const EVENT_DAYS: i64 = 7;

pub async fn find(
    store: &Store,
    accounts: &[AccountId],
    now: DateTime<Utc>,
) -> Result<BTreeMap<AccountId, AccountEvent>, Error> {
    let kinds = [AccountEventKind::Quality, AccountEventKind::Limit];
    let since = now - TimeDelta::days(EVENT_DAYS);
    let events = store.list_recent_events(accounts, &kinds, since).await?;
    Ok(latest_adverse(events))
}

/// `events` are sorted, the newest first. Of each number and kind, only the newest counts.
fn latest_adverse(events: Vec<AccountEvent>) -> BTreeMap<AccountId, AccountEvent> {
    let mut seen = BTreeSet::new();
    let mut adverse = BTreeMap::new();
    for event in events {
        let subject = (
            event.account.clone(),
            event.sender.clone(),
            event.kind.as_str(),
        );
        if seen.insert(subject) && event.is_adverse() {
            adverse.entry(event.account.clone()).or_insert(event);
        }
    }
    adverse
}
