//! How fast an account may send: its configured rate, lowered after its provider asked to slow
//! down, and raised again until the provider asks once more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Messages per second: the lowest rate to which a provider's requests can lower an account.
const LOWEST_RATE: f64 = 0.2;
/// Messages per second; an account that reaches it without a configured rate is no longer limited.
const HIGHEST_RATE: f64 = 1_000.0;
/// Share of the accepted rate at which sending continues: just below the provider's limit.
const SAFE_SHARE: f64 = 0.95;
/// The share by which the rate grows each second after a slowdown.
const GROWTH_PER_SECOND: f64 = 0.01;
/// In seconds: how long the rate grows linearly, and the time in which it doubles after that,
/// because the provider's limit must have changed.
const DOUBLING_SECONDS: f64 = 20.0;
/// The wait if the provider names none; doubled while it accepts nothing.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The limits within which a provider's `Retry-After` is followed.
pub const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// Acceptances are counted in periods of this length: the current one and the one before.
const COUNT_PERIOD: TimeDelta = TimeDelta::seconds(5);

/// The state after the provider asked to slow down.
#[derive(Clone, PartialEq, Debug)]
pub struct Slowdown {
    pub since: DateTime<Utc>,
    /// Nothing is sent before this time.
    pub hold_until: DateTime<Utc>,
    /// Messages per second at `hold_until`; it grows from there.
    pub rate: f64,
    /// The provider's text.
    pub reason: String,
    /// Requests to slow down since the last acceptance.
    pub requests: u32,
}

/// Acceptances in two consecutive periods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AcceptanceCount {
    /// Start of the current period.
    pub since: Option<DateTime<Utc>>,
    pub current: u32,
    pub before: u32,
}

impl AcceptanceCount {
    pub fn add(&mut self, now: DateTime<Utc>) {
        let since = self.since.unwrap_or(now);
        let elapsed = now - since;
        if elapsed >= COUNT_PERIOD * 2 || self.since.is_none() {
            *self = Self {
                since: Some(now),
                current: 0,
                before: 0,
            };
        } else if elapsed >= COUNT_PERIOD {
            *self = Self {
                since: Some(since + COUNT_PERIOD),
                current: 0,
                before: self.current,
            };
        }
        self.current += 1;
    }

    /// Messages per second; `None` if nothing was accepted.
    fn rate(&self, now: DateTime<Utc>) -> Option<f64> {
        let count = self.before + self.current;
        if count == 0 {
            return None;
        }
        let mut elapsed = seconds(now - self.since?);
        if self.before > 0 {
            elapsed += seconds(COUNT_PERIOD);
        }
        Some(f64::from(count) / elapsed.max(1.0))
    }
}

/// The rate at this time, of an account with this configured rate; `None`: no limit.
pub fn effective_rate(
    configured: Option<f64>,
    slowdown: Option<&Slowdown>,
    now: DateTime<Utc>,
) -> Option<f64> {
    let Some(slowdown) = slowdown else {
        return configured;
    };
    let elapsed = seconds(now - slowdown.hold_until).max(0.0);
    let linear = elapsed.min(DOUBLING_SECONDS);
    let factor =
        (1.0 + GROWTH_PER_SECOND * linear) * ((elapsed - linear) / DOUBLING_SECONDS).exp2();
    let rate = slowdown.rate * factor;
    if rate >= configured.unwrap_or(HIGHEST_RATE) {
        configured
    } else {
        Some(rate)
    }
}

/// The slowdown after a request to slow down. The reply to a call from before the last slowdown
/// does not concern the rate since then, but may ask for a longer wait.
pub fn slow_down(
    configured: Option<f64>,
    previous: Option<&Slowdown>,
    accepted: &mut AcceptanceCount,
    request: SlowDownRequest<'_>,
    now: DateTime<Utc>,
) -> Slowdown {
    let is_old = |previous: &&Slowdown| request.called_at <= previous.since;
    let requests = previous.map_or(0, |previous| previous.requests);
    let wait = request.wait(requests);
    if let Some(previous) = previous.filter(is_old) {
        let longer = request.after.map(|_| now + wait);
        return Slowdown {
            hold_until: longer.map_or(previous.hold_until, |at| at.max(previous.hold_until)),
            ..previous.clone()
        };
    }
    let current = effective_rate(configured, previous, now);
    let rate = match accepted.rate(now) {
        Some(measured) => (measured * SAFE_SHARE).min(current.unwrap_or(HIGHEST_RATE)),
        None => current.unwrap_or(1.0) / 2.0,
    };
    let held = previous.map(|previous| previous.hold_until);
    let hold_until = held.map_or(now + wait, |held| held.max(now + wait));
    // The acceptances so far have set the rate; the wait is not counted as a slow period.
    *accepted = AcceptanceCount {
        since: Some(hold_until),
        ..AcceptanceCount::default()
    };
    Slowdown {
        since: now,
        hold_until,
        rate: rate.clamp(LOWEST_RATE, HIGHEST_RATE),
        reason: request.reason.to_owned(),
        requests: requests.saturating_add(1),
    }
}

#[derive(Clone, Copy, Debug)]
pub struct SlowDownRequest<'a> {
    /// When the call began whose reply is this request.
    pub called_at: DateTime<Utc>,
    /// `Retry-After`
    pub after: Option<Duration>,
    pub reason: &'a str,
}

impl SlowDownRequest<'_> {
    fn wait(&self, requests: u32) -> TimeDelta {
        let wait = match self.after {
            Some(after) => after.clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER),
            None => FIRST_WAIT
                .saturating_mul(2_u32.saturating_pow(requests.min(16)))
                .min(LONGEST_WAIT),
        };
        TimeDelta::from_std(wait).unwrap_or_default()
    }
}

fn seconds(span: TimeDelta) -> f64 {
    span.as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn request(called_at: DateTime<Utc>, after: Option<u64>) -> SlowDownRequest<'static> {
        SlowDownRequest {
            called_at,
            after: after.map(Duration::from_secs),
            reason: "429",
        }
    }

    /// Counts `rate` acceptances per second for `seconds`, beginning at `from`; returns the end.
    fn accept(
        count: &mut AcceptanceCount,
        from: DateTime<Utc>,
        rate: u32,
        seconds: u32,
    ) -> DateTime<Utc> {
        for number in 0..rate * seconds {
            count.add(
                from + TimeDelta::seconds(1) * i32::try_from(number).unwrap()
                    / i32::try_from(rate).unwrap(),
            );
        }
        from + TimeDelta::seconds(i64::from(seconds))
    }

    #[test]
    fn the_rate_falls_to_what_the_provider_accepted_and_climbs_again() {
        let mut count = AcceptanceCount::default();
        let at = accept(&mut count, noon(), 20, 12);
        let slowed = slow_down(None, None, &mut count, request(at, Some(7)), at);
        assert_eq!(slowed.hold_until, at + TimeDelta::seconds(7));
        assert!((18.0..20.5).contains(&slowed.rate), "{slowed:?}");
        let rate = |seconds| {
            let now = slowed.hold_until + TimeDelta::seconds(seconds);
            effective_rate(None, Some(&slowed), now)
        };
        assert!(rate(5) > rate(1));
        assert!(rate(15).unwrap() < 24.0);
        assert!(rate(60).unwrap() > 60.0);
        assert_eq!(rate(600), None, "the limit is forgotten");
        let configured = effective_rate(Some(30.0), Some(&slowed), at + TimeDelta::seconds(600));
        assert_eq!(configured, Some(30.0));
    }

    #[test]
    fn without_retry_after_the_wait_doubles_until_something_is_accepted() {
        let mut count = AcceptanceCount::default();
        let mut at = noon();
        let mut slowed: Option<Slowdown> = None;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let next = slow_down(None, slowed.as_ref(), &mut count, request(at, None), at);
            waits.push((next.hold_until - at).num_seconds());
            at = next.hold_until + TimeDelta::seconds(1);
            slowed = Some(next);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(slowed.unwrap().rate >= LOWEST_RATE);
    }

    #[test]
    fn replies_to_calls_from_before_a_slowdown_do_not_lower_the_rate_again() {
        let mut count = AcceptanceCount::default();
        let at = accept(&mut count, noon(), 20, 6);
        let first = slow_down(None, None, &mut count, request(at, None), at);
        let late = at + TimeDelta::milliseconds(300);
        let again = slow_down(None, Some(&first), &mut count, request(at, None), late);
        assert_eq!(again, first);
        let longer = slow_down(None, Some(&first), &mut count, request(at, Some(9)), late);
        assert_eq!(longer.rate.to_bits(), first.rate.to_bits());
        assert_eq!(longer.hold_until, late + TimeDelta::seconds(9));
    }
}
