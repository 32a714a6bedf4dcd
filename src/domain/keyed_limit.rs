//! Limits how often one key, such as a user or an IP address, may do something within a time
//! window. Its memory is bounded.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};

/// The number of keys that are remembered; when it is reached, the oldest is forgotten.
const KEY_LIMIT: usize = 10_000;

/// At most `max_calls` calls per key within `window`, which begins with the first call.
#[derive(Debug)]
pub struct KeyedLimit<K> {
    max_calls: u32,
    window: TimeDelta,
    calls: HashMap<K, KeyCalls>,
}

#[derive(Clone, Copy, Debug)]
struct KeyCalls {
    since: DateTime<Utc>,
    number: u32,
}

/// Time until the next call is admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitWait(pub TimeDelta);

impl LimitWait {
    /// Rounded up, at least 1.
    pub fn seconds(self) -> i64 {
        let millis = self.0.num_milliseconds();
        ((millis + 999) / 1_000).max(1)
    }
}

impl<K: Eq + Hash + Clone> KeyedLimit<K> {
    pub fn new(max_calls: u32, window: TimeDelta) -> Self {
        Self {
            max_calls,
            window,
            calls: HashMap::new(),
        }
    }

    /// Counts a call, unless the key has used up its calls.
    pub fn admit(&mut self, key: &K, now: DateTime<Utc>) -> Result<(), LimitWait> {
        self.check(key, now)?;
        if !self.calls.contains_key(key) && self.calls.len() >= KEY_LIMIT {
            self.make_room(now);
        }
        let first = KeyCalls {
            since: now,
            number: 0,
        };
        let calls = self.calls.entry(key.clone()).or_insert(first);
        if !is_current(*calls, self.window, now) {
            *calls = first;
        }
        calls.number += 1;
        Ok(())
    }

    /// Fails if the key has used up its calls.
    pub fn check(&self, key: &K, now: DateTime<Utc>) -> Result<(), LimitWait> {
        match self.calls.get(key) {
            Some(calls)
                if is_current(*calls, self.window, now) && calls.number >= self.max_calls =>
            {
                Err(LimitWait(calls.since + self.window - now))
            }
            _ => Ok(()),
        }
    }

    /// Subtracts a counted call.
    pub fn uncount(&mut self, key: &K) {
        if let Some(calls) = self.calls.get_mut(key) {
            calls.number = calls.number.saturating_sub(1);
        }
    }

    pub fn forget(&mut self, key: &K) {
        self.calls.remove(key);
    }

    fn make_room(&mut self, now: DateTime<Utc>) {
        let window = self.window;
        self.calls
            .retain(|_, calls| is_current(*calls, window, now));
        if self.calls.len() < KEY_LIMIT {
            return;
        }
        let oldest = self
            .calls
            .iter()
            .min_by_key(|(_, calls)| calls.since)
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            self.calls.remove(&oldest);
        }
    }
}

/// A clock that was set back begins a new window.
fn is_current(calls: KeyCalls, window: TimeDelta, now: DateTime<Utc>) -> bool {
    (calls.since..calls.since + window).contains(&now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_may_call_again_after_the_window() {
        let mut limit = KeyedLimit::new(3, TimeDelta::minutes(1));
        for _ in 0..3 {
            assert_eq!(limit.admit(&"a", noon()), Ok(()));
        }
        let later = noon() + TimeDelta::milliseconds(59_500);
        let refused = limit.admit(&"a", later).unwrap_err();
        assert_eq!(refused.seconds(), 1);
        assert_eq!(limit.admit(&"b", later), Ok(()));
        let next = noon() + TimeDelta::minutes(1);
        assert_eq!(limit.admit(&"a", next), Ok(()));
        limit.forget(&"a");
        assert_eq!(limit.check(&"a", next), Ok(()));
    }

    #[test]
    fn the_oldest_key_is_forgotten_for_a_new_one() {
        let mut limit = KeyedLimit::new(1, TimeDelta::hours(1));
        for key in 0..=KEY_LIMIT {
            let at = noon() + TimeDelta::milliseconds(i64::try_from(key).unwrap());
            assert_eq!(limit.admit(&key, at), Ok(()));
        }
        assert_eq!(limit.calls.len(), KEY_LIMIT);
        let at = noon() + TimeDelta::minutes(1);
        assert_eq!(limit.check(&0, at), Ok(()));
        assert!(limit.check(&1, at).is_err());
    }
}
