//! Decides when callbacks go to the spool instead of the journal, and when they move back.
//!
//! Has no connection: tells the writer what to start and is given the result.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::db::Error;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::insert::{MOST_BYTES, MOST_ROWS};
use crate::journal::spool::{Chunk, FileSearch, Spool, SpoolStatus};

/// Interval between probes of a journal that refuses writes.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// Interval between searches for files of ended processes, and between retries of an unreadable
/// file.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Poll interval of a running search.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Fallback {
    spool: Spool,
    /// Why the journal refuses records now.
    refusal: Option<String>,
    /// Whether the disk of the journal is full.
    lacks_room: bool,
    /// Whether the spool refuses records as well.
    refusing: bool,
    /// Earliest time of the next probe or drain.
    probe_at: Instant,
    look_at: Instant,
    /// Halved while the journal rejects a chunk, until the rejected record is alone.
    chunk_rows: usize,
}

/// Next work for the writer.
#[derive(Debug)]
pub(super) enum SpoolTask {
    Probe,
    Drain(Chunk),
}

impl Fallback {
    pub(super) fn new(spool: Spool) -> Self {
        let now = Instant::now();
        Self {
            spool,
            refusal: None,
            lacks_room: false,
            refusing: false,
            probe_at: now,
            look_at: now,
            chunk_rows: MOST_ROWS,
        }
    }

    /// Starts with a journal that refuses writes.
    pub(super) fn in_use(spool: Spool, error: &Error) -> Self {
        let mut fallback = Self::new(spool);
        fallback.refused(error);
        fallback
    }

    pub(super) fn status(&self) -> watch::Receiver<SpoolStatus> {
        self.spool.status()
    }

    /// Why records go to the spool now, if they do.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Whether records are refused because the disk is full.
    pub(super) fn lacks_room(&self) -> bool {
        self.refusal.is_some() && self.lacks_room
    }

    /// The journal failed for a reason of its own.
    pub(super) fn refused(&mut self, error: &Error) {
        self.probe_at = Instant::now() + PROBE_INTERVAL;
        self.lacks_room = error.is_disk_full();
        let reason = error.to_string();
        if self.refusal.replace(reason).is_none() {
            tracing::warn!(%error, "the journal does not accept callbacks; writing to the spool");
            self.spool.note(|status| status.in_use = true);
        }
    }

    /// The journal accepted a write.
    pub(super) fn taken(&mut self) {
        self.refusing = false;
        if self.refusal.take().is_some() {
            tracing::info!("the journal accepts callbacks again");
            self.spool.note(|status| {
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
        let kept = self.spool.append(records).await;
        self.spool.note(|status| {
            status.refusing = kept.is_err();
            if kept.is_err() {
                status.failed += count;
            }
        });
        match &kept {
            // Logged once, not per callback: the log may be on the same disk.
            Err(error) if !self.refusing => {
                tracing::error!(%error, "callbacks are refused: the spool does not accept them either");
                self.refusing = true;
            }
            Ok(()) => self.refusing = false,
            Err(_) => {}
        }
        kept
    }

    /// When the next work is due. `idle`: whether an attempt can start.
    pub(super) fn due_at(&self, idle: InserterState) -> Instant {
        let wanted = self.refusal.is_some() || self.spool.holds_records();
        if wanted && idle == InserterState::Yes {
            self.look_at.min(self.probe_at)
        } else {
            self.look_at
        }
    }

    pub(super) async fn next_task(&mut self, idle: InserterState) -> Option<SpoolTask> {
        let now = Instant::now();
        if now >= self.look_at {
            self.look(now).await;
        }
        if idle == InserterState::No || now < self.probe_at {
            return None;
        }
        // `/readyz` must notice that callbacks are accepted again, even without traffic.
        if self.refusing && self.spool.has_room().await {
            self.refusing = false;
            self.spool.note(|status| status.refusing = false);
        }
        match self.spool.next_chunk(self.chunk_rows, MOST_BYTES).await {
            Ok(Some(chunk)) => Some(SpoolTask::Drain(chunk)),
            Ok(None) => self.refusal.is_some().then_some(SpoolTask::Probe),
            Err(error) => {
                tracing::error!(%error, "cannot read a spool file; will retry");
                self.probe_at = now + LOOK_INTERVAL;
                self.refusal.is_some().then_some(SpoolTask::Probe)
            }
        }
    }

    async fn look(&mut self, now: Instant) {
        let pause = match self.spool.claim_abandoned().await {
            Ok(FileSearch::GoesOn) => LOOK_AGAIN,
            Ok(FileSearch::Ended) => LOOK_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "cannot search for spool files of ended processes");
                LOOK_INTERVAL
            }
        };
        self.look_at = now + pause;
    }

    /// A chunk was inserted or rejected.
    pub(super) async fn chunk_ended(&mut self, chunk: &Chunk, result: &Result<(), Error>) {
        let done = match result {
            Ok(()) => {
                self.taken();
                self.chunk_rows = (self.chunk_rows * 2).min(MOST_ROWS);
                let records = chunk.records.len() as u64;
                self.spool.drained(chunk, records).await.map(|_| ())
            }
            Err(error) if !error.is_about_content() => {
                self.refused(error);
                return;
            }
            Err(_) if chunk.records.len() > 1 => {
                self.chunk_rows = chunk.records.len() / 2;
                return;
            }
            Err(error) => self.set_aside(chunk, error).await,
        };
        if let Err(error) = done {
            tracing::error!(%error, "cannot write a spool file; will retry");
            self.probe_at = Instant::now() + LOOK_INTERVAL;
        }
    }

    async fn set_aside(&mut self, chunk: &Chunk, error: &Error) -> Result<(), Error> {
        let file = self.spool.set_aside(chunk).await?;
        for record in &chunk.records {
            tracing::error!(
                %error, callback.id = %record.id, file = %file.display(),
                "the journal rejected the data of a callback; stored in a separate file"
            );
        }
        Ok(())
    }

    /// Draining may start at once.
    pub(super) fn hurry(&mut self) {
        self.probe_at = Instant::now();
    }

    /// Leaves undrained records to the next process.
    pub(super) async fn close(self) {
        self.spool.close().await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InserterState {
    Yes,
    No,
}
