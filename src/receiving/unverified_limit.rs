//! Limits the unverified callbacks that are stored per account and hour, so that callers of a
//! leaked URL cannot fill the disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::domain::ids::AccountId;
use crate::receiving::hourly_usage::hour_of;

/// Callbacks per account and hour.
const CALLBACKS_PER_HOUR: u32 = 1_000;
/// Bytes of bodies per account and hour.
const BYTES_PER_HOUR: usize = 64 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct UnverifiedLimit(Mutex<HashMap<AccountId, UnverifiedUsage>>);

#[derive(Clone, Copy, Debug, Default)]
struct UnverifiedUsage {
    /// Hours since 1970.
    hour: i64,
    callbacks: u32,
    bytes: usize,
}

impl UnverifiedLimit {
    /// Counts a callback if the account's hourly limit allows it; returns whether it does.
    pub(super) fn admit(&self, account: &AccountId, body_bytes: usize, now: DateTime<Utc>) -> bool {
        let hour = hour_of(now);
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = accounts.entry(account.clone()).or_default();
        if usage.hour != hour {
            *usage = UnverifiedUsage {
                hour,
                ..UnverifiedUsage::default()
            };
        }
        let bytes = usage.bytes.saturating_add(body_bytes);
        if usage.callbacks >= CALLBACKS_PER_HOUR || bytes > BYTES_PER_HOUR {
            return false;
        }
        usage.callbacks += 1;
        usage.bytes = bytes;
        true
    }
}
