//! The only task that writes to the journal: it takes the queued records, commits them as one batch
//! and replies to every caller. Batches that the journal does not accept go to the spool.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::db::Error;
use crate::journal::batch::{Batch, QueuedRecord};
use crate::journal::inserter::{AttemptPurpose, InserterState, JournalInserter};
use crate::journal::journal_metrics::{CommitTarget, JournalMetrics};
use crate::journal::read_activity::ReadActivity;
use crate::journal::spool_switch::{SpoolSwitch, SpoolTask};
use crate::journal::sqlite_maintenance::MaintenanceRequest;

/// How long a batch waits for the journal before it goes to the spool, so that callers get a reply
/// within a second. Waiting for a lock fails earlier.
const BATCH_TIMEOUT: Duration = Duration::from_millis(400);
/// How long shutdown waits for the spool to drain; the next process drains the rest.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a batch waits for more records while a reader works on the last ones, so that fewer commits
/// leave it more of the processors and of the disk.
const GATHERING_TIME: Duration = Duration::from_millis(1);
/// Batches that were smaller do not wait: the least that means load.
const GATHERING_FROM: usize = 16;

pub(super) struct Writer {
    pub(super) inserter: JournalInserter,
    pub(super) queue: mpsc::Receiver<QueuedRecord>,
    pub(super) appended: watch::Sender<()>,
    pub(super) spool_switch: Option<SpoolSwitch>,
    pub(super) metrics: JournalMetrics,
    pub(super) read_activity: ReadActivity,
    /// Requests that are run one at a time, between batches.
    pub(super) maintenance: mpsc::Receiver<MaintenanceRequest>,
    pub(super) stop: CancellationToken,
}

enum WriterEvent {
    Queued(QueuedRecord),
    AttemptEnded(Result<(), Error>, AttemptPurpose),
    Maintenance(MaintenanceRequest),
    /// The next task of the spool is due.
    SpoolTaskDue,
    Stopped,
}

impl Writer {
    /// Writes until it is stopped, then writes the records that are still queued.
    pub(super) async fn run(mut self) {
        let mut last_length = 0;
        loop {
            match self.next_event().await {
                WriterEvent::Queued(first) => {
                    if self.expects_more(last_length) {
                        sleep(GATHERING_TIME).await;
                    }
                    let batch = Batch::take(first, &mut self.queue);
                    last_length = batch.len();
                    self.write(batch).await;
                    // Maintenance may run after each batch, since under load the queue is never
                    // empty.
                    self.start_requested_maintenance();
                }
                WriterEvent::AttemptEnded(result, purpose) => {
                    self.handle_ended_attempt(result, purpose).await;
                }
                WriterEvent::Maintenance(request) => self.inserter.start_maintenance(request),
                WriterEvent::SpoolTaskDue => {}
                WriterEvent::Stopped => break,
            }
            self.start_spool_task().await;
        }
        self.finish().await;
    }

    async fn next_event(&mut self) -> WriterEvent {
        let state = self.inserter.state();
        let due_at = self
            .spool_switch
            .as_ref()
            .map(|spool_switch| spool_switch.due_at(state));
        let accepts_maintenance = self.accepts_maintenance();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                (result, purpose) = self.inserter.wait_for_attempt() => return WriterEvent::AttemptEnded(result, purpose),
                first = self.queue.recv() => return first.map_or(WriterEvent::Stopped, WriterEvent::Queued),
                () = wait_until(due_at) => return WriterEvent::SpoolTaskDue,
                Some(request) = self.maintenance.recv(), if accepts_maintenance => return WriterEvent::Maintenance(request),
            }
        }
    }

    /// Whether fewer records are queued under load than the last batch had: senders that have just
    /// received their reply are about to send the next record.
    fn expects_more(&self, last_length: usize) -> bool {
        let queued = self.queue.len() + 1;
        last_length >= GATHERING_FROM && queued < last_length && self.read_activity.is_recent()
    }

    fn start_requested_maintenance(&mut self) {
        if self.accepts_maintenance()
            && let Ok(request) = self.maintenance.try_recv()
        {
            self.inserter.start_maintenance(request);
        }
    }

    /// Whether maintenance may start: also on a full disk, because a purge frees space.
    fn accepts_maintenance(&self) -> bool {
        let is_disk_full = self
            .spool_switch
            .as_ref()
            .is_some_and(SpoolSwitch::is_disk_full);
        self.inserter.state() == InserterState::Idle
            && (is_disk_full || self.is_journal_accepting())
    }

    /// Writes a batch and replies. A batch that the database rejects is halved until only the
    /// rejected record is left.
    async fn write(&mut self, batch: Batch) {
        let mut pending = vec![batch];
        while let Some(batch) = pending.pop() {
            let started = Instant::now();
            match self.insert(&batch).await {
                Ok(()) => {
                    self.observe(CommitTarget::Journal, &batch, started);
                    batch.reply(|| Ok(()));
                    self.appended.send_replace(());
                }
                Err(error) if batch.len() > 1 && error.is_data_error() => {
                    let [first, second] = batch.halve();
                    pending.extend([second, first]);
                }
                Err(error) => self.write_to_spool(batch, &error).await,
            }
        }
    }

    async fn insert(&mut self, batch: &Batch) -> Result<(), Error> {
        let deadline = Instant::now() + BATCH_TIMEOUT;
        if !self.is_journal_accepting() || !self.wait_until_idle(deadline).await {
            return Err(Error::TooSlow);
        }
        self.inserter.start_batch(batch.records());
        let Some(spool_switch) = &mut self.spool_switch else {
            return self.inserter.wait_for_attempt().await.0;
        };
        let result = match timeout_at(deadline, self.inserter.wait_for_attempt()).await {
            Ok((result, _)) => result,
            Err(_) => Err(Error::TooSlow),
        };
        match &result {
            Err(error) if !error.is_data_error() => spool_switch.note_journal_failure(error),
            _ => {}
        }
        result
    }

    fn is_journal_accepting(&self) -> bool {
        let journal_error = self
            .spool_switch
            .as_ref()
            .and_then(SpoolSwitch::journal_error);
        journal_error.is_none()
    }

    /// Waits for the running attempt. False if the journal accepts no writes afterwards.
    async fn wait_until_idle(&mut self, deadline: Instant) -> bool {
        if self.inserter.state() == InserterState::Idle {
            return true;
        }
        match timeout_at(deadline, self.inserter.wait_for_attempt()).await {
            Ok((result, purpose)) => self.handle_ended_attempt(result, purpose).await,
            Err(_) => {
                if let Some(spool_switch) = &mut self.spool_switch {
                    spool_switch.note_journal_failure(&Error::TooSlow);
                }
            }
        }
        self.is_journal_accepting()
    }

    async fn write_to_spool(&mut self, batch: Batch, error: &Error) {
        let Some(spool_switch) = &mut self.spool_switch else {
            return batch.reply(|| Err(error.shared("journal")));
        };
        let started = Instant::now();
        match spool_switch.write_to_spool(batch.records()).await {
            Ok(()) => {
                self.observe(CommitTarget::Spool, &batch, started);
                batch.reply(|| Ok(()));
            }
            Err(spool) => {
                let journal = spool_switch
                    .journal_error()
                    .map_or(error.to_string(), str::to_owned);
                batch.reply(|| {
                    Err(Error::NotDurable {
                        journal: journal.clone(),
                        spool: spool.to_string(),
                    })
                });
            }
        }
    }

    fn observe(&self, target: CommitTarget, batch: &Batch, started: Instant) {
        self.metrics
            .observe(target, batch.len(), batch.body_bytes(), started.elapsed());
    }

    /// Handles the end of an attempt that no batch waits for: a probe, a chunk of the spool,
    /// maintenance, or a batch that was too slow.
    async fn handle_ended_attempt(&mut self, result: Result<(), Error>, purpose: AttemptPurpose) {
        let Some(spool_switch) = &mut self.spool_switch else {
            return;
        };
        match (&result, purpose) {
            (_, AttemptPurpose::Maintenance) => return,
            (_, AttemptPurpose::Drain(chunk)) => {
                spool_switch.handle_chunk_result(&chunk, &result).await;
            }
            (Ok(()), AttemptPurpose::Batch | AttemptPurpose::Probe) => {
                spool_switch.note_journal_success();
            }
            (Err(error), AttemptPurpose::Batch | AttemptPurpose::Probe) => {
                spool_switch.note_journal_failure(error);
            }
        }
        if result.is_ok() {
            self.appended.send_replace(());
        }
    }

    async fn start_spool_task(&mut self) {
        self.inserter.drop_unanswered();
        let state = self.inserter.state();
        let Some(spool_switch) = &mut self.spool_switch else {
            return;
        };
        match spool_switch.next_task(state).await {
            Some(SpoolTask::Probe) => self.inserter.start_probe(),
            Some(SpoolTask::Drain(chunk)) => self.inserter.start_drain(chunk),
            None => {}
        }
    }

    /// Drains the spool while the journal accepts records and time is left.
    async fn finish(mut self) {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        if let Some(spool_switch) = &mut self.spool_switch {
            spool_switch.probe_now();
        }
        self.start_spool_task().await;
        while self.inserter.state() == InserterState::Busy {
            let Ok((result, purpose)) =
                timeout_at(deadline, self.inserter.wait_for_attempt()).await
            else {
                break;
            };
            self.handle_ended_attempt(result, purpose).await;
            if !self.is_journal_accepting() {
                break;
            }
            self.start_spool_task().await;
        }
        self.inserter.close().await;
        if let Some(spool_switch) = self.spool_switch {
            spool_switch.close().await;
        }
    }
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
