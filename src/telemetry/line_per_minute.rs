//! Limits log lines to one per minute and cause, for causes that unauthenticated callers can
//! repeat.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);

/// Limits the log lines of one cause. Declared as one `static` per cause.
#[derive(Debug)]
pub struct LinePerMinute(Mutex<Option<Instant>>);

impl LinePerMinute {
    #[expect(
        clippy::new_without_default,
        reason = "a `static` needs a const function"
    )]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether a line may be logged now. If so, the next one may follow after a minute.
    pub fn admit(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = last.is_none_or(|last| now.saturating_duration_since(last) >= MINUTE);
        if admitted {
            *last = Some(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_minute_is_written() {
        let lines = LinePerMinute::new();
        let start = Instant::now();
        let admitted = (0..180).filter(|second| lines.admit(start + Duration::from_secs(*second)));
        assert_eq!(admitted.count(), 3);
    }
}
