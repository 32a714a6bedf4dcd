//! When an account counts as failing, slow or silent, and when its reports count as lost: the last
//! hour (for lost reports, the time since yesterday) is compared with the seven days before.

use chrono::TimeDelta;

use crate::domain::float_count::as_float;

/// In percent of the attempted messages: from this share on, failed or unreported messages are too
/// many, even if the share is usual.
const HIGH_PERCENT: i64 = 20;
/// With fewer failures, the failure rate is not judged.
pub const MIN_FAILURES: i64 = 3;
/// With fewer delivered messages, the delivery time is not judged.
const MIN_DELIVERED: i64 = 5;
/// A shorter delivery time is never slow.
const MIN_SLOW_MILLIS: f64 = 30_000.0;
/// The limit if nothing was delivered in the seven days before.
const SLOW_MILLIS_WITHOUT_HISTORY: f64 = 600_000.0;
/// A delivery time is slow from this multiple of the usual one on.
const SLOW_FACTOR: f64 = 3.0;
/// With fewer unreported messages, an account is not silent.
pub const MIN_UNREPORTED: i64 = 5;
/// In percent of the attempted messages: if fewer are unreported, reports do not count as lost.
const MIN_LOST_PERCENT: i64 = 2;
/// A shorter time without callbacks is not silence.
const MIN_SILENCE: TimeDelta = TimeDelta::minutes(15);

/// Failed messages of those attempted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FailedShare {
    pub failed: i64,
    pub attempted: i64,
}

impl FailedShare {
    /// In whole percent, rounded; `None` without attempts.
    pub fn percent(self) -> Option<i64> {
        (self.attempted > 0).then(|| (self.failed * 200 + self.attempted) / (self.attempted * 2))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FailureRate {
    /// The last hour.
    pub recent: FailedShare,
    /// The seven days before.
    pub usual: FailedShare,
}

impl FailureRate {
    /// Too high by itself, or at least twice the usual rate by more than chance explains.
    pub fn is_raised(self) -> bool {
        let Self { recent, usual } = self;
        recent.failed >= MIN_FAILURES
            && is_unusual(
                (recent.failed, recent.attempted),
                (usual.failed, usual.attempted),
            )
    }

    /// Half or more failed, but too few to judge the rate.
    pub fn is_undecided(self) -> bool {
        let FailedShare { failed, attempted } = self.recent;
        (1..MIN_FAILURES).contains(&failed) && failed * 2 >= attempted
    }
}

/// Messages without any report, of those attempted. All are old enough for a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UnreportedShare {
    pub unreported: i64,
    pub attempted: i64,
}

impl UnreportedShare {
    /// In whole percent, rounded; `None` without attempts.
    pub fn percent(self) -> Option<i64> {
        let Self {
            unreported: failed,
            attempted,
        } = self;
        FailedShare { failed, attempted }.percent()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LostReports {
    /// Since yesterday.
    pub recent: UnreportedShare,
    /// The seven days before.
    pub usual: UnreportedShare,
}

impl LostReports {
    pub fn is_unusual(self) -> bool {
        let Self { recent, usual } = self;
        recent.unreported >= MIN_UNREPORTED
            && recent.unreported * 100 >= recent.attempted * MIN_LOST_PERCENT
            && is_unusual(
                (recent.unreported, recent.attempted),
                (usual.unreported, usual.attempted),
            )
    }
}

/// The median time from submission to delivery. It leaves out the time in our queue, which the
/// provider does not cause.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DeliveryTime {
    pub recent_millis: f64,
    /// Delivered messages of the last hour.
    pub delivered: i64,
    /// `None` if nothing was delivered in the seven days before.
    pub usual_millis: Option<f64>,
}

impl DeliveryTime {
    pub fn is_slow(self) -> bool {
        let limit = match self.usual_millis {
            Some(usual) => (usual * SLOW_FACTOR).max(MIN_SLOW_MILLIS),
            None => SLOW_MILLIS_WITHOUT_HISTORY,
        };
        self.delivered >= MIN_DELIVERED && self.recent_millis >= limit
    }
}

/// How long an account that sends messages has received nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The time since the last callback.
    pub lasting: TimeDelta,
    /// Messages submitted since then without a report.
    pub unreported: i64,
}

impl Silence {
    pub fn is_unusual(self) -> bool {
        self.lasting >= MIN_SILENCE && self.unreported >= MIN_UNREPORTED
    }
}

/// Whether a share of the attempted messages is too high by itself, or at least twice the usual
/// share by more than chance explains.
fn is_unusual(recent: (i64, i64), usual: (i64, i64)) -> bool {
    let ratio = |(part, attempted)| as_float(part) / as_float(attempted).max(1.0);
    let (part, attempted) = recent;
    if part * 100 >= attempted * HIGH_PERCENT {
        return true;
    }
    if usual.1 == 0 {
        return false;
    }
    let expected = ratio(usual) * as_float(attempted);
    ratio(recent) >= 2.0 * ratio(usual) && as_float(part) - expected >= 2.0 * expected.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_raised(recent: (i64, i64), usual: (i64, i64)) -> bool {
        let share = |(failed, attempted)| FailedShare { failed, attempted };
        let rate = FailureRate {
            recent: share(recent),
            usual: share(usual),
        };
        rate.is_raised()
    }

    #[test]
    fn a_fifth_is_too_high_whatever_is_usual() {
        assert!(is_raised((20, 100), (300, 1_000)));
        assert!(is_raised((5, 5), (0, 0)));
        assert!(!is_raised((2, 2), (0, 0)), "two failures are too few");
    }

    #[test]
    fn few_messages_of_which_half_failed_are_undecided() {
        let is_undecided = |failed, attempted| {
            let rate = FailureRate {
                recent: FailedShare { failed, attempted },
                ..FailureRate::default()
            };
            rate.is_undecided()
        };
        assert!(is_undecided(1, 1) && is_undecided(2, 4));
        assert!(!is_undecided(0, 0) && !is_undecided(0, 5) && !is_undecided(1, 3));
        assert!(!is_undecided(3, 3), "three failures are judged");
    }

    #[test]
    fn a_rate_that_doubles_is_raised_unless_chance_explains_it() {
        assert!(is_raised((10, 100), (840, 16_800)));
        assert!(!is_raised((3, 30), (840, 16_800)));
        assert!(!is_raised((6, 100), (840, 16_800)));
        assert!(!is_raised((10, 100), (0, 0)));
    }

    #[test]
    fn reports_count_as_lost_if_more_than_usual_and_more_than_a_few_are_missing() {
        let is_unusual = |recent: (i64, i64), usual: (i64, i64)| {
            let share = |(unreported, attempted)| UnreportedShare {
                unreported,
                attempted,
            };
            let lost = LostReports {
                recent: share(recent),
                usual: share(usual),
            };
            lost.is_unusual()
        };
        assert!(is_unusual((18, 100), (1, 700)));
        assert!(!is_unusual((4, 20), (0, 700)), "too few");
        assert!(!is_unusual((6, 1_000), (0, 7_000)), "below 2 %");
        assert!(!is_unusual((30, 1_000), (200, 7_000)), "as usual");
        assert!(is_unusual((250, 1_000), (1_750, 7_000)), "a quarter");
        assert!(!is_unusual((5, 100), (0, 0)));
    }

    #[test]
    fn slow_means_slower_than_usual_and_noticeable() {
        let is_slow = |recent_millis, delivered, usual_millis| {
            DeliveryTime {
                recent_millis,
                delivered,
                usual_millis,
            }
            .is_slow()
        };
        assert!(is_slow(240_000.0, 20, Some(6_000.0)));
        assert!(!is_slow(20_000.0, 20, Some(2_000.0)), "below half a minute");
        assert!(!is_slow(240_000.0, 4, Some(6_000.0)), "too few");
        assert!(!is_slow(240_000.0, 20, Some(200_000.0)));
        assert!(is_slow(900_000.0, 20, None));
        assert!(!is_slow(240_000.0, 20, None));
    }

    #[test]
    fn a_share_is_rounded_to_whole_percent() {
        let percent = |failed, attempted| FailedShare { failed, attempted }.percent();
        assert_eq!(percent(41, 100), Some(41));
        assert_eq!(percent(1, 3), Some(33));
        assert_eq!(percent(2, 3), Some(67));
        assert_eq!(percent(0, 0), None);
    }
}
