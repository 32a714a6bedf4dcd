//! How each account is doing: is it connected, does it send, does its provider answer?

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::provider::{Mode, ProviderId};
use crate::services::Services;
use crate::store::accounts::AccountRecord;

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
pub async fn list_accounts(services: &Services) -> Result<Vec<AccountStanding>, db::Error> {
    let now = services.clock.now();
    let signs = Signs {
        refused_at: services.store.list_last_refusals().await?,
        silent: services.store.list_silent_accounts(now).await?,
    };
    let records = services.store.list_accounts().await?.into_values();
    let standings = records.map(|record| {
        let configured = services.accounts.get(&record.id);
        let deadline = configured.and_then(|account| TimeDelta::from_std(account.deadline).ok());
        let heard_since = now - deadline.unwrap_or(TimeDelta::hours(24));
        AccountStanding {
            health: signs.health(&record, heard_since),
            callback_url: services.callback_url(&record.id, record.generation),
            provider: record.provider,
            senders: configured
                .map(|account| account.senders.clone())
                .unwrap_or_default(),
            mode: configured.map(|account| account.mode),
            last_callback_at: record.last_callback_at,
            old_address_at: record.old_address_at,
            id: record.id,
        }
    });
    Ok(standings.collect())
}

/// What tells of accounts that something is wrong with them.
struct Signs {
    refused_at: HashMap<AccountId, DateTime<Utc>>,
    silent: BTreeSet<AccountId>,
}

impl Signs {
    fn health(&self, record: &AccountRecord, heard_since: DateTime<Utc>) -> Health {
        if let Some(pause) = &record.pause {
            return Health::Paused {
                reason: pause.reason.clone(),
                since: pause.since,
            };
        }
        let Some(last) = record.last_callback_at else {
            return Health::Unconfigured;
        };
        let refused_at = self.refused_at.get(&record.id);
        if refused_at.is_some_and(|refused_at| *refused_at >= last) {
            return Health::Refused;
        }
        if last < heard_since && self.silent.contains(&record.id) {
            return Health::Silent;
        }
        Health::Ok
    }
}
