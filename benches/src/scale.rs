//! Sizes and durations of a run.

use std::time::Duration;

/// Each message receives two reports; the warm-up is included.
const SOAK_MESSAGES_PER_MINUTE: u64 = 330_000;

#[derive(Clone, Debug)]
pub struct Scale {
    /// Messages of the smaller database, with one receipt each.
    pub small: u64,
    /// Messages of the larger database.
    pub large: u64,
    /// Messages of the smallest databases: that of PostgreSQL, and that of `paced`.
    pub smallest: u64,
    /// Duration of the warm-up before each measurement.
    pub warm_up: Duration,
    /// Duration of each measurement.
    pub measured: Duration,
}

impl Scale {
    pub const FULL: Self = Self {
        small: 1_000_000,
        large: 10_000_000,
        smallest: 500_000,
        warm_up: Duration::from_secs(3),
        measured: Duration::from_secs(10),
    };
    pub const QUICK: Self = Self {
        small: 500_000,
        large: 1_000_000,
        smallest: 100_000,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(4),
    };

    /// A long run at full load, with enough open messages for 10,000 reports a second.
    pub fn soak(minutes: u64) -> Self {
        Self {
            small: minutes * SOAK_MESSAGES_PER_MINUTE,
            measured: Duration::from_secs(60 * minutes),
            warm_up: Duration::from_secs(30),
            ..Self::FULL
        }
    }
}
