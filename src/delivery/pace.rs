//! How fast and how much at once an account may send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// Messages of one account that are being handed over at the same time: a provider that hangs holds up no other.
const IN_FLIGHT: usize = 16;

/// What each account has in flight; of this process.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashMap<AccountId, Arc<Semaphore>>>);

/// Leave to hand one message over; free again when it is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl InFlight {
    /// How many more messages an account may have in flight.
    pub fn room(&self, account: &AccountId) -> u64 {
        u64::try_from(self.of(account).available_permits()).unwrap_or_default()
    }

    /// One place, unless all are taken.
    pub fn take(&self, account: &AccountId) -> Option<Place> {
        self.of(account).try_acquire_owned().ok().map(Place)
    }

    fn of(&self, account: &AccountId) -> Arc<Semaphore> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = accounts.entry(account.clone());
        Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(IN_FLIGHT))))
    }
}
