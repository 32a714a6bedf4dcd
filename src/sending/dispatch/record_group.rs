//! Records outcomes in groups, as long as the database takes.

use std::time::Duration;

use crate::sending::dispatch::Dispatcher;
use crate::sending::dispatch::outcome_queue::Recorded;
use crate::sending::dispatch::pending_outcome::{PendingOutcome, RecordedOutcome};

/// Tries to record outcomes while the database is busy. If all fail, the messages become
/// `uncertain`.
const RECORD_TRIES: u32 = 40;

impl Dispatcher {
    /// Records an outcome together with others; `None` if that was not possible.
    pub(super) async fn record_with_others(&self, pending: PendingOutcome) -> Option<Recorded> {
        let mut done = self.outcomes.push(pending);
        let _turn = tokio::select! {
            biased;
            recorded = &mut done => return recorded.ok(),
            turn = self.outcomes.turn.lock() => turn,
        };
        loop {
            if let Ok(recorded) = done.try_recv() {
                return Some(recorded);
            }
            let (group, waiters): (Vec<_>, Vec<_>) = self.outcomes.take().into_iter().unzip();
            if group.is_empty() {
                // Its recorder was aborted.
                return done.await.ok();
            }
            let recorded = self.record_persistently(&group).await;
            for ((pending, waiter), recorded) in group.into_iter().zip(waiters).zip(recorded) {
                // A waiter that was aborted needs no answer.
                let _ = waiter.send((pending, recorded));
            }
        }
    }

    async fn record_persistently(&self, group: &[PendingOutcome]) -> Vec<Option<RecordedOutcome>> {
        for delay in (0..RECORD_TRIES).map(|n| Duration::from_millis(100 << n.min(5))) {
            match self.record(group).await {
                Ok(recorded) => return recorded.into_iter().map(Some).collect(),
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, outcomes = group.len(), "cannot record outcomes yet");
                    tokio::time::sleep(delay).await;
                }
                Err(error) => {
                    if let [pending] = group {
                        let id = pending.work.outgoing.id;
                        tracing::error!(%error, message.id = %id, "cannot record an outcome");
                        return vec![None];
                    }
                    // One of them is at fault: the others must not suffer.
                    let mut recorded = Vec::new();
                    for pending in group.chunks(1) {
                        recorded.extend(Box::pin(self.record_persistently(pending)).await);
                    }
                    return recorded;
                }
            }
        }
        group.iter().map(|_| None).collect()
    }
}
