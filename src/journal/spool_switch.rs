//! Decides when callbacks go to the spool instead of the journal, and when they move back.
//!
//! Does not access the database: it gives the writer its next task and receives the result.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::db::Error;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::insert_statements::{MAX_BATCH_BYTES, MAX_BATCH_ROWS};
use crate::journal::inserter::InserterState;
use crate::journal::spool::{Chunk, FileSearch, Spool, SpoolStatus};

/// Interval between probes of a journal that does not accept writes.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// Interval between searches for files of ended processes, and between retries of an unreadable
/// file.
const SEARCH_INTERVAL: Duration = Duration::from_secs(5);
/// Poll interval of a running search.
const SEARCH_POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct SpoolSwitch {
    spool: Spool,
    /// Why the journal does not accept records now; `None` if it does.
    journal_error: Option<String>,
    /// Whether the reason is a full disk.
    is_disk_full: bool,
    /// Whether the spool does not accept records either.
    spool_refuses: bool,
    /// Earliest time of the next probe or drain.
    probe_at: Instant,
    search_at: Instant,
    /// Maximum records per chunk. Halved while the journal rejects a chunk, until only the rejected
    /// record is left.
    chunk_rows: usize,
}

/// Next task for the writer.
#[derive(Debug)]
pub(super) enum SpoolTask {
    Probe,
    Drain(Chunk),
}

impl SpoolSwitch {
    pub(super) fn new(spool: Spool) -> Self {
        let now = Instant::now();
        Self {
            spool,
            journal_error: None,
            is_disk_full: false,
            spool_refuses: false,
            probe_at: now,
            search_at: now,
            chunk_rows: MAX_BATCH_ROWS,
        }
    }

    /// For a process that starts while the journal does not accept writes.
    pub(super) fn in_use(spool: Spool, error: &Error) -> Self {
        let mut spool_switch = Self::new(spool);
        spool_switch.note_journal_failure(error);
        spool_switch
    }

    pub(super) fn status(&self) -> watch::Receiver<SpoolStatus> {
        self.spool.status()
    }

    /// Why records go to the spool now, if they do.
    pub(super) fn journal_error(&self) -> Option<&str> {
        self.journal_error.as_deref()
    }

    /// Whether the journal does not accept records because its disk is full.
    pub(super) fn is_disk_full(&self) -> bool {
        self.journal_error.is_some() && self.is_disk_full
    }

    /// Call when the journal did not accept a write, for a reason other than its content.
    pub(super) fn note_journal_failure(&mut self, error: &Error) {
        self.probe_at = Instant::now() + PROBE_INTERVAL;
        self.is_disk_full = error.is_disk_full();
        let reason = error.to_string();
        if self.journal_error.replace(reason).is_none() {
            tracing::warn!(%error, "the journal does not accept callbacks; writing to the spool");
            self.spool.change_status(|status| status.in_use = true);
        }
    }

    pub(super) fn note_journal_success(&mut self) {
        self.spool_refuses = false;
        if self.journal_error.take().is_some() {
            tracing::info!("the journal accepts callbacks again");
            self.spool.change_status(|status| {
                status.in_use = false;
                status.refusing = false;
            });
        }
    }

    pub(super) async fn write_to_spool<'r>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
    ) -> Result<(), Error> {
        let count = records.len() as u64;
        let result = self.spool.append(records).await;
        self.spool.change_status(|status| {
            status.refusing = result.is_err();
            if result.is_err() {
                status.failed += count;
            }
        });
        match &result {
            // Logged once, not per callback: the log may be on the same disk.
            Err(error) if !self.spool_refuses => {
                tracing::error!(%error, "callbacks are refused: the spool does not accept them either");
                self.spool_refuses = true;
            }
            Ok(()) => self.spool_refuses = false,
            Err(_) => {}
        }
        result
    }

    /// When the next task is due.
    pub(super) fn due_at(&self, inserter: InserterState) -> Instant {
        let has_task = self.journal_error.is_some() || self.spool.holds_records();
        if has_task && inserter == InserterState::Idle {
            self.search_at.min(self.probe_at)
        } else {
            self.search_at
        }
    }

    pub(super) async fn next_task(&mut self, inserter: InserterState) -> Option<SpoolTask> {
        let now = Instant::now();
        if now >= self.search_at {
            self.search(now).await;
        }
        if inserter == InserterState::Busy || now < self.probe_at {
            return None;
        }
        // `/readyz` must show that callbacks are accepted again, even without traffic.
        if self.spool_refuses && self.spool.accepts_records().await {
            self.spool_refuses = false;
            self.spool.change_status(|status| status.refusing = false);
        }
        match self
            .spool
            .next_chunk(self.chunk_rows, MAX_BATCH_BYTES)
            .await
        {
            Ok(Some(chunk)) => Some(SpoolTask::Drain(chunk)),
            Ok(None) => self.journal_error.is_some().then_some(SpoolTask::Probe),
            Err(error) => {
                tracing::error!(%error, "cannot read a spool file; will retry");
                self.probe_at = now + SEARCH_INTERVAL;
                self.journal_error.is_some().then_some(SpoolTask::Probe)
            }
        }
    }

    async fn search(&mut self, now: Instant) {
        let pause = match self.spool.claim_abandoned().await {
            Ok(FileSearch::Running) => SEARCH_POLL_INTERVAL,
            Ok(FileSearch::Finished) => SEARCH_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "cannot search for spool files of ended processes");
                SEARCH_INTERVAL
            }
        };
        self.search_at = now + pause;
    }

    pub(super) async fn handle_chunk_result(&mut self, chunk: &Chunk, result: &Result<(), Error>) {
        let stored = match result {
            Ok(()) => {
                self.note_journal_success();
                self.chunk_rows = (self.chunk_rows * 2).min(MAX_BATCH_ROWS);
                self.spool.mark_drained(chunk).await.map(|_| ())
            }
            Err(error) if !error.is_data_error() => {
                self.note_journal_failure(error);
                return;
            }
            Err(_) if chunk.records.len() > 1 => {
                self.chunk_rows = chunk.records.len() / 2;
                return;
            }
            Err(error) => self.store_rejected(chunk, error).await,
        };
        if let Err(error) = stored {
            tracing::error!(%error, "cannot write a spool file; will retry");
            self.probe_at = Instant::now() + SEARCH_INTERVAL;
        }
    }

    async fn store_rejected(&mut self, chunk: &Chunk, error: &Error) -> Result<(), Error> {
        let file = self.spool.store_rejected(chunk).await?;
        for record in &chunk.records {
            tracing::error!(
                %error, callback.id = %record.id, file = %file.display(),
                "the journal rejected the data of a callback; stored in a separate file"
            );
        }
        Ok(())
    }

    /// Makes the next probe or drain due now.
    pub(super) fn probe_now(&mut self) {
        self.probe_at = Instant::now();
    }

    /// Leaves undrained records to the next process.
    pub(super) async fn close(self) {
        self.spool.close().await;
    }
}
