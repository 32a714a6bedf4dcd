//! Limits callbacks per account: bytes per hour, so that callers of a leaked URL cannot fill the
//! disk, and memory of request bodies.
//!
//! Counts in memory; processes share their counts through the database every few seconds.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::db;
use crate::db::disk::Disk;
use crate::domain::ids::AccountId;
use crate::journal::spool::SpoolLimits;
use crate::receiving::known_accounts::KnownAccounts;
use crate::store::Store;
use crate::store::callback_hours::CallbackHour;

/// An hour with this many times the usual number of callbacks is a spike.
const SPIKE_FACTOR: u64 = 20;
/// An hour with fewer callbacks is never a spike: a quiet account may start a campaign.
const SPIKE_CALLBACKS: u64 = 10_000;
/// Hours with callbacks that must be known before there is a usual hour.
const HOURS_KNOWN: u64 = 3;
const USUAL_HOURS_KEPT: TimeDelta = TimeDelta::days(7);
/// The hourly ceiling is the greatest of 1 GiB (a million callbacks of 1 KiB), a hundred usual
/// hours, and a tenth of the free disk space.
const MINIMUM_CEILING: u64 = 1024 * 1024 * 1024;
const CEILING_USUAL_HOURS: u64 = 100;
const CEILING_DISK_FRACTION: u64 = 10;

/// Memory for one account's request bodies: a quarter of the journal's, so that slow clients of one
/// leaked URL do not delay other accounts.
const MEMORY_UNITS: usize = 64 * 1024;
const MEMORY_UNIT_BYTES: usize = 1024;

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
    /// Absent until enough hours are known.
    pub usual: Option<CallbackVolume>,
}

#[derive(Debug)]
pub struct TrafficLimits {
    accounts: HashMap<AccountId, AccountLimiter>,
    /// For all accounts that are no longer known but still receive reports.
    unknown_accounts: AccountLimiter,
    /// On the disk that stores the callbacks.
    folder: PathBuf,
}

/// Permission to hold a body in memory, within the account's limit.
#[derive(Debug)]
pub struct AccountMemoryPermit<'t>(SemaphorePermit<'t>);

impl AccountMemoryPermit<'_> {
    /// Releases what the body does not need.
    pub fn shrink_to(&mut self, body_bytes: usize) {
        let excess = self.0.num_permits().saturating_sub(units(body_bytes));
        drop(self.0.split(excess));
    }
}

fn units(body_bytes: usize) -> usize {
    body_bytes
        .div_ceil(MEMORY_UNIT_BYTES)
        .clamp(1, MEMORY_UNITS)
}

#[derive(Debug)]
struct AccountLimiter {
    usage: Mutex<HourlyUsage>,
    free_bytes: Semaphore,
}

impl AccountLimiter {
    fn new(usage: HourlyUsage) -> Self {
        Self {
            usage: Mutex::new(usage),
            free_bytes: Semaphore::new(MEMORY_UNITS),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HourlyUsage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Debug)]
struct HourlyUsage {
    /// Hours since 1970.
    hour: i64,
    /// Of the current hour, as stored in the database.
    recorded: CallbackVolume,
    /// By hour; not stored yet.
    unsaved: BTreeMap<i64, CallbackVolume>,
    refused: u64,
    usual: Option<CallbackVolume>,
    /// Bytes per hour.
    ceiling: u64,
}

impl TrafficLimits {
    /// `folder` is on the disk that stores the callbacks.
    pub fn new(accounts: &KnownAccounts, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let quiet = HourlyUsage {
            hour: 0,
            recorded: CallbackVolume::default(),
            unsaved: BTreeMap::new(),
            refused: 0,
            usual: None,
            ceiling: ceiling(None, free_bytes(&folder)),
        };
        Self {
            accounts: accounts
                .ids()
                .map(|id| (id.clone(), AccountLimiter::new(quiet.clone())))
                .collect(),
            unknown_accounts: AccountLimiter::new(quiet),
            folder,
        }
    }

    /// Waits until the account may hold a body of this size in memory.
    ///
    /// Callers must acquire this permit before the journal's, so that one account cannot block the
    /// journal.
    pub async fn reserve(
        &self,
        account: &AccountId,
        body_bytes: usize,
    ) -> Option<AccountMemoryPermit<'_>> {
        let units = u32::try_from(units(body_bytes)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let permit = self.limiter(account).free_bytes.acquire_many(units).await;
        permit.ok().map(AccountMemoryPermit)
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
        if usage.used().bytes.saturating_add(bytes) > usage.ceiling {
            usage.refused += 1;
            return false;
        }
        let hour = usage.hour;
        let unsaved = usage.unsaved.entry(hour).or_default();
        unsaved.callbacks += 1;
        unsaved.bytes += bytes;
        true
    }

    /// Accounts with a spike, or at their ceiling.
    pub fn list_spikes(&self, now: DateTime<Utc>) -> Vec<TrafficSpike> {
        let mut spikes: Vec<TrafficSpike> = self
            .limiters()
            .filter_map(|(account, limiter)| {
                let mut usage = limiter.lock();
                usage.start_hour(hour_of(now));
                usage.find_spike(account)
            })
            .collect();
        spikes.sort_by(|one, other| one.account.cmp(&other.account));
        spikes
    }

    /// Stores this process's counts, loads those of all processes, and recomputes the ceilings.
    pub async fn save_and_reload(
        &self,
        store: &Store,
        now: DateTime<Utc>,
    ) -> Result<(), db::Error> {
        let since = now - USUAL_HOURS_KEPT;
        let unsaved = self.unsaved();
        if !unsaved.is_empty() {
            let hours = unsaved.iter().map(|(account, hour, volume)| CallbackHour {
                hour: start_of_hour(*hour),
                account: account.clone(),
                callbacks: volume.callbacks,
                bytes: volume.bytes,
            });
            store.add_callback_hours(hours.collect(), since).await?;
            for (account, hour, volume) in unsaved {
                let limiter =
                    account.map_or(&self.unknown_accounts, |account| self.limiter(&account));
                limiter.lock().mark_saved(hour, volume);
            }
        }
        let hours = store.list_callback_hours(since).await?;
        let free_bytes = free_bytes(&self.folder);
        for (account, limiter) in self.limiters() {
            let hours = hours.iter().filter(|hour| hour.account.as_ref() == account);
            limiter.lock().update(hours, hour_of(now), free_bytes);
        }
        Ok(())
    }

    fn unsaved(&self) -> Vec<(Option<AccountId>, i64, CallbackVolume)> {
        let mut all = Vec::new();
        for (account, limiter) in self.limiters() {
            let hours = limiter.lock().unsaved.clone();
            all.extend(
                hours
                    .into_iter()
                    .map(|(hour, volume)| (account.cloned(), hour, volume)),
            );
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

    fn find_spike(&self, account: Option<&AccountId>) -> Option<TrafficSpike> {
        let used = self.used();
        let busy = self.usual.is_some_and(|usual| {
            used.callbacks >= SPIKE_CALLBACKS.max(usual.callbacks.saturating_mul(SPIKE_FACTOR))
        });
        (busy || self.refused > 0).then(|| TrafficSpike {
            account: account.cloned(),
            used,
            refused: self.refused,
            usual: self.usual,
        })
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

    fn update<'h>(
        &mut self,
        hours: impl Iterator<Item = &'h CallbackHour>,
        now: i64,
        free_bytes: Option<u64>,
    ) {
        self.start_hour(now);
        let (mut known, mut sum) = (0, CallbackVolume::default());
        for hour in hours {
            if hour_of(hour.hour) == self.hour {
                self.recorded = CallbackVolume {
                    callbacks: hour.callbacks,
                    bytes: hour.bytes,
                };
            } else {
                known += 1;
                sum.callbacks += hour.callbacks;
                sum.bytes += hour.bytes;
            }
        }
        self.usual = (known >= HOURS_KNOWN).then(|| CallbackVolume {
            callbacks: sum.callbacks / known,
            bytes: sum.bytes / known,
        });
        self.ceiling = ceiling(self.usual, free_bytes);
    }
}

fn ceiling(usual: Option<CallbackVolume>, free_bytes: Option<u64>) -> u64 {
    let usual = usual.map_or(0, |usual| usual.bytes.saturating_mul(CEILING_USUAL_HOURS));
    MINIMUM_CEILING
        .max(usual)
        .max(free_bytes.unwrap_or(0) / CEILING_DISK_FRACTION)
}

fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let disk = Disk::measure(folder).ok()?;
    Some(disk.room_above(SpoolLimits::default().free_percent))
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

    const MIB: u64 = 1024 * 1024;

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

    fn past(hours: i64, callbacks: u64, bytes: u64) -> CallbackHour {
        CallbackHour {
            hour: noon() - TimeDelta::hours(hours),
            account: Some(shop()),
            callbacks,
            bytes,
        }
    }

    fn update(limits: &TrafficLimits, hours: &[CallbackHour]) {
        limits
            .limiter(&shop())
            .lock()
            .update(hours.iter(), hour_of(noon()), None);
    }

    #[test]
    fn callbacks_over_the_ceiling_are_refused_until_the_next_hour() {
        let limits = limits();
        let large = usize::try_from(MINIMUM_CEILING / 4).unwrap();
        for _ in 0..4 {
            assert!(limits.admit(&shop(), large, noon()));
        }
        assert!(limits.list_spikes(noon()).is_empty());
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

    #[tokio::test]
    async fn slow_clients_of_one_account_do_not_use_memory_of_another() {
        let limits = limits();
        let most = MEMORY_UNITS * MEMORY_UNIT_BYTES;
        let (shop, other) = (shop(), "other".parse().unwrap());
        let mut held = limits.reserve(&shop, most).await;
        assert!(held.is_some());
        let mut next = Box::pin(limits.reserve(&shop, 1));
        assert!(futures_util::poll!(&mut next).is_pending());
        assert!(limits.reserve(&other, most).await.is_some());
        held.as_mut().unwrap().shrink_to(most / 2);
        assert!(next.await.is_some());
        assert!(
            limits
                .reserve(&shop, most / 2 - MEMORY_UNIT_BYTES)
                .await
                .is_some()
        );
    }

    #[test]
    fn the_ceiling_grows_with_the_usual_hour_and_with_the_disk() {
        assert_eq!(ceiling(None, None), MINIMUM_CEILING);
        assert_eq!(ceiling(None, Some(5 * MINIMUM_CEILING)), MINIMUM_CEILING);
        let roomy = 1_000 * MINIMUM_CEILING;
        assert_eq!(ceiling(None, Some(roomy)), 100 * MINIMUM_CEILING);
        let usual = CallbackVolume {
            callbacks: 50_000,
            bytes: 50 * MIB,
        };
        assert_eq!(ceiling(Some(usual), None), 5_000 * MIB);
    }

    #[test]
    fn twenty_times_the_usual_hour_is_a_spike_once_enough_hours_are_known() {
        let busy = |hours: &[CallbackHour], this_hour: u64| {
            let limits = limits();
            update(&limits, &[hours, &[past(0, this_hour, this_hour)]].concat());
            limits.list_spikes(noon()).len()
        };
        let usual = [past(30, 500, 1), past(3, 1_500, 1), past(1, 1_000, 1)];
        assert_eq!(busy(&usual, 19_999), 0);
        assert_eq!(busy(&usual, 20_000), 1);
        assert_eq!(busy(&usual[..2], 1_000_000), 0, "too little is known");
        let quiet = [past(3, 2, 1), past(2, 1, 1), past(1, 3, 1)];
        assert_eq!(busy(&quiet, 9_999), 0);
        assert_eq!(busy(&quiet, 10_000), 1);
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
        update(&limits, &[past(0, 8, 80)]);
        assert_eq!(used(), 9);
    }
}
