//! Records the outcome of an attempt: receipts, ids, queue state and the attempt, in one
//! transaction.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;

use crate::db;
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::delivery_state::{QueueState, Stage};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::provider_account::Account;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::send_error::{ProviderAcceptance, Retry, SendError};
use crate::providers;
use crate::sending::dispatch::{ClaimedMessage, Dispatcher, report_token};
use crate::sending::transcript;
use crate::store::attempts::Exchange;
use crate::store::id_remarks::IdRemarks;
use crate::store::ledger::{BindOutcome, LearnedFrom, Ledger};

/// Attempts after the first one.
const RETRY_LIMIT: u32 = 5;
/// Back-off with jitter: 2 s, then four times as long each time, up to 10 min. Five retries cover
/// about ten minutes.
const FIRST_BACK_OFF: Duration = Duration::from_secs(2);
const MAX_BACK_OFF: Duration = Duration::from_mins(10);

/// Limits for a `Retry-After` of a provider.
const MIN_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_hours(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RecordedOutcome {
    Finished,
    /// The message is queued for another attempt.
    Postponed,
}

/// Whether this process still holds the claim on the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClaimStatus {
    Held,
    /// The claim expired before the outcome could be recorded.
    Lost,
}

impl Dispatcher {
    pub(super) async fn record(
        &self,
        work: &ClaimedMessage,
        result: &Result<ProviderAcceptance, SendError>,
        mut exchange: Exchange,
    ) -> Result<RecordedOutcome, db::Error> {
        let now = self.clock.now();
        let id = work.outgoing.id;
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let claim = if ledger.is_claimed_by(id, self.holder) {
            ClaimStatus::Held
        } else {
            ClaimStatus::Lost
        };
        let recorded = match result {
            Ok(accepted) => {
                let mut notes = accepted.warnings.clone();
                notes.extend(
                    bind_reply_ids(&mut ledger, id, &work.account.id, &accepted.ids).await?,
                );
                if accepted.ids.iter().any(ProviderMessageId::is_long) {
                    let mut remarks = IdRemarks::default();
                    remarks.note_long(&work.account.id, now);
                    ledger.record_id_remarks(&remarks).await?;
                }
                ledger.add(
                    id,
                    Receipt::ours(
                        SourceKind::Attempt,
                        work.attempt.uuid(),
                        ReceiptEvent::Stage(Stage::Submitted),
                        now,
                    ),
                )?;
                if let Some(status) = &accepted.word {
                    ledger.add(id, held_back(work, status, now))?;
                    notes.push(format!("the reply says {status}"));
                }
                ledger.leave_queue(id, QueueState::Done)?;
                exchange.outcome = AttemptOutcome::Accepted;
                exchange.detail = (!notes.is_empty()).then(|| notes.join("; "));
                RecordedOutcome::Finished
            }
            Err(error) => {
                self.record_failure(&mut ledger, work, error, claim, &mut exchange)
                    .await?
            }
        };
        let outcome = exchange.outcome;
        ledger.finish_attempt(work.attempt, exchange).await?;
        self.store.commit(ledger).await?;
        self.attempt_counter.count(&work.account.id, outcome);
        Ok(recorded)
    }

    async fn record_failure(
        &self,
        ledger: &mut Ledger,
        work: &ClaimedMessage,
        error: &SendError,
        claim: ClaimStatus,
        exchange: &mut Exchange,
    ) -> Result<RecordedOutcome, db::Error> {
        let (id, now) = (work.outgoing.id, ledger.now());
        let tokens = [report_token(&work.outgoing.report_url)];
        let failure = transcript::redact_failure(error.failure(), &work.account, &tokens);
        let text = failure.one_line();
        exchange.detail = Some(text.clone());
        if !error.is_certain() {
            exchange.outcome = AttemptOutcome::Unclear;
            if claim == ClaimStatus::Held {
                ledger.leave_queue(id, QueueState::Uncertain)?;
            }
            return Ok(RecordedOutcome::Finished);
        }
        // Another worker may have sent the message since: it must not be queued again.
        let wait = match claim {
            ClaimStatus::Held => {
                ledger.clear_submission(id)?;
                wait_before_retry(&work.account, error, ledger.tries(id))
            }
            ClaimStatus::Lost => None,
        };
        if let Some(wait) = wait {
            exchange.outcome = AttemptOutcome::Postponed;
            ledger.postpone(
                id,
                now + TimeDelta::from_std(wait).unwrap_or(TimeDelta::minutes(5)),
                &text,
            )?;
            return Ok(RecordedOutcome::Postponed);
        }
        exchange.outcome = AttemptOutcome::Refused;
        ledger.add(
            id,
            Receipt::ours(
                SourceKind::Attempt,
                work.attempt.uuid(),
                ReceiptEvent::Failure(failure),
                now,
            ),
        )?;
        ledger.leave_queue(id, QueueState::Done)?;
        if error.pauses_account() {
            ledger.pause_account(&work.account.id, &text).await?;
            tracing::warn!(account.id = %work.account.id, "the provider rejected the account; sending is paused");
        }
        Ok(RecordedOutcome::Finished)
    }
}

/// The receipt of a reply's word beside its acceptance.
fn held_back(work: &ClaimedMessage, status: &str, now: DateTime<Utc>) -> Receipt {
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

/// The time until the next attempt; `None` if there is none.
fn wait_before_retry(account: &Account, error: &SendError, tries: u32) -> Option<Duration> {
    let made = tries.saturating_sub(1);
    // The provider's schedule applies if it asked for a retry, not if it was unreachable.
    let schedule = match error {
        SendError::TryLater { .. } => {
            providers::get(account.provider())
                .capabilities()
                .retry_schedule
        }
        _ => &[],
    };
    match error.retry() {
        Retry::No => None,
        Retry::After(wait) => (made < RETRY_LIMIT).then(|| wait.clamp(MIN_WAIT, MAX_WAIT)),
        Retry::BackOff if !schedule.is_empty() => {
            schedule.get(usize::try_from(made).ok()?).copied()
        }
        Retry::BackOff => (made < RETRY_LIMIT).then(|| back_off(made)),
    }
}

fn back_off(made: u32) -> Duration {
    let full = FIRST_BACK_OFF
        .saturating_mul(4_u32.saturating_pow(made))
        .min(MAX_BACK_OFF);
    full.mul_f64(rand::rng().random_range(0.5..1.0))
}
