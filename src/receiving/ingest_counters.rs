//! Counts of requests to callback URLs by result, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the process started.
#[derive(Debug, Default)]
pub struct IngestCounters {
    /// Stored and verified.
    pub kept: AtomicU64,
    /// Stored but unverified.
    pub unverified: AtomicU64,
    /// Unverified callbacks over the hourly limit; not stored.
    pub over_unverified_limit: AtomicU64,
    /// Callbacks of accounts over their hourly limit; not stored.
    pub over_hourly_limit: AtomicU64,
    /// GET or HEAD without query and body.
    pub probes: AtomicU64,
    /// Subscription handshakes answered with their challenge.
    pub handshakes: AtomicU64,
    /// Requests with an unknown account, a wrong token, or a wrong handshake.
    pub rejected: AtomicU64,
    pub too_large: AtomicU64,
    /// Bodies that timed out or ended early.
    pub incomplete: AtomicU64,
    /// Callbacks that could not be stored.
    pub failed: AtomicU64,
}

impl IngestCounters {
    /// Every count with its label value in `/metrics`.
    pub fn list(&self) -> [(&'static str, u64); 10] {
        [
            ("kept", &self.kept),
            ("unverified", &self.unverified),
            ("over_budget", &self.over_unverified_limit),
            ("over_ceiling", &self.over_hourly_limit),
            ("probe", &self.probes),
            ("handshake", &self.handshakes),
            ("refused", &self.rejected),
            ("too_large", &self.too_large),
            ("incomplete", &self.incomplete),
            ("failed", &self.failed),
        ]
        .map(|(word, counter)| (word, counter.load(Ordering::Relaxed)))
    }
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
