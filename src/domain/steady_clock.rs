//! A clock for leases and sending slots, unaffected by steps of the machine's clock.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clock::Clock;

/// Starts at the machine's clock, or at the clock of a database that several processes share, and
/// counts the time since then.
pub struct SteadyClock {
    clock: Arc<dyn Clock>,
    base: RwLock<TimeBase>,
}

#[derive(Clone, Copy, Debug)]
struct TimeBase {
    time: DateTime<Utc>,
    measured_at: Instant,
}

impl SteadyClock {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let base = TimeBase {
            time: clock.now(),
            measured_at: Instant::now(),
        };
        Self {
            clock,
            base: RwLock::new(base),
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        if self.is_simulated() {
            return self.clock.now();
        }
        let base = *self.base.read().unwrap_or_else(PoisonError::into_inner);
        base.time + TimeDelta::from_std(base.measured_at.elapsed()).unwrap_or_default()
    }

    /// Continues from the time of another clock, which was read at `measured_at`.
    pub fn follow(&self, time: DateTime<Utc>, measured_at: Instant) {
        *self.base.write().unwrap_or_else(PoisonError::into_inner) = TimeBase { time, measured_at };
    }

    /// The time of a simulated clock is returned as it is, since it advances in steps.
    pub fn is_simulated(&self) -> bool {
        self.clock.is_simulated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::FixedClock;

    /// A machine's clock that is set while the process runs.
    struct SteppedClock(FixedClock);

    impl Clock for SteppedClock {
        fn now(&self) -> DateTime<Utc> {
            self.0.now()
        }
    }

    #[test]
    fn steps_of_the_machines_clock_change_nothing() {
        let noon: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let stepped = Arc::new(SteppedClock(FixedClock::at(noon)));
        let steady = SteadyClock::new(stepped.clone());
        for hours in [-3, 6] {
            stepped.0.advance(TimeDelta::hours(hours));
            assert!((steady.now() - noon).abs() < TimeDelta::minutes(10));
        }
        let database_time = noon + TimeDelta::days(1);
        steady.follow(database_time, Instant::now());
        assert!((steady.now() - database_time).abs() < TimeDelta::minutes(10));
    }

    #[test]
    fn a_simulated_clock_is_followed() {
        let noon: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let simulated = Arc::new(FixedClock::at(noon));
        let steady = SteadyClock::new(simulated.clone());
        simulated.advance(TimeDelta::hours(1));
        steady.follow(noon, Instant::now());
        assert_eq!(steady.now(), noon + TimeDelta::hours(1));
    }
}
