//! One run of removals: its cutoffs, what it removed, and when it has to stop.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::journal::JournalStart;
use crate::store::purge_expired::ExpiredRows;
use crate::store::purge_messages::{PurgeableMessages, RowCounts};

/// How long one step runs, well within the lease.
const STEP_LENGTH: Duration = Duration::from_secs(5);
/// The pause after a batch, as a multiple of the time it took: the lock is free three quarters of
/// the time.
const PAUSE_FACTOR: u32 = 3;
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// Rows are past their retention if they are older than these instants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cutoffs {
    /// By the time of receipt.
    pub callbacks: DateTime<Utc>,
    /// By creation time. Also applies to quarantine copies and to actions without a message.
    pub messages: DateTime<Utc>,
    /// 24-hour windows, by the last inbound message of the customer.
    pub windows: DateTime<Utc>,
    /// Sign-in links and leases, by their expiry.
    pub expired: DateTime<Utc>,
}

/// What was removed, or would be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PurgeReport {
    pub cutoffs: Cutoffs,
    /// Rows by table.
    pub rows: RowCounts,
}

/// Whether a run may continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimeLeft {
    Some,
    None,
}

pub(super) struct PurgeRun<'a> {
    pub(super) cutoffs: Cutoffs,
    pub(super) now: DateTime<Utc>,
    until: Instant,
    batch_began: Instant,
    stopping: &'a CancellationToken,
    pub(super) rows: &'a mut RowCounts,
    progress: &'a mut (dyn FnMut(&RowCounts) + Send),
}

impl<'a> PurgeRun<'a> {
    pub(super) fn begin(
        cutoffs: Cutoffs,
        now: DateTime<Utc>,
        stopping: &'a CancellationToken,
        rows: &'a mut RowCounts,
        progress: &'a mut (dyn FnMut(&RowCounts) + Send),
    ) -> Self {
        let began = Instant::now();
        Self {
            cutoffs,
            now,
            until: began + STEP_LENGTH,
            batch_began: began,
            stopping,
            rows,
            progress,
        }
    }

    pub(super) fn note(&mut self, table: &'static str, rows: u64) {
        *self.rows.entry(table).or_default() += rows;
        (self.progress)(self.rows);
    }

    /// Pauses after a batch.
    pub(super) async fn pause(&mut self) -> TimeLeft {
        let pause = self.batch_began.elapsed() * PAUSE_FACTOR;
        tokio::select! {
            () = self.stopping.cancelled() => return TimeLeft::None,
            () = sleep(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)) => {}
        }
        self.batch_began = Instant::now();
        if self.batch_began < self.until {
            TimeLeft::Some
        } else {
            TimeLeft::None
        }
    }
}

impl Cutoffs {
    pub(super) fn purgeable_messages(&self, start: Option<JournalStart>) -> PurgeableMessages {
        PurgeableMessages {
            created_before: self.messages,
            first_callback: start.map(|start| start.id),
        }
    }

    /// Rows that belong to no message. Quarantine copies come before the outcomes that they keep.
    pub(super) fn expired_rows(
        &self,
        start: Option<JournalStart>,
        position: i64,
    ) -> [ExpiredRows; 11] {
        // The journal holds nothing below this `seq`.
        let next = position + 1;
        let first_seq = start.map_or(next, |start| start.seq.min(next));
        [
            ExpiredRows::Quarantine(self.messages),
            ExpiredRows::Outcomes(first_seq, self.messages),
            ExpiredRows::Actions(self.messages),
            ExpiredRows::Windows(self.windows),
            ExpiredRows::SignInLinks(self.expired),
            ExpiredRows::Leases(self.expired),
            ExpiredRows::ConstantIds(self.messages),
            ExpiredRows::CampaignRecipients(self.messages),
            ExpiredRows::Campaigns(self.messages),
            ExpiredRows::AccountEvents(self.messages),
            ExpiredRows::PersonLinks(self.messages),
        ]
    }
}
