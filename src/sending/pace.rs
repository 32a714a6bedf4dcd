//! How fast and how much at once an account may send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;

/// How far apart an account's hand-overs are at least; of all processes together. Absent without a rate.
pub fn gap(account: &Account) -> Option<TimeDelta> {
    let gap = Duration::from_secs_f64(1.0 / account.rate?);
    // Rounded up to the milliseconds in which instants are kept: at most as fast as asked for.
    let millis = i64::try_from(gap.as_micros().div_ceil(1_000)).unwrap_or(i64::MAX);
    Some(TimeDelta::try_milliseconds(millis).unwrap_or(TimeDelta::seconds(1)))
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
