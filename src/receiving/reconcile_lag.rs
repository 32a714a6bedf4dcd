//! How long the oldest unprocessed callback has been waiting, as seen by this process. Kept in
//! memory, so that it is known while a database is unavailable.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Maximum number of ends of the journal that are remembered until they are reached.
const MAX_REMEMBERED: usize = 64;

/// Measured with the steady clock, so that a step of the machine's clock does not count as lag.
#[derive(Debug, Default)]
pub struct ReconcileLag(Mutex<VecDeque<JournalEnd>>);

#[derive(Clone, Copy, Debug)]
struct JournalEnd {
    seq: i64,
    seen_at: DateTime<Utc>,
}

impl ReconcileLag {
    /// Notes the end of the journal and the position up to which it is processed. `end` is absent
    /// if nothing is unprocessed.
    pub fn note(&self, end: Option<i64>, position: i64, now: DateTime<Utc>) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seq) = end else {
            ends.clear();
            return;
        };
        while ends.front().is_some_and(|end| end.seq <= position) {
            ends.pop_front();
        }
        // Replaces the latest end: the lag of the callbacks before it is then measured too low.
        if ends.len() == MAX_REMEMBERED {
            ends.pop_back();
        }
        if ends.back().is_none_or(|latest| latest.seq < seq) {
            ends.push_back(JournalEnd { seq, seen_at: now });
        }
    }

    pub fn measure(&self, now: DateTime<Utc>) -> TimeDelta {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.front().map_or(TimeDelta::zero(), |oldest| {
            (now - oldest.seen_at).max(TimeDelta::zero())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn lag_is_how_long_the_oldest_unprocessed_callback_has_waited() {
        let lag = ReconcileLag::default();
        lag.note(Some(10), 0, at(0));
        lag.note(Some(20), 0, at(5));
        lag.note(Some(30), 9, at(10));
        assert_eq!(lag.measure(at(10)), TimeDelta::seconds(10));
        // Ten are processed: the next ones have waited since second 5.
        lag.note(Some(30), 10, at(12));
        assert_eq!(lag.measure(at(12)), TimeDelta::seconds(7));
        // No news, for instance because the database is unavailable.
        assert_eq!(lag.measure(at(80)), TimeDelta::seconds(75));
        lag.note(None, 30, at(81));
        assert_eq!(lag.measure(at(81)), TimeDelta::zero());
    }

    #[test]
    fn constant_traffic_that_is_processed_in_time_causes_no_lag() {
        let lag = ReconcileLag::default();
        for second in 0..1_000 {
            lag.note(Some(100 * (second + 1)), 100 * (second - 2), at(second));
            assert!(lag.measure(at(second)) <= TimeDelta::seconds(3));
        }
    }

    #[test]
    fn a_reconciler_that_stands_still_uses_limited_memory() {
        let lag = ReconcileLag::default();
        for second in 0..10_000 {
            lag.note(Some(second + 1), 0, at(second));
        }
        assert_eq!(lag.measure(at(10_000)), TimeDelta::seconds(10_000));
        assert!(lag.0.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
