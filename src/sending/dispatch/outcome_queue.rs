//! Outcomes that wait to be recorded. The submission that gets the turn records all waiting
//! outcomes in one transaction, so that many submissions share an fsync.
//!
//! The queue is bounded by the number of concurrent submissions: each waits for its own outcome.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::sending::dispatch::pending_outcome::{PendingOutcome, RecordedOutcome};

/// Outcomes per transaction.
const GROUP_LIMIT: usize = 128;

#[derive(Debug, Default)]
pub struct OutcomeQueue {
    waiting: Mutex<VecDeque<WaitingOutcome>>,
    pub(super) turn: AsyncMutex<()>,
}

type WaitingOutcome = (PendingOutcome, oneshot::Sender<Recorded>);

/// `None` if the outcome could not be recorded.
pub(super) type Recorded = (PendingOutcome, Option<RecordedOutcome>);

impl OutcomeQueue {
    pub(super) fn push(&self, pending: PendingOutcome) -> oneshot::Receiver<Recorded> {
        let (done, receiver) = oneshot::channel();
        self.lock().push_back((pending, done));
        receiver
    }

    pub(super) fn take(&self) -> Vec<WaitingOutcome> {
        let mut waiting = self.lock();
        let number = waiting.len().min(GROUP_LIMIT);
        waiting.drain(..number).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<WaitingOutcome>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
