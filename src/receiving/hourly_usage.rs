//! Callbacks and bytes of one account in the current hour: those in the database, and those that
//! are not stored yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::domain::ids::AccountId;
use crate::store::callback_hours::CallbackHour;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallbackVolume {
    pub callbacks: u64,
    /// Bytes of bodies, queries and headers.
    pub bytes: u64,
    /// Reports on messages that were found in callbacks when they were processed.
    pub receipts: u64,
    /// Orphans that these callbacks created.
    pub orphans: u64,
}

impl CallbackVolume {
    pub(super) fn of_hour(stored: &CallbackHour) -> Self {
        Self {
            callbacks: stored.callbacks,
            bytes: stored.bytes,
            receipts: stored.receipts,
            orphans: stored.orphans,
        }
    }

    /// The row to store.
    pub(super) fn in_hour(self, hour: i64, account: Option<AccountId>) -> CallbackHour {
        CallbackHour {
            hour: start_of_hour(hour),
            account,
            callbacks: self.callbacks,
            bytes: self.bytes,
            receipts: self.receipts,
            orphans: self.orphans,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            callbacks: self.callbacks.saturating_add(other.callbacks),
            bytes: self.bytes.saturating_add(other.bytes),
            receipts: self.receipts.saturating_add(other.receipts),
            orphans: self.orphans.saturating_add(other.orphans),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            callbacks: self.callbacks.saturating_sub(other.callbacks),
            bytes: self.bytes.saturating_sub(other.bytes),
            receipts: self.receipts.saturating_sub(other.receipts),
            orphans: self.orphans.saturating_sub(other.orphans),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct SharedHourlyUsage(Mutex<HourlyUsage>);

impl SharedHourlyUsage {
    pub(super) fn lock(&self) -> MutexGuard<'_, HourlyUsage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct HourlyUsage {
    /// Hours since 1970.
    pub(super) hour: i64,
    /// Volume of the current hour, as stored in the database.
    recorded: CallbackVolume,
    /// Orphans of the previous hour.
    earlier_orphans: u64,
    /// Volume by hour that is not stored yet.
    pub(super) unsaved: BTreeMap<i64, CallbackVolume>,
    pub(super) rejected: u64,
}

impl HourlyUsage {
    /// Starts to count another hour: an earlier one if the clock was set back.
    pub(super) fn start_hour(&mut self, hour: i64) {
        if hour != self.hour {
            self.earlier_orphans = if hour == self.hour + 1 {
                self.used().orphans
            } else {
                0
            };
            self.hour = hour;
            self.recorded = CallbackVolume::default();
            self.rejected = 0;
        }
    }

    pub(super) fn used(&self) -> CallbackVolume {
        let unsaved = self.unsaved.get(&self.hour).copied().unwrap_or_default();
        self.recorded.plus(unsaved)
    }

    pub(super) fn add(&mut self, volume: CallbackVolume) {
        self.add_to(self.hour, volume);
    }

    /// After the clock was set back, an hour that has not begun yet counts as the current one.
    pub(super) fn add_to(&mut self, hour: i64, volume: CallbackVolume) {
        if volume == CallbackVolume::default() {
            return;
        }
        let unsaved = self.unsaved.entry(hour.min(self.hour)).or_default();
        *unsaved = unsaved.plus(volume);
        if hour == self.hour - 1 {
            self.earlier_orphans = self.earlier_orphans.saturating_add(volume.orphans);
        }
    }

    /// Orphans of the last sixty minutes, assuming that those of the previous hour came evenly.
    pub(super) fn count_recent_orphans(&self, now: DateTime<Utc>) -> u64 {
        let remaining = 3_600 - now.timestamp().rem_euclid(3_600).unsigned_abs();
        let earlier = self.earlier_orphans.saturating_mul(remaining) / 3_600;
        self.used().orphans.saturating_add(earlier)
    }

    /// Call with the orphans of all processes, as stored in the database.
    pub(super) fn set_earlier_orphans(&mut self, orphans: u64) {
        self.earlier_orphans = self.earlier_orphans.max(orphans);
    }

    pub(super) fn mark_saved(&mut self, hour: i64, volume: CallbackVolume) {
        let Some(unsaved) = self.unsaved.get_mut(&hour) else {
            return;
        };
        *unsaved = unsaved.minus(volume);
        if *unsaved == CallbackVolume::default() {
            self.unsaved.remove(&hour);
        }
        if hour == self.hour {
            self.recorded = self.recorded.plus(volume);
        }
    }

    pub(super) fn set_recorded(&mut self, hour: i64, volume: CallbackVolume) {
        self.start_hour(hour);
        self.recorded = volume;
    }
}

pub(super) fn hour_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3600)
}

pub(super) fn start_of_hour(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(hour.saturating_mul(3600), 0).unwrap_or_default()
}
