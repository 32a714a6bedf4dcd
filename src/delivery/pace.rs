//! Accounts with a rate: when each may send its next message.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::AccountId;
use crate::domain::provider::Account;

/// When each account that has a rate may send next; of this process.
#[derive(Debug, Default)]
pub struct Pace(Mutex<HashMap<AccountId, DateTime<Utc>>>);

impl Pace {
    /// Takes the account's next place if it has come; an account without a rate always has one.
    pub fn take(&self, account: &Account, now: DateTime<Utc>) -> bool {
        let Some(rate) = account.rate else {
            return true;
        };
        let gap = TimeDelta::from_std(Duration::from_secs_f64(1.0 / rate))
            .unwrap_or(TimeDelta::seconds(1));
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(account.id.clone()).or_insert(now);
        if *place > now {
            return false;
        }
        // A pause is not made up for by a burst.
        *place = (*place).max(now - gap) + gap;
        true
    }
}
