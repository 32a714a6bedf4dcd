//! How each account is doing: is it connected, does it send, does its provider answer?

use chrono::{DateTime, TimeDelta, Utc};

use crate::delivery::services::Services;
use crate::domain::ids::AccountId;
use crate::domain::provider::{Mode, ProviderId};
use crate::store::accounts::AccountRecord;
use crate::store::callbacks::Outcome;
use crate::store::messages::MessageFilter;
use crate::store::{self};

/// How an account is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// It reports.
    Ok,
    /// No callback ever came.
    Unconfigured,
    /// We send, and the provider is silent.
    Silent,
    /// Its callbacks fail authentication.
    Refused,
    /// The provider refused the account; its messages wait.
    Paused {
        /// What the provider said.
        reason: String,
        /// Since when.
        since: DateTime<Utc>,
    },
}

impl Health {
    /// The word used in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unconfigured => "unconfigured",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Paused { .. } => "paused",
        }
    }
}

/// One account as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountStanding {
    /// Its id.
    pub id: AccountId,
    /// Its provider.
    pub provider: ProviderId,
    /// Business numbers.
    pub senders: Vec<String>,
    /// Live or dry-run; absent when it is not configured any more.
    pub mode: Option<Mode>,
    /// Where its provider calls back.
    pub callback_url: String,
    /// How it is doing.
    pub health: Health,
    /// When the last callback came.
    pub last_callback_at: Option<DateTime<Utc>>,
    /// When an earlier callback address was last used.
    pub old_address_at: Option<DateTime<Utc>>,
}

/// Every account ever known, configured ones with their configuration.
pub async fn list_accounts(services: &Services) -> Result<Vec<AccountStanding>, store::Error> {
    let now = services.clock.now();
    let mut standings = Vec::new();
    for record in services.store.list_accounts().await?.into_values() {
        let configured = services.accounts.get(&record.id);
        let deadline = configured.and_then(|account| TimeDelta::from_std(account.deadline).ok());
        let health = health(
            services,
            &record,
            deadline.unwrap_or(TimeDelta::hours(24)),
            now,
        )
        .await?;
        standings.push(AccountStanding {
            callback_url: services.callback_url(&record.id, record.generation),
            provider: record.provider,
            senders: configured
                .map(|account| account.senders.clone())
                .unwrap_or_default(),
            mode: configured.map(|account| account.mode),
            health,
            last_callback_at: record.last_callback_at,
            old_address_at: record.old_address_at,
            id: record.id,
        });
    }
    Ok(standings)
}

async fn health(
    services: &Services,
    record: &AccountRecord,
    deadline: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Health, store::Error> {
    if let Some(pause) = &record.pause {
        return Ok(Health::Paused {
            reason: pause.reason.clone(),
            since: pause.since,
        });
    }
    let Some(last) = record.last_callback_at else {
        return Ok(Health::Unconfigured);
    };
    let refused = services
        .store
        .list_by_outcome(Outcome::Unverified, Some(&record.id), None, 1)
        .await?;
    if refused
        .first()
        .is_some_and(|refused| refused.received_at >= last)
    {
        return Ok(Health::Refused);
    }
    if last < now - deadline {
        let overdue = MessageFilter {
            account: Some(record.id.clone()),
            overdue_at: Some(now),
            ..MessageFilter::default()
        };
        if !services
            .store
            .list_messages(&overdue, None, 1)
            .await?
            .messages
            .is_empty()
        {
            return Ok(Health::Silent);
        }
    }
    Ok(Health::Ok)
}
