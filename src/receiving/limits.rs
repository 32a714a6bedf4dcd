//! Limits the bytes of callbacks per account and hour, so that callers of a leaked URL cannot fill
//! the disk.
//!
//! Counts in memory; processes share their counts through the database every few seconds.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::db::disk::Disk;
use crate::domain::ids::AccountId;
use crate::journal::spool::SpoolLimits;
use crate::receiving::known_accounts::KnownAccounts;
use crate::store::Store;
use crate::store::callback_hours::CallbackHour;

/// The hourly ceiling is the greater of 1 GiB (a million callbacks of 1 KiB) and a tenth of the
/// free disk space.
const MINIMUM_CEILING: u64 = 1024 * 1024 * 1024;
const CEILING_DISK_FRACTION: u64 = 10;
/// Half of the ceiling is a spike: it raises an alarm before callbacks are refused.
const SPIKE_CEILING_FRACTION: u64 = 2;
/// Stored hours are deleted after this time; only the current one is used.
const HOURS_KEPT: TimeDelta = TimeDelta::days(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallbackVolume {
    pub callbacks: u64,
    /// Bytes of bodies, queries and headers.
    pub bytes: u64,
}

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

#[derive(Debug, Default)]
struct AccountLimiter(Mutex<HourlyUsage>);

impl AccountLimiter {
    fn lock(&self) -> MutexGuard<'_, HourlyUsage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct HourlyUsage {
    /// Hours since 1970.
    hour: i64,
    /// Of the current hour, as stored in the database.
    recorded: CallbackVolume,
    /// By hour; not stored yet.
    unsaved: BTreeMap<i64, CallbackVolume>,
    refused: u64,
}

impl TrafficLimits {
    /// `folder` is on the disk that stores the callbacks.
    pub fn new(accounts: &KnownAccounts, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self {
            accounts: accounts
                .ids()
                .map(|id| (id.clone(), AccountLimiter::default()))
                .collect(),
            unknown_accounts: AccountLimiter::default(),
            ceiling: AtomicU64::new(hourly_ceiling(free_bytes(&folder))),
            folder,
        }
    }

    fn limiter(&self, account: &AccountId) -> &AccountLimiter {
        self.accounts.get(account).unwrap_or(&self.unknown_accounts)
    }

    fn limiters(&self) -> impl Iterator<Item = (Option<&AccountId>, &AccountLimiter)> {
        let known = self
            .accounts
            .iter()
            .map(|(id, limiter)| (Some(id), limiter));
        known.chain([(None, &self.unknown_accounts)])
    }

    /// Counts a callback of this size if the account's hourly ceiling allows it; returns whether it
    /// does.
    pub fn admit(&self, account: &AccountId, bytes: usize, now: DateTime<Utc>) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut usage = self.limiter(account).lock();
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
                let limiter = account.map_or(&self.unknown_accounts, |id| self.limiter(&id));
                limiter.lock().mark_saved(hour, volume);
            }
        }
        let hour = hour_of(now);
        for stored in store.list_callback_hours(start_of_hour(hour)).await? {
            if hour_of(stored.hour) == hour {
                let limiter = stored
                    .account
                    .as_ref()
                    .map_or(&self.unknown_accounts, |id| self.limiter(id));
                limiter.lock().set_recorded(
                    hour,
                    CallbackVolume {
                        callbacks: stored.callbacks,
                        bytes: stored.bytes,
                    },
                );
            }
        }
        self.ceiling
            .store(hourly_ceiling(free_bytes(&self.folder)), Ordering::Relaxed);
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

impl HourlyUsage {
    /// Also goes back if the clock was set back.
    fn start_hour(&mut self, hour: i64) {
        if hour != self.hour {
            self.hour = hour;
            self.recorded = CallbackVolume::default();
            self.refused = 0;
        }
    }

    fn used(&self) -> CallbackVolume {
        let unsaved = self.unsaved.get(&self.hour).copied().unwrap_or_default();
        CallbackVolume {
            callbacks: self.recorded.callbacks + unsaved.callbacks,
            bytes: self.recorded.bytes + unsaved.bytes,
        }
    }

    fn mark_saved(&mut self, hour: i64, volume: CallbackVolume) {
        let Some(unsaved) = self.unsaved.get_mut(&hour) else {
            return;
        };
        unsaved.callbacks -= volume.callbacks.min(unsaved.callbacks);
        unsaved.bytes -= volume.bytes.min(unsaved.bytes);
        if *unsaved == CallbackVolume::default() {
            self.unsaved.remove(&hour);
        }
        if hour == self.hour {
            self.recorded.callbacks += volume.callbacks;
            self.recorded.bytes += volume.bytes;
        }
    }

    fn set_recorded(&mut self, hour: i64, volume: CallbackVolume) {
        self.start_hour(hour);
        self.recorded = volume;
    }
}

fn hourly_ceiling(free_bytes: Option<u64>) -> u64 {
    MINIMUM_CEILING.max(free_bytes.unwrap_or(0) / CEILING_DISK_FRACTION)
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = Disk::measure(folder).ok()?;
    Some(disk.free_above(SpoolLimits::default().free_percent))
}

fn hour_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3600)
}

fn start_of_hour(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(hour.saturating_mul(3600), 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::ProviderId;
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
    fn the_ceiling_grows_with_the_disk() {
        assert_eq!(hourly_ceiling(None), MINIMUM_CEILING);
        assert_eq!(hourly_ceiling(Some(5 * MINIMUM_CEILING)), MINIMUM_CEILING);
        let large = 1_000 * MINIMUM_CEILING;
        assert_eq!(hourly_ceiling(Some(large)), 100 * MINIMUM_CEILING);
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
        for (_, hour, volume) in unsaved {
            limits.limiter(&shop()).lock().mark_saved(hour, volume);
        }
        let used = || limits.limiter(&shop()).lock().used().callbacks;
        assert_eq!(used(), 4);
        assert_eq!(limits.unsaved()[0].2.callbacks, 1);
        // Another process counted five in the same hour.
        let volume = CallbackVolume {
            callbacks: 8,
            bytes: 80,
        };
        limits
            .limiter(&shop())
            .lock()
            .set_recorded(hour_of(noon()), volume);
        assert_eq!(used(), 9);
    }
}
