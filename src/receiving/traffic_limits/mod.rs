//! Limits the bytes and receipts of callbacks per account and hour, so that callers of a leaked URL
//! cannot fill the disk.
//!
//! Counts in memory; processes share their counts through the database every few seconds.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::ids::AccountId;
use crate::receiving::hourly_ceiling::{measure_ceiling, receipt_ceiling};
use crate::receiving::hourly_usage::{CallbackVolume, SharedHourlyUsage, hour_of, start_of_hour};
use crate::receiving::known_accounts::KnownAccounts;
use crate::store::Store;

/// Usage of half the ceiling is a spike, which raises an alarm before callbacks are rejected.
const SPIKE_DIVISOR: u64 = 2;
/// More orphans of one account within an hour raise an alarm.
pub const ORPHAN_FLOOD: u64 = 10_000;
/// Stored hours are deleted after this time; the current and the previous one are used.
const HOURS_KEPT: TimeDelta = TimeDelta::days(1);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrafficSpike {
    /// Absent for all unknown accounts together.
    pub account: Option<AccountId>,
    /// In the current hour, by all processes.
    pub used: CallbackVolume,
    /// Callbacks rejected in the current hour because the ceiling was reached.
    pub rejected: u64,
    /// Per hour.
    pub byte_ceiling: u64,
    /// Receipts per hour.
    pub receipt_ceiling: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrphanFlood {
    /// Absent for all unknown accounts together.
    pub account: Option<AccountId>,
    /// Within the last hour.
    pub orphans: u64,
}

#[derive(Debug)]
pub struct TrafficLimits {
    accounts: HashMap<AccountId, SharedHourlyUsage>,
    /// For all accounts that are no longer known but still receive reports.
    unknown_accounts: SharedHourlyUsage,
    /// Per hour of one account.
    byte_ceiling: AtomicU64,
    /// On the disk that stores the callbacks.
    folder: PathBuf,
}

impl TrafficLimits {
    pub fn new(accounts: &KnownAccounts, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self {
            accounts: accounts
                .ids()
                .map(|id| (id.clone(), SharedHourlyUsage::default()))
                .collect(),
            unknown_accounts: SharedHourlyUsage::default(),
            byte_ceiling: AtomicU64::new(measure_ceiling(&folder)),
            folder,
        }
    }

    fn usage_of(&self, account: Option<&AccountId>) -> &SharedHourlyUsage {
        account
            .and_then(|account| self.accounts.get(account))
            .unwrap_or(&self.unknown_accounts)
    }

    fn usages(&self) -> impl Iterator<Item = (Option<&AccountId>, &SharedHourlyUsage)> {
        let known = self.accounts.iter();
        let known = known.map(|(id, shared)| (Some(id), shared));
        known.chain([(None, &self.unknown_accounts)])
    }

    /// Counts a callback of this size if the account's hourly ceiling allows it; returns whether it
    /// does.
    pub fn admit(&self, account: &AccountId, bytes: usize, now: DateTime<Utc>) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut usage = self.usage_of(Some(account)).lock();
        usage.start_hour(hour_of(now));
        let (used, ceiling) = (usage.used(), self.byte_ceiling.load(Ordering::Relaxed));
        if used.bytes.saturating_add(bytes) > ceiling || used.receipts >= receipt_ceiling(ceiling) {
            usage.rejected += 1;
            return false;
        }
        usage.add(CallbackVolume {
            callbacks: 1,
            bytes,
            ..CallbackVolume::default()
        });
        true
    }

    /// Counts what callbacks of an account contained, once they are processed, in the hour in which
    /// they arrived: after an outage, catching up does not use up the current hour's ceiling.
    pub fn count_processed(
        &self,
        account: &AccountId,
        received_at: DateTime<Utc>,
        receipts: u64,
        orphans: u64,
        now: DateTime<Utc>,
    ) {
        let mut usage = self.usage_of(Some(account)).lock();
        usage.start_hour(hour_of(now));
        let volume = CallbackVolume {
            receipts,
            orphans,
            ..CallbackVolume::default()
        };
        usage.add_to(hour_of(received_at), volume);
    }

    /// Accounts with more than [`ORPHAN_FLOOD`] orphans within an hour.
    pub fn list_orphan_floods(&self, now: DateTime<Utc>) -> Vec<OrphanFlood> {
        let mut floods: Vec<OrphanFlood> = self
            .usages()
            .filter_map(|(account, shared)| {
                let mut usage = shared.lock();
                usage.start_hour(hour_of(now));
                let orphans = usage.count_recent_orphans(now);
                (orphans > ORPHAN_FLOOD).then(|| OrphanFlood {
                    account: account.cloned(),
                    orphans,
                })
            })
            .collect();
        floods.sort_by(|one, other| one.account.cmp(&other.account));
        floods
    }

    /// Accounts that used half of their ceiling in the current hour, or reached it.
    pub fn list_spikes(&self, now: DateTime<Utc>) -> Vec<TrafficSpike> {
        let ceiling = self.byte_ceiling.load(Ordering::Relaxed);
        let mut spikes: Vec<TrafficSpike> = self
            .usages()
            .filter_map(|(account, shared)| {
                let mut usage = shared.lock();
                usage.start_hour(hour_of(now));
                let (used, rejected) = (usage.used(), usage.rejected);
                let receipt_ceiling = receipt_ceiling(ceiling);
                let is_spike = rejected > 0
                    || used.bytes >= ceiling / SPIKE_DIVISOR
                    || used.receipts >= receipt_ceiling / SPIKE_DIVISOR;
                is_spike.then(|| TrafficSpike {
                    account: account.cloned(),
                    used,
                    rejected,
                    byte_ceiling: ceiling,
                    receipt_ceiling,
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
            let hours = unsaved
                .iter()
                .map(|(account, hour, volume)| volume.in_hour(*hour, account.clone()));
            store
                .add_callback_hours(hours.collect(), now - HOURS_KEPT)
                .await?;
            for (account, hour, volume) in unsaved {
                self.usage_of(account.as_ref())
                    .lock()
                    .mark_saved(hour, volume);
            }
        }
        let hour = hour_of(now);
        for stored in store.list_callback_hours(start_of_hour(hour - 1)).await? {
            let mut usage = self.usage_of(stored.account.as_ref()).lock();
            if hour_of(stored.hour) == hour {
                usage.set_recorded(hour, CallbackVolume::of_hour(&stored));
            } else if hour_of(stored.hour) == hour - 1 {
                usage.start_hour(hour);
                usage.set_earlier_orphans(stored.orphans);
            }
        }
        self.byte_ceiling
            .store(measure_ceiling(&self.folder), Ordering::Relaxed);
        Ok(())
    }

    fn unsaved(&self) -> Vec<(Option<AccountId>, i64, CallbackVolume)> {
        let mut all = Vec::new();
        for (account, shared) in self.usages() {
            let usage = shared.lock();
            let hours = usage.unsaved.iter();
            all.extend(hours.map(|(hour, volume)| (account.cloned(), *hour, *volume)));
        }
        all
    }
}
