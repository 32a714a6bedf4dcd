//! Calls the provider for a claimed message.

use std::io;
use std::time::Instant;

use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::send_error::{ProviderAcceptance, SendError};
use crate::providers::{self, HttpReply, SendStep};
use crate::sending::dispatch::claimed_message::ClaimedMessage;
use crate::sending::dispatch::pending_outcome::{
    PendingOutcome, RecordedOutcome, SubmissionResult,
};
use crate::sending::dispatch::{Dispatcher, report_token};
use crate::sending::in_flight_limit::{CallCancelled, InFlightPermit};
use crate::sending::{transcript, upload_storage};
use crate::store::attempts::AttemptRecord;

/// More HTTP calls in one attempt indicate a loop.
const MAX_CALLS_PER_ATTEMPT: usize = 4;
const NOT_CALLED: &str = "sending stopped before the provider was called; nothing was sent";

impl Dispatcher {
    /// Calls the provider when the message's slot is due and few enough calls run, and records the
    /// outcome.
    pub async fn submit(&self, work: ClaimedMessage) {
        // Boxed, because the future is large.
        Box::pin(self.submit_at_slot(work)).await;
    }

    async fn submit_at_slot(&self, mut work: ClaimedMessage) {
        self.uploads
            .fetch(work.outgoing.id, &work.outgoing.draft.media)
            .await;
        self.wait_for_slot(&work).await;
        let mut permit = match wait_for_permit(&mut work).await {
            Ok(permit) => permit,
            Err(CallCancelled) => return self.return_uncalled(work).await,
        };
        let started = Instant::now();
        let entry = self.started_calls.begin(work.attempt);
        let (result, last) = match &entry {
            Ok(_) => self.run_calls(&work).await,
            Err(error) => (Err(cannot_begin(error)), None),
        };
        if let (Ok(_), Some(permit)) = (&result, &mut permit) {
            permit.call_was_accepted();
        }
        let attempt_record = AttemptRecord {
            // Replaced when the result is recorded.
            outcome: AttemptOutcome::Unclear,
            http_status: last.as_ref().map(|reply| reply.status),
            duration_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
            reply: last.map(|reply| {
                transcript::format_reply(
                    &reply,
                    &work.account,
                    &[report_token(&work.outgoing.report_url)],
                )
            }),
            detail: None,
        };
        let pending = PendingOutcome {
            work,
            result: match result {
                Ok(accepted) => SubmissionResult::Accepted(accepted),
                Err(error) => SubmissionResult::Failed(error),
            },
            attempt_record,
            _permit: permit,
        };
        let Some((pending, Some(recorded))) = self.record_in_group(pending).await else {
            return;
        };
        self.started_calls.release(entry.ok().flatten());
        // With PostgreSQL the local file is only a copy.
        if recorded == RecordedOutcome::Finished || self.store.is_shared() {
            upload_storage::discard(Some(&pending.work.outgoing.draft.media));
        }
    }

    /// With a simulated clock no slots are reserved ahead, so there is nothing to wait for.
    async fn wait_for_slot(&self, work: &ClaimedMessage) {
        if self.steady_clock.is_simulated() {
            return;
        }
        if let Ok(wait) = (work.call_at - self.steady_clock.now()).to_std() {
            tokio::time::sleep(wait).await;
        }
    }

    /// The message keeps its place in the queue, and the attempt does not count.
    async fn return_uncalled(&self, work: ClaimedMessage) {
        let attempt_record = AttemptRecord {
            outcome: AttemptOutcome::Postponed,
            ..AttemptRecord::without_reply(NOT_CALLED)
        };
        let pending = PendingOutcome {
            work,
            result: SubmissionResult::CallCancelled,
            attempt_record,
            _permit: None,
        };
        let recorded = self.record_in_group(pending).await;
        // With PostgreSQL the local file is only a copy.
        if let Some((pending, Some(_))) = recorded
            && self.store.is_shared()
        {
            upload_storage::discard(Some(&pending.work.outgoing.draft.media));
        }
    }

    /// Makes the calls of one attempt; also returns the last reply.
    async fn run_calls(
        &self,
        work: &ClaimedMessage,
    ) -> (Result<ProviderAcceptance, SendError>, Option<HttpReply>) {
        let provider = providers::get(work.account.provider());
        let mut replies: Vec<HttpReply> = Vec::new();
        let mut later_step = None;
        loop {
            let call = match later_step.as_ref().unwrap_or(&work.first_step) {
                SendStep::Accepted(accepted) => return (Ok(accepted.clone()), replies.pop()),
                SendStep::Failed(error) => return (Err(error.clone()), replies.pop()),
                SendStep::Call(_) if replies.len() >= MAX_CALLS_PER_ATTEMPT => {
                    return (
                        Err(SendError::Unclear(
                            "the provider requires too many calls".to_owned(),
                        )),
                        replies.pop(),
                    );
                }
                SendStep::Call(call) => call,
            };
            match self.transport.call(call, work.account.timeout).await {
                Ok(reply) => {
                    replies.push(reply);
                    later_step = Some(provider.send(&work.account, &work.outgoing, &replies));
                }
                // An earlier call of this attempt may have had an effect.
                Err(SendError::NotReached(reason)) if !replies.is_empty() => {
                    return (Err(SendError::Unclear(reason)), replies.pop());
                }
                Err(error) => return (Err(error), replies.pop()),
            }
        }
    }
}

async fn wait_for_permit(
    work: &mut ClaimedMessage,
) -> Result<Option<InFlightPermit>, CallCancelled> {
    match work.reservation.take() {
        Some(reservation) => reservation.begin().await.map(Some),
        None => Ok(None),
    }
}

/// Without its entry in `started_calls`, the next process would take the call as not begun and repeat
/// it. Therefore the call is not made.
fn cannot_begin(error: &io::Error) -> SendError {
    SendError::NotReached(format!(
        "cannot record the start of the call in the data folder: {error}"
    ))
}
