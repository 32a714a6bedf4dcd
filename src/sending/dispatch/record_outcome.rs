//! Records the outcomes of attempts: receipts, ids, queue states, attempts, and what they mean for
//! their accounts, in one transaction.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::delivery_state::{QueueState, Stage};
use crate::domain::ids::{AccountId, AttemptId, MessageId, ProviderMessageId};
use crate::domain::paused_by::PausedBy;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::send_error::{ProviderAcceptance, SendError};
use crate::sending::dispatch::account_effects::{AccountEffect, AccountEffects, ConcurrencyChange};
use crate::sending::dispatch::claimed_message::ClaimedMessage;
use crate::sending::dispatch::pending_outcome::{
    PendingOutcome, RecordedOutcome, SubmissionResult,
};
use crate::sending::dispatch::retry_wait::wait_before_retry;
use crate::sending::dispatch::uncertain_outcome::{mark_uncertain, may_have_been_sent};
use crate::sending::dispatch::{Dispatcher, report_token};
use crate::sending::transcript;
use crate::store::attempts::AttemptRecord;
use crate::store::id_anomalies::IdAnomalies;
use crate::store::ledger::{BindOutcome, LearnedFrom, Ledger};

/// Whether this process still holds the claim on the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClaimStatus {
    Held,
    /// The claim expired before the outcome could be recorded.
    Lost,
}

/// One transaction that records outcomes.
struct Recording<'a> {
    dispatcher: &'a Dispatcher,
    ledger: Ledger,
    effects: AccountEffects,
    /// Read from the steady clock.
    slot_time: DateTime<Utc>,
    finished: Vec<(AttemptId, AttemptRecord)>,
}

impl Dispatcher {
    /// Returns the recorded outcomes in the order of `group`.
    pub(super) async fn record(
        &self,
        ledger: Ledger,
        group: &[PendingOutcome],
    ) -> Result<Vec<RecordedOutcome>, db::Error> {
        let mut recording = Recording {
            dispatcher: self,
            // The ledger's own time is before the wait for its transaction; calls have ended since.
            ledger: ledger.at(self.clock.now()),
            effects: AccountEffects::default(),
            slot_time: self.steady_clock.now(),
            finished: Vec::new(),
        };
        recording.load(group).await?;
        let mut recorded = Vec::new();
        for pending in group {
            recorded.push(recording.record(pending).await?);
        }
        let Recording {
            mut ledger,
            effects,
            finished,
            ..
        } = recording;
        let outcomes: Vec<AttemptOutcome> = finished.iter().map(|(_, it)| it.outcome).collect();
        ledger.finish_attempts(finished).await?;
        effects.store(&ledger).await?;
        self.store.commit(ledger).await?;
        for (pending, outcome) in group.iter().zip(outcomes) {
            let account = &pending.work.account.id;
            self.attempt_counter.count(account, outcome);
        }
        self.change_concurrency(&effects);
        Ok(recorded)
    }

    fn change_concurrency(&self, effects: &AccountEffects) {
        for (account, change) in effects.concurrency_changes() {
            match change {
                ConcurrencyChange::Shrink => self.in_flight.shrink(account),
                ConcurrencyChange::Stop => self.in_flight.stop(account),
                ConcurrencyChange::Grow => self.in_flight.grow(account),
            }
        }
    }
}

impl Recording<'_> {
    async fn load(&mut self, group: &[PendingOutcome]) -> Result<(), db::Error> {
        let ids: Vec<MessageId> = group.iter().map(|it| it.work.outgoing.id).collect();
        self.ledger.load(&ids).await?;
        let mut provider_ids = Vec::new();
        for pending in group {
            let account = &pending.work.account.id;
            self.effects.load(&self.ledger, account).await?;
            if let SubmissionResult::Accepted(accepted) = &pending.result {
                let learned = accepted.ids.iter();
                provider_ids.extend(learned.map(|id| (account.clone(), id.clone())));
            }
        }
        self.ledger.load_holders(&provider_ids).await
    }

    async fn record(&mut self, pending: &PendingOutcome) -> Result<RecordedOutcome, db::Error> {
        let mut attempt_record = pending.attempt_record.clone();
        let recorded = match &pending.result {
            SubmissionResult::Accepted(accepted) => {
                let work = &pending.work;
                self.record_acceptance(work, accepted, &mut attempt_record)
                    .await?;
                RecordedOutcome::Finished
            }
            SubmissionResult::Failed(error) => {
                self.record_failure(pending, error, &mut attempt_record)
                    .await?
            }
            SubmissionResult::CallCancelled => {
                let work = &pending.work;
                self.return_uncalled(work, &attempt_record).await?;
                RecordedOutcome::Postponed
            }
        };
        self.finished.push((pending.work.attempt, attempt_record));
        Ok(recorded)
    }

    async fn record_acceptance(
        &mut self,
        work: &ClaimedMessage,
        accepted: &ProviderAcceptance,
        attempt_record: &mut AttemptRecord,
    ) -> Result<(), db::Error> {
        let (id, account) = (work.outgoing.id, &work.account);
        let ledger = &mut self.ledger;
        let now = ledger.now();
        let mut notes = accepted.warnings.clone();
        notes.extend(bind_reply_ids(ledger, id, &account.id, &accepted.ids).await?);
        if accepted.ids.iter().any(ProviderMessageId::is_long) {
            let mut anomalies = IdAnomalies::default();
            anomalies.note_long(&account.id, now);
            ledger.record_id_anomalies(&anomalies).await?;
        }
        let submitted = ReceiptEvent::Stage(Stage::Submitted);
        let source = work.attempt.uuid();
        ledger.add(
            id,
            Receipt::ours(SourceKind::Attempt, source, submitted, now),
        )?;
        if let Some(status) = &accepted.word {
            ledger.add(id, reply_status_receipt(work, status, now))?;
            notes.push(format!("the reply says {status}"));
        }
        ledger.leave_queue(id, QueueState::Done)?;
        attempt_record.outcome = AttemptOutcome::Accepted;
        attempt_record.detail = (!notes.is_empty()).then(|| notes.join("; "));
        self.effects.note_acceptance(account, self.slot_time);
        Ok(())
    }

    async fn return_uncalled(
        &mut self,
        work: &ClaimedMessage,
        attempt_record: &AttemptRecord,
    ) -> Result<(), db::Error> {
        let (id, ledger) = (work.outgoing.id, &mut self.ledger);
        // An earlier try may have been committed, and the message claimed again.
        let stored = ledger.find_outcome(work.attempt).await?;
        if stored == Some(AttemptOutcome::Started)
            && ledger.is_claimed_by(id, self.dispatcher.holder)
        {
            ledger.clear_submission(id)?;
            ledger.uncount_attempt(id)?;
            let reason = attempt_record.detail.as_deref().unwrap_or_default();
            ledger.return_to_queue(id, reason)?;
        }
        Ok(())
    }

    async fn record_failure(
        &mut self,
        pending: &PendingOutcome,
        error: &SendError,
        attempt_record: &mut AttemptRecord,
    ) -> Result<RecordedOutcome, db::Error> {
        let work = &pending.work;
        let id = work.outgoing.id;
        let tokens = [report_token(&work.outgoing.report_url)];
        let failure = transcript::redact_failure(error.failure(), &work.account, &tokens);
        let text = failure.one_line();
        attempt_record.detail = Some(text.clone());
        // An earlier try may have been committed although its result was lost, and the message
        // claimed again for another attempt.
        let stored = self.ledger.find_outcome(work.attempt).await?;
        if let Some(outcome @ (AttemptOutcome::Postponed | AttemptOutcome::Refused)) = stored {
            attempt_record.outcome = outcome;
            return Ok(match outcome {
                AttemptOutcome::Postponed => RecordedOutcome::Postponed,
                _ => RecordedOutcome::Finished,
            });
        }
        let effect = self
            .effects
            .note_failure(pending, error, &text, self.slot_time);
        // The log says by itself why an account trips.
        if matches!(error, SendError::NotReached(_)) && matches!(effect, AccountEffect::None) {
            let reason = transcript::reason_for_log(&text, &work.outgoing.draft);
            let log = &self.dispatcher.unreachable_log;
            log.write(&work.account.id, &reason, self.slot_time);
        }
        let ledger = &mut self.ledger;
        let now = ledger.now();
        if let AccountEffect::Pause(reason) = &effect
            && ledger
                .pause_account(&work.account.id, PausedBy::Provider, reason)
                .await?
        {
            let reason = transcript::reason_for_log(reason, &work.outgoing.draft);
            tracing::warn!(account.id = %work.account.id, reason, "sending is paused until an operator resumes it");
        }
        let claim = if ledger.is_claimed_by(id, self.dispatcher.holder) {
            ClaimStatus::Held
        } else {
            ClaimStatus::Lost
        };
        if may_have_been_sent(error) {
            attempt_record.outcome = AttemptOutcome::Unclear;
            if claim == ClaimStatus::Held {
                mark_uncertain(ledger, id)?;
            }
            return Ok(RecordedOutcome::Finished);
        }
        // Another worker may have sent the message since: it must not be queued again.
        let wait = match claim {
            ClaimStatus::Held => {
                ledger.clear_submission(id)?;
                if !error.counts_as_attempt() {
                    ledger.uncount_attempt(id)?;
                }
                wait_before_retry(&work.account, error, ledger.tries(id), work.number)
            }
            ClaimStatus::Lost => None,
        };
        if let Some(wait) = wait {
            attempt_record.outcome = AttemptOutcome::Postponed;
            let waits_for_account = match error {
                SendError::SlowDown { .. } => true,
                SendError::NotReached(_) => effect == AccountEffect::Tripped,
                _ => false,
            };
            if waits_for_account {
                ledger.return_to_queue(id, &text)?;
                return Ok(RecordedOutcome::Postponed);
            }
            let at = now + TimeDelta::from_std(wait).unwrap_or(TimeDelta::minutes(5));
            if matches!(error, SendError::SlowDownRecipient { .. }) {
                let recipient = work.outgoing.draft.recipient.digits();
                ledger
                    .hold_recipient(&work.account.id, recipient, at)
                    .await?;
            }
            ledger.postpone(id, at, &text)?;
            return Ok(RecordedOutcome::Postponed);
        }
        attempt_record.outcome = AttemptOutcome::Refused;
        let (source, failed) = (work.attempt.uuid(), ReceiptEvent::Failure(failure));
        ledger.add(id, Receipt::ours(SourceKind::Attempt, source, failed, now))?;
        ledger.leave_queue(id, QueueState::Done)?;
        Ok(RecordedOutcome::Finished)
    }
}

/// The receipt of a status word in a reply that accepts the message.
fn reply_status_receipt(work: &ClaimedMessage, status: &str, now: DateTime<Utc>) -> Receipt {
    let event = ReceiptEvent::Other(status.to_owned());
    Receipt {
        part: 1,
        ..Receipt::ours(SourceKind::Attempt, work.attempt.uuid(), event, now)
    }
}

/// Returns notes about ids that could not be bound.
async fn bind_reply_ids(
    ledger: &mut Ledger,
    message: MessageId,
    account: &AccountId,
    ids: &[ProviderMessageId],
) -> Result<Vec<String>, db::Error> {
    let wanted: Vec<_> = ids.iter().map(|id| (account.clone(), id.clone())).collect();
    ledger.load_holders(&wanted).await?;
    let mut notes = Vec::new();
    for id in ids {
        match ledger
            .bind(message, account, id, LearnedFrom::Reply)
            .await?
        {
            BindOutcome::Held | BindOutcome::Merged(_) => {}
            BindOutcome::Conflict(other) => {
                notes.push(format!("the reply's id already belongs to message {other}"));
            }
            BindOutcome::Constant => notes.push(
                "the reply's id is in callbacks about several messages; it is not used".to_owned(),
            ),
            BindOutcome::Full => notes.push("the message has the maximum number of ids".to_owned()),
        }
    }
    Ok(notes)
}
