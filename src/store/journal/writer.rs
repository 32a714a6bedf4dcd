//! The only task that writes to the journal: takes what is waiting, commits it at once, answers everybody.

use sea_orm::ConnectionTrait;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::callback::CallbackRecord;
use crate::store::connection::Pools;
use crate::store::error::Error;
use crate::store::journal::insert::{InsertStatements, MOST_ROWS};

/// A batch takes nothing more once its bodies reach this many bytes.
const MOST_BYTES: usize = 8 * 1024 * 1024;

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
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pools: Pools,
    pub(super) statements: InsertStatements,
    pub(super) waiting: mpsc::Receiver<Append>,
    pub(super) appended: watch::Sender<()>,
    pub(super) stop: CancellationToken,
}

impl Writer {
    /// Writes until told to stop, then what is still waiting.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let first = tokio::select! {
                biased;
                () = stop.cancelled(), if !self.waiting.is_closed() => {
                    self.waiting.close();
                    continue;
                }
                first = self.waiting.recv() => first,
            };
            let Some(first) = first else { return };
            let batch = self.take_waiting(first);
            self.write(batch).await;
        }
    }

    /// The group of one commit: whatever waits, without waiting for more.
    fn take_waiting(&mut self, first: Append) -> Vec<Append> {
        let mut bytes = first.record.body.len();
        let mut batch = vec![first];
        while batch.len() < MOST_ROWS && bytes < MOST_BYTES {
            let Ok(next) = self.waiting.try_recv() else {
                break;
            };
            bytes += next.record.body.len();
            batch.push(next);
        }
        batch
    }

    /// Writes a batch and answers it. A batch that the database refuses for what it holds is halved until the refused record stands alone.
    async fn write(&self, batch: Vec<Append>) {
        let mut pending = vec![batch];
        while let Some(mut batch) = pending.pop() {
            match self.commit(&batch).await {
                Ok(()) => {
                    for written in batch {
                        written.answer(Ok(()));
                    }
                    self.appended.send_replace(());
                }
                Err(error) if batch.len() > 1 && !error.is_transient() => {
                    let second_half = batch.split_off(batch.len() / 2);
                    pending.push(second_half);
                    pending.push(batch);
                }
                Err(error) => {
                    for refused in batch {
                        refused.answer(Err(again(&error)));
                    }
                }
            }
        }
    }

    /// **Invariant:** returns `Ok` only after the commit is on disk; begins and rolls back in this scope, so an error leaves no transaction open.
    async fn commit(&self, batch: &[Append]) -> Result<(), Error> {
        let transaction = self.pools.begin().await?;
        let insert = self
            .statements
            .fill(batch.iter().map(|append| &append.record));
        if let Err(error) = transaction.execute_raw(insert).await {
            transaction.rollback().await?;
            return Err(error.into());
        }
        transaction.commit().await?;
        Ok(())
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
