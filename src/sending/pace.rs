//! Send rate and number of concurrent submissions per account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;

/// The minimum time between an account's submissions, over all processes. `None` without a rate.
pub fn minimum_interval(account: &Account) -> Option<TimeDelta> {
    let interval = Duration::from_secs_f64(1.0 / account.rate?);
    // Instants are stored in milliseconds; rounding up keeps the configured rate.
    let millis = i64::try_from(interval.as_micros().div_ceil(1_000)).unwrap_or(i64::MAX);
    Some(TimeDelta::try_milliseconds(millis).unwrap_or(TimeDelta::seconds(1)))
}

/// Concurrent submissions per account, so that a provider that hangs does not delay others.
const IN_FLIGHT_LIMIT: usize = 16;

/// Concurrent submissions of this process, by account.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashMap<AccountId, Arc<Semaphore>>>);

/// Permission for one submission; released on drop.
#[derive(Debug)]
pub struct InFlightPermit(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl InFlight {
    pub fn available(&self, account: &AccountId) -> u64 {
        u64::try_from(self.semaphore(account).available_permits()).unwrap_or_default()
    }

    pub fn try_acquire(&self, account: &AccountId) -> Option<InFlightPermit> {
        self.semaphore(account)
            .try_acquire_owned()
            .ok()
            .map(InFlightPermit)
    }

    fn semaphore(&self, account: &AccountId) -> Arc<Semaphore> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore = accounts.entry(account.clone());
        Arc::clone(semaphore.or_insert_with(|| Arc::new(Semaphore::new(IN_FLIGHT_LIMIT))))
    }
}
