//! The only task that writes to the journal: takes what is queued, commits it as one batch, answers
//! every caller. Batches that the journal does not accept go to the spool.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::db::Error;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::fallback::{Fallback, InserterState, SpoolTask};
use crate::journal::insert::{MOST_BYTES, MOST_ROWS};
use crate::journal::inserter::{AttemptPurpose, JournalInserter, MaintenanceRequest};
use crate::journal::journal_metrics::{CommitTarget, JournalMetrics};

/// How long a batch waits for the journal before it goes to the spool, so that the reply comes
/// within a second. A lock fails earlier.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long shutdown waits for the spool to drain; the next process drains the rest.
const LAST_DRAIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct QueuedRecord {
    pub(super) record: CallbackRecord,
    pub(super) answer: oneshot::Sender<Result<(), Error>>,
    /// Released when the record has been written and dropped, even if the caller is gone.
    pub(super) room: OwnedSemaphorePermit,
}

impl QueuedRecord {
    /// Releases the memory, then replies. The caller may be gone.
    fn answer(self, result: Result<(), Error>) {
        drop(self.record);
        drop(self.room);
        drop(self.answer.send(result));
    }
}

pub(super) struct Writer {
    pub(super) inserter: JournalInserter,
    pub(super) waiting: mpsc::Receiver<QueuedRecord>,
    pub(super) appended: watch::Sender<()>,
    pub(super) fallback: Option<Fallback>,
    pub(super) metrics: JournalMetrics,
    /// Maintenance requests, one at a time, done between batches.
    pub(super) maintenance: mpsc::Receiver<MaintenanceRequest>,
    pub(super) stop: CancellationToken,
}

enum WriterEvent {
    Waiting(QueuedRecord),
    Ended(Result<(), Error>, AttemptPurpose),
    MaintenanceRequest(MaintenanceRequest),
    Due,
    Stopped,
}

impl Writer {
    /// Writes until it is stopped, then what is still queued.
    pub(super) async fn run(mut self) {
        loop {
            match self.next_event().await {
                WriterEvent::Waiting(first) => {
                    let batch = self.take_waiting(first);
                    self.write(batch).await;
                    // Maintenance has its turn after each batch, since under load the queue is
                    // never empty.
                    self.begin_errand();
                }
                WriterEvent::Ended(result, purpose) => self.attempt_ended(result, purpose).await,
                WriterEvent::MaintenanceRequest(maintenance_request) => {
                    self.inserter.run(maintenance_request);
                }
                WriterEvent::Due => {}
                WriterEvent::Stopped => break,
            }
            self.begin_next_task().await;
        }
        self.finish().await;
    }

    async fn next_event(&mut self) -> WriterEvent {
        let idle = self.idle();
        let due_at = self.fallback.as_ref().map(|fallback| fallback.due_at(idle));
        let takes_errands = self.takes_errands();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.waiting.is_closed() => self.waiting.close(),
                (result, purpose) = self.inserter.ended() => return WriterEvent::Ended(result, purpose),
                first = self.waiting.recv() => return first.map_or(WriterEvent::Stopped, WriterEvent::Waiting),
                () = due(due_at) => return WriterEvent::Due,
                Some(maintenance_request) = self.maintenance.recv(), if takes_errands => return WriterEvent::MaintenanceRequest(maintenance_request),
            }
        }
    }

    fn begin_errand(&mut self) {
        if self.takes_errands()
            && let Ok(maintenance_request) = self.maintenance.try_recv()
        {
            self.inserter.run(maintenance_request);
        }
    }

    /// Also on a full disk: a purge frees space.
    fn takes_errands(&self) -> bool {
        let lacks_room = self.fallback.as_ref().is_some_and(Fallback::lacks_room);
        self.idle() == InserterState::Yes && (lacks_room || self.is_journal_open())
    }

    fn idle(&self) -> InserterState {
        if self.inserter.is_taken() {
            InserterState::No
        } else {
            InserterState::Yes
        }
    }

    /// The batch of one commit: what is queued, without waiting for more.
    fn take_waiting(&mut self, first: QueuedRecord) -> Vec<QueuedRecord> {
        let mut bytes = first.record.body.len() as u64;
        let mut batch = vec![first];
        while batch.len() < MOST_ROWS && bytes < MOST_BYTES {
            let Ok(next) = self.waiting.try_recv() else {
                break;
            };
            bytes += next.record.body.len() as u64;
            batch.push(next);
        }
        batch
    }

    /// Writes a batch and replies. A batch that the database rejects is halved until the rejected
    /// record is alone.
    async fn write(&mut self, batch: Vec<QueuedRecord>) {
        let mut pending = vec![batch];
        while let Some(mut batch) = pending.pop() {
            let begun = Instant::now();
            match self.insert(&batch).await {
                Ok(()) => {
                    self.note(CommitTarget::Journal, &batch, begun);
                    answer(batch, || Ok(()));
                    self.appended.send_replace(());
                }
                Err(error) if batch.len() > 1 && error.is_about_content() => {
                    let second_half = batch.split_off(batch.len() / 2);
                    pending.push(second_half);
                    pending.push(batch);
                }
                Err(error) => self.write_to_spool(batch, &error).await,
            }
        }
    }

    async fn insert(&mut self, batch: &[QueuedRecord]) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        if !self.is_journal_open() || !self.wait_for_turn(deadline).await {
            return Err(Error::TooSlow);
        }
        let records = batch.iter().map(|append| &append.record);
        self.inserter.insert(records, AttemptPurpose::Batch);
        let Some(fallback) = &mut self.fallback else {
            return self.inserter.ended().await.0;
        };
        let result = match timeout_at(deadline, self.inserter.ended()).await {
            Ok((result, _)) => result,
            Err(_) => Err(Error::TooSlow),
        };
        match &result {
            Err(error) if !error.is_about_content() => fallback.refused(error),
            _ => {}
        }
        result
    }

    fn is_journal_open(&self) -> bool {
        let refusal = self.fallback.as_ref().and_then(Fallback::refusal);
        refusal.is_none()
    }

    /// Waits for the end of another attempt; false if the journal is unavailable then.
    async fn wait_for_turn(&mut self, deadline: Instant) -> bool {
        if !self.inserter.is_taken() {
            return true;
        }
        match timeout_at(deadline, self.inserter.ended()).await {
            Ok((result, purpose)) => self.attempt_ended(result, purpose).await,
            Err(_) => {
                if let Some(fallback) = &mut self.fallback {
                    fallback.refused(&Error::TooSlow);
                }
            }
        }
        self.is_journal_open()
    }

    async fn write_to_spool(&mut self, batch: Vec<QueuedRecord>, error: &Error) {
        let Some(fallback) = &mut self.fallback else {
            return answer(batch, || Err(again(error)));
        };
        let records = batch.iter().map(|append| &append.record);
        let begun = Instant::now();
        match fallback.write_to_spool(records).await {
            Ok(()) => {
                self.note(CommitTarget::Spool, &batch, begun);
                answer(batch, || Ok(()));
            }
            Err(spool) => {
                let journal = fallback.refusal().map_or(error.to_string(), str::to_owned);
                answer(batch, || {
                    Err(Error::NotDurable {
                        journal: journal.clone(),
                        spool: spool.to_string(),
                    })
                });
            }
        }
    }

    fn note(&self, target: CommitTarget, batch: &[QueuedRecord], begun: Instant) {
        let bytes = batch.iter().map(|append| append.record.body.len()).sum();
        self.metrics
            .note(target, batch.len(), bytes, begun.elapsed());
    }

    /// An attempt without waiting batch ended: a probe, a chunk of the spool, or a batch that was
    /// too slow.
    async fn attempt_ended(&mut self, result: Result<(), Error>, purpose: AttemptPurpose) {
        let Some(fallback) = &mut self.fallback else {
            return;
        };
        if matches!(purpose, AttemptPurpose::MaintenanceTask) {
            return;
        }
        match (&result, purpose) {
            (_, AttemptPurpose::Drain(chunk)) => fallback.chunk_ended(&chunk, &result).await,
            (Ok(()), AttemptPurpose::Batch | AttemptPurpose::Probe) => fallback.taken(),
            (Err(error), AttemptPurpose::Batch | AttemptPurpose::Probe) => fallback.refused(error),
            (_, AttemptPurpose::MaintenanceTask) => {}
        }
        if result.is_ok() {
            self.appended.send_replace(());
        }
    }

    async fn begin_next_task(&mut self) {
        self.inserter.give_up_silence();
        let idle = self.idle();
        let Some(fallback) = &mut self.fallback else {
            return;
        };
        match fallback.next_task(idle).await {
            Some(SpoolTask::Probe) => self.inserter.begin_probe(),
            Some(SpoolTask::Drain(chunk)) => self.inserter.drain(chunk),
            None => {}
        }
    }

    /// Drains the spool while the journal accepts it and time is left.
    async fn finish(mut self) {
        let deadline = Instant::now() + LAST_DRAIN;
        if let Some(fallback) = &mut self.fallback {
            fallback.hurry();
        }
        self.begin_next_task().await;
        while self.inserter.is_taken() {
            let Ok((result, purpose)) = timeout_at(deadline, self.inserter.ended()).await else {
                break;
            };
            self.attempt_ended(result, purpose).await;
            if !self.is_journal_open() {
                break;
            }
            self.begin_next_task().await;
        }
        if let Some(fallback) = self.fallback {
            fallback.close().await;
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn answer(batch: Vec<QueuedRecord>, result: impl Fn() -> Result<(), Error>) {
    for append in batch {
        append.answer(result());
    }
}

/// A copy of the error for each caller of one commit.
fn again(error: &Error) -> Error {
    match error {
        Error::Driver { source } => Error::Driver {
            source: source.clone(),
        },
        _ => Error::Stopped("journal"),
    }
}
