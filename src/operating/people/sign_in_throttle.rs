//! Limits failed sign-ins with a password, per user and per network.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::keyed_limit::{KeyedLimit, LimitWait};

/// Failed attempts within [`WINDOW`], whatever address they come from.
const PER_USER: u32 = 10;
/// Failed attempts within [`WINDOW`], whatever user they name.
const PER_ADDRESS: u32 = 30;
const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// The failed attempts of this process.
#[derive(Debug)]
pub struct SignInThrottle {
    users: Mutex<KeyedLimit<String>>,
    addresses: Mutex<KeyedLimit<String>>,
}

impl Default for SignInThrottle {
    fn default() -> Self {
        Self {
            users: Mutex::new(KeyedLimit::new(PER_USER, WINDOW)),
            addresses: Mutex::new(KeyedLimit::new(PER_ADDRESS, WINDOW)),
        }
    }
}

impl SignInThrottle {
    /// Counts the attempt before the password is checked, so that simultaneous ones count, too.
    pub(super) fn admit(
        &self,
        user: &str,
        address: &str,
        now: DateTime<Utc>,
    ) -> Result<(), LimitWait> {
        let (mut users, mut addresses) = (lock(&self.users), lock(&self.addresses));
        users.check(&user.to_owned(), now)?;
        addresses.admit(&address.to_owned(), now)?;
        users.admit(&user.to_owned(), now)
    }

    pub(super) fn note_success(&self, user: &str, address: &str) {
        lock(&self.users).forget(&user.to_owned());
        lock(&self.addresses).uncount(&address.to_owned());
    }
}

fn lock(limit: &Mutex<KeyedLimit<String>>) -> MutexGuard<'_, KeyedLimit<String>> {
    limit.lock().unwrap_or_else(PoisonError::into_inner)
}
