//! Metrics of the journal writer: batch sizes and commit times.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Where a batch was made durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CommitTarget {
    Journal,
    Spool,
}

/// Clones share the metrics.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    rows: Histogram,
    bytes: Histogram,
    commits: Family<CommitTargetLabel, Histogram, fn() -> Histogram>,
    in_journal: Histogram,
    in_spool: Histogram,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CommitTargetLabel {
    target: &'static str,
}

impl Default for JournalMetrics {
    fn default() -> Self {
        // 0.1 ms to 3 s.
        let make: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        let commits = Family::new_with_constructor(make);
        let of = |target| commits.get_or_create_owned(&CommitTargetLabel { target });
        Self {
            rows: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            bytes: Histogram::new(exponential_buckets(256.0, 4.0, 9)),
            in_journal: of("journal"),
            in_spool: of("spool"),
            commits,
        }
    }
}

impl JournalMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "journal_batch_rows",
            "Callbacks per commit",
            self.rows.clone(),
        );
        registry.register_with_unit(
            "journal_batch",
            "Body bytes per commit",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register_with_unit(
            "journal_commit",
            "Time to commit a batch, including the sync to disk",
            Unit::Seconds,
            self.commits.clone(),
        );
    }

    pub(super) fn observe(
        &self,
        target: CommitTarget,
        rows: usize,
        bytes: usize,
        duration: Duration,
    ) {
        self.rows.observe(float(rows));
        self.bytes.observe(float(bytes));
        match target {
            CommitTarget::Journal => self.in_journal.observe(duration.as_secs_f64()),
            CommitTarget::Spool => self.in_spool.observe(duration.as_secs_f64()),
        }
    }
}

fn float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
