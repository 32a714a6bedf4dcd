//! What decides whether and how fast an account sends: its circuit breaker, its slowdown and its
//! next slot. Shared by all processes.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::circuit_breaker::{CircuitBreaker, SubmissionPurpose};
use crate::domain::send_rate::{self, AcceptanceCount, Slowdown};

/// A stored time further ahead than this is from before the clock was set back, and ignored.
const LONGEST_HOLD: TimeDelta = TimeDelta::minutes(61);
/// A stored slot that is further beyond the reserved ones than this is from before the clock was
/// set back.
const SLOT_TOLERANCE: TimeDelta = TimeDelta::seconds(1);

#[derive(Clone, PartialEq, Debug, Default)]
pub struct SendFlow {
    /// The next free slot of an account with a rate.
    pub next_slot_at: Option<DateTime<Utc>>,
    pub slowdown: Option<Slowdown>,
    pub accepted: AcceptanceCount,
    pub breaker: CircuitBreaker,
}

/// Whether an account may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    Ready(SubmissionPurpose),
    WaitUntil(DateTime<Utc>),
}

impl SendFlow {
    pub fn readiness(&self, now: DateTime<Utc>) -> Readiness {
        let ahead = |at: DateTime<Utc>| (at > now && at <= now + LONGEST_HOLD).then_some(at);
        let held = self.slowdown.as_ref().and_then(|s| ahead(s.hold_until));
        let trip = self.breaker.trip.as_ref();
        let tripped = trip.and_then(|trip| ahead(trip.next_probe_at));
        match held.max(tripped) {
            Some(at) => Readiness::WaitUntil(at),
            None if trip.is_some() => Readiness::Ready(SubmissionPurpose::Probe),
            None => Readiness::Ready(SubmissionPurpose::Sending),
        }
    }

    /// Why messages of the account wait; `None` unless the breaker is open.
    pub fn hold_text(&self) -> Option<String> {
        let trip = self.breaker.trip.as_ref()?;
        Some(format!(
            "sending has stopped: {}; last reply: {}",
            trip.reason, trip.last_reply
        ))
    }

    /// The current limit in messages per second; `None`: no limit.
    pub fn rate(&self, configured: Option<f64>, now: DateTime<Utc>) -> Option<f64> {
        send_rate::effective_rate(configured, self.slowdown.as_ref(), now)
    }

    /// Reserves at most `wanted` slots up to `until`, for an account with this rate. Unused slots
    /// are not made up for by a burst.
    pub fn reserve_slots(
        &mut self,
        rate: f64,
        wanted: usize,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Vec<DateTime<Utc>> {
        let interval = interval(rate);
        let mut next = self.next_slot(rate, now, until);
        let mut slots = Vec::new();
        while slots.len() < wanted && next <= until {
            slots.push(next);
            next += interval;
        }
        if !slots.is_empty() {
            self.next_slot_at = Some(next);
        }
        slots
    }

    /// The next slot that can be reserved.
    pub fn next_slot(&self, rate: f64, now: DateTime<Utc>, until: DateTime<Utc>) -> DateTime<Utc> {
        let latest = until.max(now) + interval(rate) * 2 + SLOT_TOLERANCE;
        self.next_slot_at
            .filter(|slot| *slot <= latest)
            .map_or(now, |slot| slot.max(now))
    }
}

/// The time between two slots, rounded up to a microsecond, so that the rate is not exceeded.
pub fn interval(rate: f64) -> TimeDelta {
    let micros = (1_000_000.0 / rate).ceil();
    if micros.is_finite() && micros < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be small")]
        return TimeDelta::microseconds(micros as i64);
    }
    TimeDelta::days(365)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    /// The slots reserved in half a minute by a claim every 20 ms.
    fn slots_of_half_a_minute(rate: f64) -> Vec<DateTime<Utc>> {
        let mut flow = SendFlow::default();
        let mut slots = Vec::new();
        for step in 0..1_500 {
            let now = noon() + TimeDelta::milliseconds(step * 20);
            let until = now + TimeDelta::milliseconds(40);
            slots.extend(flow.reserve_slots(rate, 64, now, until));
        }
        slots
    }

    #[test]
    fn every_rate_holds_within_two_percent_and_is_never_exceeded() {
        for rate in [0.5, 5.0, 80.0, 400.0, 1_000.0] {
            let slots = slots_of_half_a_minute(rate);
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let number = slots.len() as f64;
            let ideal = rate * 30.0;
            assert!(number >= ideal * 0.98, "{rate}: {number}");
            assert!(number <= ideal * 1.02 + 1.0, "{rate}: {number}");
            for pair in slots.windows(2) {
                let gap = (pair[1] - pair[0]).as_seconds_f64();
                assert!(gap * rate > 0.999_999, "{rate}: {pair:?}");
            }
        }
    }

    #[test]
    fn unused_slots_are_not_saved_for_later() {
        let mut flow = SendFlow::default();
        let reserve = |flow: &mut SendFlow, at: i64| {
            let now = noon() + TimeDelta::seconds(at);
            flow.reserve_slots(2.0, 100, now, now).len()
        };
        assert_eq!(reserve(&mut flow, 0), 1);
        assert_eq!(reserve(&mut flow, 0), 0);
        assert_eq!(reserve(&mut flow, 3_600), 1);
        assert_eq!(reserve(&mut flow, 3_600), 0);
    }

    #[test]
    fn a_slot_from_before_the_clock_was_set_back_delays_nothing() {
        let mut flow = SendFlow {
            next_slot_at: Some(noon() + TimeDelta::hours(3)),
            ..SendFlow::default()
        };
        assert_eq!(flow.reserve_slots(1.0, 5, noon(), noon()), [noon()]);
    }
}
