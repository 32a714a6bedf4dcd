//! Callbacks and bytes of one account in the current hour: those in the database, and those that are
//! not stored yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallbackVolume {
    pub callbacks: u64,
    /// Bytes of bodies, queries and headers.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct AccountLimiter(Mutex<HourlyUsage>);

impl AccountLimiter {
    pub(super) fn lock(&self) -> MutexGuard<'_, HourlyUsage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct HourlyUsage {
    /// Hours since 1970.
    pub(super) hour: i64,
    /// Of the current hour, as stored in the database.
    recorded: CallbackVolume,
    /// By hour; not stored yet.
    pub(super) unsaved: BTreeMap<i64, CallbackVolume>,
    pub(super) refused: u64,
}

impl HourlyUsage {
    /// Also goes back if the clock was set back.
    pub(super) fn start_hour(&mut self, hour: i64) {
        if hour != self.hour {
            self.hour = hour;
            self.recorded = CallbackVolume::default();
            self.refused = 0;
        }
    }

    pub(super) fn used(&self) -> CallbackVolume {
        let unsaved = self.unsaved.get(&self.hour).copied().unwrap_or_default();
        CallbackVolume {
            callbacks: self.recorded.callbacks + unsaved.callbacks,
            bytes: self.recorded.bytes + unsaved.bytes,
        }
    }

    pub(super) fn mark_saved(&mut self, hour: i64, volume: CallbackVolume) {
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
