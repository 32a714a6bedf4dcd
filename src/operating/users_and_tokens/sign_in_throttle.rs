//! Limits failed sign-ins with a password, per user and per network.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::keyed_limit::{KeyedLimit, LimitWait};

/// Failed attempts per user within [`WINDOW`], from any network.
const PER_USER: u32 = 10;
/// Failed attempts per network within [`WINDOW`], for any user.
const PER_NETWORK: u32 = 30;
const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// The failed attempts of this process.
#[derive(Debug)]
pub struct SignInThrottle {
    users: Mutex<KeyedLimit<String>>,
    networks: Mutex<KeyedLimit<String>>,
}

impl Default for SignInThrottle {
    fn default() -> Self {
        Self {
            users: Mutex::new(KeyedLimit::new(PER_USER, WINDOW)),
            networks: Mutex::new(KeyedLimit::new(PER_NETWORK, WINDOW)),
        }
    }
}

impl SignInThrottle {
    /// Counts the attempt before the password is checked, so that simultaneous ones count, too.
    pub(super) fn admit(
        &self,
        user: &str,
        network: &str,
        now: DateTime<Utc>,
    ) -> Result<(), LimitWait> {
        let (mut users, mut networks) = (lock(&self.users), lock(&self.networks));
        users.check(&user.to_owned(), now)?;
        networks.admit(&network.to_owned(), now)?;
        users.admit(&user.to_owned(), now)
    }

    pub(super) fn note_success(&self, user: &str, network: &str) {
        lock(&self.users).forget(&user.to_owned());
        lock(&self.networks).uncount(&network.to_owned());
    }
}

fn lock(limit: &Mutex<KeyedLimit<String>>) -> MutexGuard<'_, KeyedLimit<String>> {
    limit.lock().unwrap_or_else(PoisonError::into_inner)
}
