//! Records outcomes in groups, and tries again while the database is busy.

use std::time::Duration;

use crate::db;
use crate::sending::dispatch::Dispatcher;
use crate::sending::dispatch::outcome_queue::Recorded;
use crate::sending::dispatch::pending_outcome::{PendingOutcome, RecordedOutcome};
use crate::store::ledger::Ledger;

/// Tries to record a group while the database is busy. If all fail, its messages become
/// `uncertain`.
const RECORD_TRIES: u32 = 40;

impl Dispatcher {
    /// Records an outcome together with others; `None` if that was not possible.
    pub(super) async fn record_in_group(&self, pending: PendingOutcome) -> Option<Recorded> {
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
            // Outcomes of calls that end during this wait are in the group, too.
            let ledger = self.store.ledger(self.clock.now()).await;
            let (group, waiters): (Vec<_>, Vec<_>) = self.outcomes.take().into_iter().unzip();
            if group.is_empty() {
                // Another task took this outcome and was aborted.
                if let Ok(ledger) = ledger {
                    ledger.roll_back().await;
                }
                return done.await.ok();
            }
            let recorded = self.record_with_retries(ledger, &group).await;
            for ((pending, waiter), recorded) in group.into_iter().zip(waiters).zip(recorded) {
                // The waiting task may have been aborted.
                let _ = waiter.send((pending, recorded));
            }
        }
    }

    /// `ledger` is for the first try.
    async fn record_with_retries(
        &self,
        ledger: Result<Ledger, db::Error>,
        group: &[PendingOutcome],
    ) -> Vec<Option<RecordedOutcome>> {
        let mut begun = Some(ledger);
        for delay in (0..RECORD_TRIES).map(|n| Duration::from_millis(100 << n.min(5))) {
            let ledger = match begun.take() {
                Some(ledger) => ledger,
                None => self.store.ledger(self.clock.now()).await,
            };
            let recorded = match ledger {
                Ok(ledger) => self.record(ledger, group).await,
                Err(error) => Err(error),
            };
            match recorded {
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
                    // One outcome causes the error. Recorded one by one, the others succeed.
                    let mut recorded = Vec::new();
                    for pending in group.chunks(1) {
                        let ledger = self.store.ledger(self.clock.now()).await;
                        let alone = Box::pin(self.record_with_retries(ledger, pending));
                        recorded.extend(alone.await);
                    }
                    return recorded;
                }
            }
        }
        group.iter().map(|_| None).collect()
    }
}
