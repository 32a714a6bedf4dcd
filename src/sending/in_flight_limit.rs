//! How many submissions of an account this process makes at a time: few at first and after trouble,
//! more with each acceptance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;

/// Concurrent submissions before the first acceptance, so that a broken account costs few messages.
const SLOW_START: usize = 4;
/// How far ahead messages are claimed for their slots: longer than a transaction takes while the disk
/// is busy, because a slot that passes meanwhile is lost. Where it cannot be proved that their calls
/// had not begun, those claimed by a process that dies become uncertain.
const LONGEST_LOOKAHEAD: TimeDelta = TimeDelta::milliseconds(500);

/// How far ahead slots are reserved: so that waiting for them leaves half of the submissions at a
/// time to the provider.
pub fn lookahead(account: &Account, rate: f64) -> TimeDelta {
    let half = f64::from(u32::try_from(account.max_in_flight).unwrap_or(u32::MAX)) / 2.0;
    let micros = (half / rate * 1_000_000.0).min(1e6);
    #[expect(clippy::cast_possible_truncation, reason = "at most a second")]
    let span = TimeDelta::microseconds(micros as i64);
    span.min(LONGEST_LOOKAHEAD)
}

/// Concurrent submissions of this process, by account.
#[derive(Debug, Default)]
pub struct InFlight(Arc<Mutex<HashMap<AccountId, SubmissionWindow>>>);

#[derive(Debug)]
struct SubmissionWindow {
    limit: usize,
    used: usize,
}

impl Default for SubmissionWindow {
    fn default() -> Self {
        Self {
            limit: SLOW_START,
            used: 0,
        }
    }
}

/// Permission for one submission; released on drop.
#[derive(Debug)]
pub struct InFlightPermit {
    account: AccountId,
    windows: Arc<Mutex<HashMap<AccountId, SubmissionWindow>>>,
}

impl InFlight {
    /// At most `wanted` permits.
    pub fn acquire(&self, account: &Account, wanted: usize) -> Vec<InFlightPermit> {
        let mut windows = lock(&self.0);
        let window = windows.entry(account.id.clone()).or_default();
        let limit = window.limit.min(account.max_in_flight);
        let number = wanted.min(limit.saturating_sub(window.used));
        window.used += number;
        (0..number)
            .map(|_| InFlightPermit {
                account: account.id.clone(),
                windows: Arc::clone(&self.0),
            })
            .collect()
    }

    /// After an acceptance.
    pub fn grow(&self, account: &Account) {
        let mut windows = lock(&self.0);
        let window = windows.entry(account.id.clone()).or_default();
        window.limit = (window.limit + 1).min(account.max_in_flight.max(SLOW_START));
    }

    /// After trouble.
    pub fn shrink(&self, account: &AccountId) {
        lock(&self.0).entry(account.clone()).or_default().limit = SLOW_START;
    }
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        if let Some(window) = lock(&self.windows).get_mut(&self.account) {
            window.used = window.used.saturating_sub(1);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
