//! The only task that writes to the journal: takes what is waiting, commits it at once, answers everybody. What the journal does not take goes to the spool.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::db::Error;
use crate::domain::callback_record::CallbackRecord;
use crate::journal::entrance::{Entrance, Errand, Purpose};
use crate::journal::fallback::{Fallback, Idle, Task};
use crate::journal::figures::{Figures, Target};
use crate::journal::insert::{MOST_BYTES, MOST_ROWS};

/// How long a batch waits for the journal before it goes to the spool, so that the answer comes within a second. A lock refuses earlier.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long the end waits for the spool to be drained; what is left, the next process drains.
const LAST_DRAIN: Duration = Duration::from_secs(5);

/// One record on its way into the journal.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) record: CallbackRecord,
    pub(super) answer: oneshot::Sender<Result<(), Error>>,
    /// Given back when the record has been written and dropped, even if nobody waits for the answer any more.
    pub(super) room: OwnedSemaphorePermit,
}

impl Append {
    /// Gives the memory back, then answers. Whoever asked may be gone: what was written stays written.
    fn answer(self, result: Result<(), Error>) {
        drop(self.record);
        drop(self.room);
        drop(self.answer.send(result));
    }
}

/// The writer's belongings.
pub(super) struct Writer {
    pub(super) entrance: Entrance,
    pub(super) waiting: mpsc::Receiver<Append>,
    pub(super) appended: watch::Sender<()>,
    pub(super) fallback: Option<Fallback>,
    pub(super) figures: Figures,
    /// What retention asks for, one at a time; done between batches.
    pub(super) errands: mpsc::Receiver<Errand>,
    pub(super) stop: CancellationToken,
}

/// What wakes the writer.
enum Event {
    Waiting(Append),
    Ended(Result<(), Error>, Purpose),
    Errand(Errand),
    Due,
    Stopped,
}

impl Writer {
    /// Writes until told to stop, then what is still waiting.
    pub(super) async fn run(mut self) {
        loop {
            match self.next_event().await {
                Event::Waiting(first) => {
                    let batch = self.take_waiting(first);
                    self.write(batch).await;
                    // Under load somebody always waits: retention has its turn after each batch.
                    self.begin_errand();
                }
                Event::Ended(result, purpose) => self.attempt_ended(result, purpose).await,
                Event::Errand(errand) => self.entrance.run(errand),
                Event::Due => {}
                Event::Stopped => break,
            }
            self.begin_next_task().await;
        }
        self.finish().await;
    }

    async fn next_event(&mut self) -> Event {
        let idle = self.idle();
        let due_at = self.fallback.as_ref().map(|fallback| fallback.due_at(idle));
        let takes_errands = self.takes_errands();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.waiting.is_closed() => self.waiting.close(),
                (result, purpose) = self.entrance.ended() => return Event::Ended(result, purpose),
                first = self.waiting.recv() => return first.map_or(Event::Stopped, Event::Waiting),
                () = due(due_at) => return Event::Due,
                Some(errand) = self.errands.recv(), if takes_errands => return Event::Errand(errand),
            }
        }
    }

    fn begin_errand(&mut self) {
        if self.takes_errands()
            && let Ok(errand) = self.errands.try_recv()
        {
            self.entrance.run(errand);
        }
    }

    /// On a full disk too: what retention removes makes room.
    fn takes_errands(&self) -> bool {
        let lacks_room = self.fallback.as_ref().is_some_and(Fallback::lacks_room);
        self.idle() == Idle::Yes && (lacks_room || self.is_journal_open())
    }

    fn idle(&self) -> Idle {
        if self.entrance.is_taken() {
            Idle::No
        } else {
            Idle::Yes
        }
    }

    /// The group of one commit: whatever waits, without waiting for more.
    fn take_waiting(&mut self, first: Append) -> Vec<Append> {
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

    /// Writes a batch and answers it. A batch that the database refuses for what it holds is halved until the refused record stands alone.
    async fn write(&mut self, batch: Vec<Append>) {
        let mut pending = vec![batch];
        while let Some(mut batch) = pending.pop() {
            let begun = Instant::now();
            match self.insert(&batch).await {
                Ok(()) => {
                    self.note(Target::Journal, &batch, begun);
                    answer(batch, || Ok(()));
                    self.appended.send_replace(());
                }
                Err(error) if batch.len() > 1 && error.is_about_content() => {
                    let second_half = batch.split_off(batch.len() / 2);
                    pending.push(second_half);
                    pending.push(batch);
                }
                Err(error) => self.shelter(batch, &error).await,
            }
        }
    }

    /// Puts a batch into the journal, if the journal takes it in time.
    async fn insert(&mut self, batch: &[Append]) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        if !self.is_journal_open() || !self.wait_for_turn(deadline).await {
            return Err(Error::TooSlow);
        }
        let records = batch.iter().map(|append| &append.record);
        self.entrance.insert(records, Purpose::Batch);
        let Some(fallback) = &mut self.fallback else {
            return self.entrance.ended().await.0;
        };
        let result = match timeout_at(deadline, self.entrance.ended()).await {
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

    /// Waits until another attempt has ended; false when the journal is not open then.
    async fn wait_for_turn(&mut self, deadline: Instant) -> bool {
        if !self.entrance.is_taken() {
            return true;
        }
        match timeout_at(deadline, self.entrance.ended()).await {
            Ok((result, purpose)) => self.attempt_ended(result, purpose).await,
            Err(_) => {
                if let Some(fallback) = &mut self.fallback {
                    fallback.refused(&Error::TooSlow);
                }
            }
        }
        self.is_journal_open()
    }

    /// Puts a batch that the journal did not take into the spool, and answers it.
    async fn shelter(&mut self, batch: Vec<Append>, error: &Error) {
        let Some(fallback) = &mut self.fallback else {
            return answer(batch, || Err(again(error)));
        };
        let records = batch.iter().map(|append| &append.record);
        let begun = Instant::now();
        match fallback.shelter(records).await {
            Ok(()) => {
                self.note(Target::Spool, &batch, begun);
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

    fn note(&self, target: Target, batch: &[Append], begun: Instant) {
        let bytes = batch.iter().map(|append| append.record.body.len()).sum();
        self.figures
            .note(target, batch.len(), bytes, begun.elapsed());
    }

    /// An attempt that no batch waited for has ended: a probe, a chunk of the spool, a batch that was too slow.
    async fn attempt_ended(&mut self, result: Result<(), Error>, purpose: Purpose) {
        let Some(fallback) = &mut self.fallback else {
            return;
        };
        if matches!(purpose, Purpose::Chore) {
            return;
        }
        match (&result, purpose) {
            (_, Purpose::Drain(chunk)) => fallback.chunk_ended(&chunk, &result).await,
            (Ok(()), Purpose::Batch | Purpose::Probe) => fallback.taken(),
            (Err(error), Purpose::Batch | Purpose::Probe) => fallback.refused(error),
            (_, Purpose::Chore) => {}
        }
        if result.is_ok() {
            self.appended.send_replace(());
        }
    }

    async fn begin_next_task(&mut self) {
        self.entrance.give_up_silence();
        let idle = self.idle();
        let Some(fallback) = &mut self.fallback else {
            return;
        };
        match fallback.next_task(idle).await {
            Some(Task::Probe) => self.entrance.begin_probe(),
            Some(Task::Drain(chunk)) => self.entrance.drain(chunk),
            None => {}
        }
    }

    /// Drains the spool as long as the journal takes it and the time allows.
    async fn finish(mut self) {
        let deadline = Instant::now() + LAST_DRAIN;
        if let Some(fallback) = &mut self.fallback {
            fallback.hurry();
        }
        self.begin_next_task().await;
        while self.entrance.is_taken() {
            let Ok((result, purpose)) = timeout_at(deadline, self.entrance.ended()).await else {
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

fn answer(batch: Vec<Append>, result: impl Fn() -> Result<(), Error>) {
    for append in batch {
        append.answer(result());
    }
}

/// The same error for each of those who wait for one commit.
fn again(error: &Error) -> Error {
    match error {
        Error::Driver { source } => Error::Driver {
            source: source.clone(),
        },
        _ => Error::Stopped("journal"),
    }
}
