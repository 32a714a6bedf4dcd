//! Limits the bytes of callbacks per account and hour, so that callers of a leaked URL cannot fill
//! the disk.
//!
//! Counts in memory; processes share their counts through the database every few seconds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::ids::AccountId;
use crate::receiving::hourly_ceiling::measure_ceiling;
use crate::receiving::hourly_usage::{AccountLimiter, CallbackVolume, hour_of, start_of_hour};
use crate::receiving::known_accounts::KnownAccounts;
use crate::store::Store;
use crate::store::callback_hours::CallbackHour;

/// Half of the ceiling is a spike: it raises an alarm before callbacks are refused.
const SPIKE_CEILING_FRACTION: u64 = 2;
/// Stored hours are deleted after this time; only the current one is used.
const HOURS_KEPT: TimeDelta = TimeDelta::days(1);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrafficSpike {
    /// Absent for all unknown accounts together.
    pub account: Option<AccountId>,
    /// In the current hour, by all processes.
    pub used: CallbackVolume,
    /// Callbacks refused in the current hour because the ceiling was reached.
    pub refused: u64,
    /// Bytes per hour.
    pub ceiling: u64,
}

#[derive(Debug)]
pub struct TrafficLimits {
    accounts: HashMap<AccountId, AccountLimiter>,
    /// For all accounts that are no longer known but still receive reports.
    unknown_accounts: AccountLimiter,
    /// Bytes per hour of one account.
    ceiling: AtomicU64,
    /// On the disk that stores the callbacks.
    folder: PathBuf,
}

impl TrafficLimits {
    pub fn new(accounts: &KnownAccounts, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self {
            accounts: accounts
                .ids()
                .map(|id| (id.clone(), AccountLimiter::default()))
                .collect(),
            unknown_accounts: AccountLimiter::default(),
            ceiling: AtomicU64::new(measure_ceiling(&folder)),
            folder,
        }
    }

    fn limiter_of(&self, account: Option<&AccountId>) -> &AccountLimiter {
        account
            .and_then(|account| self.accounts.get(account))
            .unwrap_or(&self.unknown_accounts)
    }

    fn limiters(&self) -> impl Iterator<Item = (Option<&AccountId>, &AccountLimiter)> {
        let known = self.accounts.iter();
        let known = known.map(|(id, limiter)| (Some(id), limiter));
        known.chain([(None, &self.unknown_accounts)])
    }

    /// Counts a callback of this size if the account's hourly ceiling allows it; returns whether it
    /// does.
    pub fn admit(&self, account: &AccountId, bytes: usize, now: DateTime<Utc>) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut usage = self.limiter_of(Some(account)).lock();
        usage.start_hour(hour_of(now));
        if usage.used().bytes.saturating_add(bytes) > self.ceiling.load(Ordering::Relaxed) {
            usage.refused += 1;
            return false;
        }
        let hour = usage.hour;
        let unsaved = usage.unsaved.entry(hour).or_default();
        unsaved.callbacks += 1;
        unsaved.bytes += bytes;
        true
    }

    /// Accounts that used half of their ceiling in the current hour, or reached it.
    pub fn list_spikes(&self, now: DateTime<Utc>) -> Vec<TrafficSpike> {
        let ceiling = self.ceiling.load(Ordering::Relaxed);
        let mut spikes: Vec<TrafficSpike> = self
            .limiters()
            .filter_map(|(account, limiter)| {
                let mut usage = limiter.lock();
                usage.start_hour(hour_of(now));
                let (used, refused) = (usage.used(), usage.refused);
                let is_spike = refused > 0 || used.bytes >= ceiling / SPIKE_CEILING_FRACTION;
                is_spike.then(|| TrafficSpike {
                    account: account.cloned(),
                    used,
                    refused,
                    ceiling,
                })
            })
            .collect();
        spikes.sort_by(|one, other| one.account.cmp(&other.account));
        spikes
    }

    /// Stores this process's counts, loads those of all processes, and recomputes the ceiling.
    pub async fn save_and_reload(
        &self,
        store: &Store,
        now: DateTime<Utc>,
    ) -> Result<(), db::Error> {
        let unsaved = self.unsaved();
        if !unsaved.is_empty() {
            let hours = unsaved.iter().map(|(account, hour, volume)| CallbackHour {
                hour: start_of_hour(*hour),
                account: account.clone(),
                callbacks: volume.callbacks,
                bytes: volume.bytes,
            });
            store
                .add_callback_hours(hours.collect(), now - HOURS_KEPT)
                .await?;
            for (account, hour, volume) in unsaved {
                self.limiter_of(account.as_ref())
                    .lock()
                    .mark_saved(hour, volume);
            }
        }
        let hour = hour_of(now);
        for stored in store.list_callback_hours(start_of_hour(hour)).await? {
            if hour_of(stored.hour) == hour {
                let volume = CallbackVolume {
                    callbacks: stored.callbacks,
                    bytes: stored.bytes,
                };
                self.limiter_of(stored.account.as_ref())
                    .lock()
                    .set_recorded(hour, volume);
            }
        }
        self.ceiling
            .store(measure_ceiling(&self.folder), Ordering::Relaxed);
        Ok(())
    }

    fn unsaved(&self) -> Vec<(Option<AccountId>, i64, CallbackVolume)> {
        let mut all = Vec::new();
        for (account, limiter) in self.limiters() {
            let usage = limiter.lock();
            let hours = usage.unsaved.iter();
            all.extend(hours.map(|(hour, volume)| (account.cloned(), *hour, *volume)));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::ProviderId;
    use crate::receiving::hourly_ceiling::MINIMUM_CEILING;
    use crate::receiving::known_accounts::KnownAccount;

    fn shop() -> AccountId {
        "shop".parse().unwrap()
    }

    fn limits() -> TrafficLimits {
        let known: KnownAccounts = [(shop(), KnownAccount::removed(ProviderId::Sobot, 1))]
            .into_iter()
            .collect();
        // A missing folder has no free space, so the minimum ceiling applies.
        TrafficLimits::new(&known, "/nowhere")
    }

    fn noon() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn callbacks_over_the_ceiling_are_refused_until_the_next_hour() {
        let limits = limits();
        let large = usize::try_from(MINIMUM_CEILING / 4).unwrap();
        for _ in 0..4 {
            assert!(limits.admit(&shop(), large, noon()));
        }
        assert!(!limits.admit(&shop(), 1, noon()));
        assert!(!limits.admit(&shop(), 1, noon() + TimeDelta::minutes(59)));
        let spikes = limits.list_spikes(noon());
        assert_eq!((spikes[0].refused, spikes[0].used.callbacks), (2, 4));
        let next = noon() + TimeDelta::hours(1);
        assert!(limits.admit(&shop(), 1, next));
        assert!(limits.list_spikes(next).is_empty());
    }

    #[test]
    fn after_a_clock_jumped_a_day_ahead_and_back_every_hour_has_its_own_ceiling() {
        let limits = limits();
        let whole = usize::try_from(MINIMUM_CEILING).unwrap();
        assert!(limits.admit(&shop(), 1, noon() + TimeDelta::days(1)));
        for hour in 0..24 {
            let at = noon() + TimeDelta::hours(hour);
            assert!(limits.admit(&shop(), whole, at), "hour {hour}");
            assert!(!limits.admit(&shop(), 1, at), "hour {hour}");
            let spikes = limits.list_spikes(at);
            assert_eq!((spikes[0].refused, spikes[0].used.callbacks), (1, 1));
        }
        assert_eq!(limits.unsaved().len(), 25, "each in its own hour");
    }

    #[test]
    fn half_of_the_ceiling_is_a_spike() {
        let limits = limits();
        let half = usize::try_from(MINIMUM_CEILING / 2).unwrap();
        assert!(limits.admit(&shop(), half - 1, noon()));
        assert!(limits.list_spikes(noon()).is_empty());
        assert!(limits.admit(&shop(), 1, noon()));
        let spike = limits.list_spikes(noon()).remove(0);
        assert_eq!((spike.account, spike.refused), (Some(shop()), 0));
        assert_eq!(spike.ceiling, MINIMUM_CEILING);
    }

    #[test]
    fn saved_callbacks_are_counted_once() {
        let limits = limits();
        for _ in 0..3 {
            assert!(limits.admit(&shop(), 10, noon()));
        }
        let unsaved = limits.unsaved();
        assert!(limits.admit(&shop(), 10, noon()));
        for (account, hour, volume) in unsaved {
            limits
                .limiter_of(account.as_ref())
                .lock()
                .mark_saved(hour, volume);
        }
        let usage = || limits.limiter_of(Some(&shop())).lock();
        assert_eq!(usage().used().callbacks, 4);
        assert_eq!(limits.unsaved()[0].2.callbacks, 1);
        // Another process counted five in the same hour.
        let volume = CallbackVolume {
            callbacks: 8,
            bytes: 80,
        };
        usage().set_recorded(hour_of(noon()), volume);
        assert_eq!(usage().used().callbacks, 9);
    }
}
