//! Log lines about providers that cannot be reached: at most one per minute and account.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::AccountId;
use crate::domain::keyed_limit::KeyedLimit;

const INTERVAL: TimeDelta = TimeDelta::minutes(1);

#[derive(Debug)]
pub struct UnreachableLog(Mutex<KeyedLimit<AccountId>>);

impl Default for UnreachableLog {
    fn default() -> Self {
        Self(Mutex::new(KeyedLimit::new(1, INTERVAL)))
    }
}

impl UnreachableLog {
    /// `now` is read from the steady clock; `reason` has no personal data.
    pub(super) fn write(&self, account: &AccountId, reason: &str, now: DateTime<Utc>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.admit(account, now).is_ok() {
            tracing::warn!(account.id = %account, reason, "the provider cannot be reached; the message stays queued");
        }
    }
}
