//! When a message that was certainly not accepted is submitted again.

use std::time::Duration;

use rand::RngExt;

use crate::domain::provider_account::Account;
use crate::domain::send_error::SendError;
use crate::domain::send_rate::{MAX_RETRY_AFTER, MIN_RETRY_AFTER};
use crate::providers;

/// Attempts after the first one, of those that count.
const RETRY_LIMIT: u32 = 5;
/// Back-off with jitter: 2 s, then four times as long each time, up to 10 min. Five retries cover
/// about ten minutes.
const FIRST_BACK_OFF: Duration = Duration::from_secs(2);
const MAX_BACK_OFF: Duration = Duration::from_mins(10);
/// Without a requested delay a recipient waits this long, then twice as long each time.
const FIRST_RECIPIENT_WAIT: Duration = Duration::from_secs(6);
const MAX_RECIPIENT_WAIT: Duration = Duration::from_mins(5);

/// The time until the next attempt; `None` if there is none. Of the attempts `made`, `counted` count
/// towards the limit.
pub(super) fn wait_before_retry(
    account: &Account,
    error: &SendError,
    counted: u32,
    made: u32,
) -> Option<Duration> {
    let after = match error {
        // The account waits, not the message.
        SendError::SlowDown { .. } => return Some(Duration::ZERO),
        SendError::SlowDownRecipient { after, .. } => return Some(recipient_wait(*after, made)),
        SendError::NotReached(_) => return Some(back_off(made.saturating_sub(1))),
        SendError::TryLater { after, .. } => *after,
        // `Unclear` was decided before, by `uncertain_outcome`.
        SendError::Refused(_) | SendError::AccountRefused(_) | SendError::Unclear(_) => {
            return None;
        }
    };
    let earlier = counted.saturating_sub(1);
    let schedule = providers::get(account.provider())
        .capabilities()
        .retry_schedule;
    match after {
        Some(wait) => (earlier < RETRY_LIMIT).then(|| wait.clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER)),
        None if !schedule.is_empty() => schedule.get(usize::try_from(earlier).ok()?).copied(),
        None => (earlier < RETRY_LIMIT).then(|| back_off(earlier)),
    }
}

fn back_off(made: u32) -> Duration {
    let full = FIRST_BACK_OFF
        .saturating_mul(4_u32.saturating_pow(made))
        .min(MAX_BACK_OFF);
    full.mul_f64(rand::rng().random_range(0.5..1.0))
}

fn recipient_wait(after: Option<Duration>, made: u32) -> Duration {
    match after {
        Some(after) => after.clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER),
        None => FIRST_RECIPIENT_WAIT
            .saturating_mul(2_u32.saturating_pow(made.saturating_sub(1)))
            .min(MAX_RECIPIENT_WAIT),
    }
}
