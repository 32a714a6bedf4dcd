//! Limits attempts per key and time, with bounded memory.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};

/// Keys that are remembered; beyond it, the oldest is forgotten.
const KEY_LIMIT: usize = 10_000;

/// At most `most` attempts of each key within `window`, which begins with the first.
#[derive(Debug)]
pub struct AttemptLimit<K> {
    most: u32,
    window: TimeDelta,
    attempts: HashMap<K, Attempts>,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    since: DateTime<Utc>,
    number: u32,
}

/// When the next attempt is admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttemptWait(pub TimeDelta);

impl AttemptWait {
    /// Rounded up, at least 1.
    pub fn seconds(self) -> i64 {
        let millis = self.0.num_milliseconds();
        ((millis + 999) / 1_000).max(1)
    }
}

impl<K: Eq + Hash + Clone> AttemptLimit<K> {
    pub fn new(most: u32, window: TimeDelta) -> Self {
        Self {
            most,
            window,
            attempts: HashMap::new(),
        }
    }

    /// Counts an attempt, unless the key has had all of its attempts.
    pub fn admit(&mut self, key: &K, now: DateTime<Utc>) -> Result<(), AttemptWait> {
        self.check(key, now)?;
        if !self.attempts.contains_key(key) && self.attempts.len() >= KEY_LIMIT {
            self.make_room(now);
        }
        let first = Attempts {
            since: now,
            number: 0,
        };
        let attempts = self.attempts.entry(key.clone()).or_insert(first);
        if !is_current(*attempts, self.window, now) {
            *attempts = first;
        }
        attempts.number += 1;
        Ok(())
    }

    /// Whether the key has an attempt left.
    pub fn check(&self, key: &K, now: DateTime<Utc>) -> Result<(), AttemptWait> {
        match self.attempts.get(key) {
            Some(attempts)
                if is_current(*attempts, self.window, now) && attempts.number >= self.most =>
            {
                Err(AttemptWait(attempts.since + self.window - now))
            }
            _ => Ok(()),
        }
    }

    /// Takes back one attempt.
    pub fn give_back(&mut self, key: &K) {
        if let Some(attempts) = self.attempts.get_mut(key) {
            attempts.number = attempts.number.saturating_sub(1);
        }
    }

    pub fn forget(&mut self, key: &K) {
        self.attempts.remove(key);
    }

    fn make_room(&mut self, now: DateTime<Utc>) {
        let window = self.window;
        self.attempts
            .retain(|_, attempts| is_current(*attempts, window, now));
        if self.attempts.len() < KEY_LIMIT {
            return;
        }
        let oldest = self
            .attempts
            .iter()
            .min_by_key(|(_, attempts)| attempts.since)
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            self.attempts.remove(&oldest);
        }
    }
}

/// A clock that was set back begins a new window.
fn is_current(attempts: Attempts, window: TimeDelta, now: DateTime<Utc>) -> bool {
    (attempts.since..attempts.since + window).contains(&now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_has_its_attempts_again_after_the_window() {
        let mut limit = AttemptLimit::new(3, TimeDelta::minutes(1));
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
        let mut limit = AttemptLimit::new(1, TimeDelta::hours(1));
        for key in 0..=KEY_LIMIT {
            let at = noon() + TimeDelta::milliseconds(i64::try_from(key).unwrap());
            assert_eq!(limit.admit(&key, at), Ok(()));
        }
        assert_eq!(limit.attempts.len(), KEY_LIMIT);
        let at = noon() + TimeDelta::minutes(1);
        assert_eq!(limit.check(&0, at), Ok(()));
        assert!(limit.check(&1, at).is_err());
    }
}
