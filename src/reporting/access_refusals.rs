//! Failed sign-ins and refused tokens: counts by cause, and at most one log line a minute for each.
//!
//! **Invariant:** what a caller sent is neither kept nor logged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::domain::enum_words::enum_words;
use crate::telemetry::line_per_minute::LinePerMinute;

#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum AccessRefusal {
    /// A token that is unknown, revoked or expired.
    Token,
    /// A sign-in link that is unknown, used or expired.
    SignInLink,
    /// A wrong password, or an address without a user.
    Password,
    /// A sign-in beyond the limit of attempts.
    SignInThrottled,
    /// A search beyond the limit of callers that see masked numbers.
    SearchThrottled,
}
enum_words!(AccessRefusal);

/// The refusals of this process since it started.
#[derive(Debug)]
pub struct AccessRefusals([Refusals; AccessRefusal::ALL.len()]);

#[derive(Debug)]
struct Refusals {
    total: AtomicU64,
    /// How many of them were logged.
    logged: AtomicU64,
    lines: LinePerMinute,
}

impl Default for AccessRefusals {
    fn default() -> Self {
        Self(AccessRefusal::ALL.map(|_| Refusals {
            total: AtomicU64::new(0),
            logged: AtomicU64::new(0),
            lines: LinePerMinute::new(),
        }))
    }
}

impl AccessRefusals {
    pub fn record(&self, cause: AccessRefusal) {
        let Some(refusals) = self.0.get(cause as usize) else {
            return;
        };
        let total = refusals.total.fetch_add(1, Ordering::Relaxed) + 1;
        if refusals.lines.admit(Instant::now()) {
            let logged = refusals.logged.swap(total, Ordering::Relaxed);
            let number = total.saturating_sub(logged);
            tracing::warn!(cause = cause.as_str(), number, "access was refused");
        }
    }

    /// The number of refusals by each cause.
    pub fn counts(&self) -> Vec<(AccessRefusal, u64)> {
        let totals = self.0.iter().map(|it| it.total.load(Ordering::Relaxed));
        AccessRefusal::ALL.into_iter().zip(totals).collect()
    }
}
