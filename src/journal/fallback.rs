//! When callbacks go to the spool instead of the journal, and when they come back.
//!
//! Holds no connection: it tells the writer what to begin, and is told how it ended.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::db::Error;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::insert::{MOST_BYTES, MOST_ROWS};
use crate::journal::spool::{Chunk, Look, Spool, SpoolStanding};

/// How often a journal that refused is tried again.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// How often files of ended processes are looked for, and a file that could not be read is tried again.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How soon a search under way is asked for what it found.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The spool and the decision when to use it.
#[derive(Debug)]
pub(super) struct Fallback {
    spool: Spool,
    /// Why the journal does not take records at present.
    refusal: Option<String>,
    /// Whether that is for want of room on its disk.
    lacks_room: bool,
    /// Whether the spool does not take them either.
    refusing: bool,
    /// Not before this instant is the journal probed, or the spool drained.
    probe_at: Instant,
    look_at: Instant,
    /// Halved while the journal refuses what a chunk holds, until the refused record stands alone.
    chunk_rows: usize,
}

/// What the writer shall begin.
#[derive(Debug)]
pub(super) enum Task {
    /// See whether the journal takes anything.
    Probe,
    /// Insert this.
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

    /// One whose journal refuses from the beginning.
    pub(super) fn in_use(spool: Spool, error: &Error) -> Self {
        let mut fallback = Self::new(spool);
        fallback.refused(error);
        fallback
    }

    pub(super) fn standing(&self) -> watch::Receiver<SpoolStanding> {
        self.spool.standing()
    }

    /// Why records go to the spool now, if they do.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Whether records are refused for want of room, which removing some makes.
    pub(super) fn lacks_room(&self) -> bool {
        self.refusal.is_some() && self.lacks_room
    }

    /// The journal did not take something for a reason of its own.
    pub(super) fn refused(&mut self, error: &Error) {
        self.probe_at = Instant::now() + PROBE_INTERVAL;
        self.lacks_room = error.is_disk_full();
        let reason = error.to_string();
        if self.refusal.replace(reason).is_none() {
            tracing::warn!(%error, "the journal does not take callbacks; they go to the spool");
            self.spool.note(|standing| standing.in_use = true);
        }
    }

    /// The journal took something.
    pub(super) fn taken(&mut self) {
        self.refusing = false;
        if self.refusal.take().is_some() {
            tracing::info!("the journal takes callbacks again");
            self.spool.note(|standing| {
                standing.in_use = false;
                standing.refusing = false;
            });
        }
    }

    /// Makes records durable in the spool.
    pub(super) async fn shelter<'r>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
    ) -> Result<(), Error> {
        let count = records.len() as u64;
        let kept = self.spool.append(records).await;
        self.spool.note(|standing| {
            standing.refusing = kept.is_err();
            if kept.is_err() {
                standing.failed += count;
            }
        });
        match &kept {
            // Once, not for every callback: the log may lie on the same disk.
            Err(error) if !self.refusing => {
                tracing::error!(%error, "callbacks are refused: the spool does not take them either");
                self.refusing = true;
            }
            Ok(()) => self.refusing = false,
            Err(_) => {}
        }
        kept
    }

    /// When there is something to do next; `idle` is whether an attempt can begin.
    pub(super) fn due_at(&self, idle: Idle) -> Instant {
        let wanted = self.refusal.is_some() || self.spool.holds_records();
        if wanted && idle == Idle::Yes {
            self.look_at.min(self.probe_at)
        } else {
            self.look_at
        }
    }

    /// What can be done now.
    pub(super) async fn next_task(&mut self, idle: Idle) -> Option<Task> {
        let now = Instant::now();
        if now >= self.look_at {
            self.look(now).await;
        }
        if idle == Idle::No || now < self.probe_at {
            return None;
        }
        // A load balancer that sends nothing here while callbacks are refused must hear of their end.
        if self.refusing && self.spool.has_room().await {
            self.refusing = false;
            self.spool.note(|standing| standing.refusing = false);
        }
        match self.spool.next_chunk(self.chunk_rows, MOST_BYTES).await {
            Ok(Some(chunk)) => Some(Task::Drain(chunk)),
            Ok(None) => self.refusal.is_some().then_some(Task::Probe),
            Err(error) => {
                tracing::error!(%error, "a spool file could not be read; trying again");
                self.probe_at = now + LOOK_INTERVAL;
                self.refusal.is_some().then_some(Task::Probe)
            }
        }
    }

    async fn look(&mut self, now: Instant) {
        let pause = match self.spool.claim_abandoned().await {
            Ok(Look::GoesOn) => LOOK_AGAIN,
            Ok(Look::Ended) => LOOK_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "spool files of ended processes could not be looked for");
                LOOK_INTERVAL
            }
        };
        self.look_at = now + pause;
    }

    /// A chunk is in the journal, or was refused.
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
            tracing::error!(%error, "a spool file could not be written; trying again");
            self.probe_at = Instant::now() + LOOK_INTERVAL;
        }
    }

    async fn set_aside(&mut self, chunk: &Chunk, error: &Error) -> Result<(), Error> {
        let file = self.spool.set_aside(chunk).await?;
        for record in &chunk.records {
            tracing::error!(
                %error, callback.id = %record.id, file = %file.display(),
                "the journal refuses what a callback holds; it is kept in a file"
            );
        }
        Ok(())
    }

    /// Draining may begin at once.
    pub(super) fn hurry(&mut self) {
        self.probe_at = Instant::now();
    }

    /// Leaves what is not drained to the next process.
    pub(super) async fn close(self) {
        self.spool.close().await;
    }
}

/// Whether the way into the journal is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Idle {
    /// An attempt can begin.
    Yes,
    /// One is under way.
    No,
}
