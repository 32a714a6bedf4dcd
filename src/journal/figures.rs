//! What the journal's writer measures: the size of its batches and how long making them durable takes.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Where a batch became durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Journal,
    Spool,
}

/// Handles on the measurements; clones share them.
#[derive(Clone, Debug)]
pub struct Figures {
    rows: Histogram,
    bytes: Histogram,
    commits: Family<TargetLabel, Histogram, fn() -> Histogram>,
    in_journal: Histogram,
    in_spool: Histogram,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TargetLabel {
    target: &'static str,
}

impl Default for Figures {
    fn default() -> Self {
        // From a tenth of a millisecond to three seconds.
        let make: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        let commits = Family::new_with_constructor(make);
        let of = |target| commits.get_or_create_owned(&TargetLabel { target });
        Self {
            rows: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            bytes: Histogram::new(exponential_buckets(256.0, 4.0, 9)),
            in_journal: of("journal"),
            in_spool: of("spool"),
            commits,
        }
    }
}

impl Figures {
    /// Adds them to what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "journal_batch_rows",
            "Callbacks made durable together",
            self.rows.clone(),
        );
        registry.register_with_unit(
            "journal_batch",
            "Bodies of callbacks made durable together",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register_with_unit(
            "journal_commit",
            "Time to make a batch durable: statement, commit and sync, or the spool's write and sync",
            Unit::Seconds,
            self.commits.clone(),
        );
    }

    /// Notes a batch that became durable.
    pub(super) fn note(&self, target: Target, rows: usize, bytes: usize, took: Duration) {
        self.rows.observe(float(rows));
        self.bytes.observe(float(bytes));
        match target {
            Target::Journal => self.in_journal.observe(took.as_secs_f64()),
            Target::Spool => self.in_spool.observe(took.as_secs_f64()),
        }
    }
}

fn float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
