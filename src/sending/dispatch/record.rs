//! What an exchange ended in: facts, ids, the queue's word and the attempt's row, in one transaction.

use std::time::Duration;

use chrono::TimeDelta;
use rand::RngExt;

use crate::db;
use crate::domain::delivery_state::{QueueState, Stage};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::provider_account::Account;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::send_error::{ProviderAcceptance, Retry, SendError};
use crate::providers;
use crate::sending::dispatch::{Dispatcher, HandOver, report_token};
use crate::sending::transcript;
use crate::store::attempts::AttemptOutcome;
use crate::store::ledger::{Bound, LearnedFrom, Ledger};
use crate::store::queue::Exchange;

/// Repeats after the first attempt.
const RETRIES: u32 = 5;
/// Our own back-off: 2 s, four times as long each time, at most 10 min, with jitter; five repeats bridge some ten minutes.
const FIRST_BACK_OFF: Duration = Duration::from_secs(2);
const LONGEST_BACK_OFF: Duration = Duration::from_mins(10);

/// A provider that names no time at all, or a day, is not taken at its word.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Whether the queue is done with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Recorded {
    /// It is.
    Finished,
    /// The message waits for another attempt.
    Postponed,
}

/// Whether the message still waits for our outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OurClaim {
    /// It does.
    Held,
    /// The claim ran out while the outcome could not be recorded.
    Lost,
}

impl Dispatcher {
    pub(super) async fn record(
        &self,
        work: &HandOver,
        result: &Result<ProviderAcceptance, SendError>,
        mut exchange: Exchange,
    ) -> Result<Recorded, db::Error> {
        let now = self.clock.now();
        let id = work.outgoing.id;
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let claim = if ledger.is_claimed_by(id, self.holder) {
            OurClaim::Held
        } else {
            OurClaim::Lost
        };
        let recorded = match result {
            Ok(accepted) => {
                let mut notes = accepted.warnings.clone();
                notes.extend(learn(&mut ledger, id, &work.account.id, &accepted.ids).await?);
                ledger.add(
                    id,
                    Receipt::ours(
                        SourceKind::Attempt,
                        work.attempt.uuid(),
                        ReceiptEvent::Stage(Stage::Submitted),
                        now,
                    ),
                )?;
                ledger.leave_queue(id, QueueState::Done)?;
                exchange.outcome = AttemptOutcome::Accepted;
                exchange.detail = (!notes.is_empty()).then(|| notes.join("; "));
                Recorded::Finished
            }
            Err(error) => {
                self.record_failure(&mut ledger, work, error, claim, &mut exchange)
                    .await?
            }
        };
        let outcome = exchange.outcome;
        ledger.finish_attempt(work.attempt, exchange).await?;
        self.store.commit(ledger).await?;
        self.tally.count(&work.account.id, outcome);
        Ok(recorded)
    }

    async fn record_failure(
        &self,
        ledger: &mut Ledger,
        work: &HandOver,
        error: &SendError,
        claim: OurClaim,
        exchange: &mut Exchange,
    ) -> Result<Recorded, db::Error> {
        let (id, now) = (work.outgoing.id, ledger.now());
        let tokens = [report_token(&work.outgoing.report_url)];
        let failure = transcript::failure(error.failure(), &work.account, &tokens);
        let words = failure.one_line();
        exchange.detail = Some(words.clone());
        if !error.is_certain() {
            exchange.outcome = AttemptOutcome::Unclear;
            if claim == OurClaim::Held {
                ledger.leave_queue(id, QueueState::Uncertain)?;
            }
            return Ok(Recorded::Finished);
        }
        // Whoever took the message from us may have sent it again since: nothing of it goes back into the queue.
        let wait = match claim {
            OurClaim::Held => {
                ledger.take_back(id)?;
                wait_before_retry(&work.account, error, ledger.tries(id))
            }
            OurClaim::Lost => None,
        };
        if let Some(wait) = wait {
            exchange.outcome = AttemptOutcome::Postponed;
            ledger.postpone(
                id,
                now + TimeDelta::from_std(wait).unwrap_or(TimeDelta::minutes(5)),
                &words,
            )?;
            return Ok(Recorded::Postponed);
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
            ledger.pause_account(&work.account.id, &words).await?;
            tracing::warn!(account.id = %work.account.id, "the provider rejected the account; sending is paused");
        }
        Ok(Recorded::Finished)
    }
}

/// Binds the ids of a reply; what was odd about them comes back in words.
async fn learn(
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
            Bound::Held | Bound::Merged(_) => {}
            Bound::Conflict(other) => {
                notes.push(format!("the reply's id belongs to message {other} already"));
            }
            Bound::Full => notes.push("the message holds as many ids as it may".to_owned()),
        }
    }
    Ok(notes)
}

/// How long to wait before the next attempt, or `None` when there is none.
fn wait_before_retry(account: &Account, error: &SendError, tries: u32) -> Option<Duration> {
    let made = tries.saturating_sub(1);
    // A provider's own schedule counts where the provider asked for another try, not where it could not be reached.
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
        Retry::After(wait) => (made < RETRIES).then(|| wait.clamp(SHORTEST_WAIT, LONGEST_WAIT)),
        Retry::BackOff if !schedule.is_empty() => {
            schedule.get(usize::try_from(made).ok()?).copied()
        }
        Retry::BackOff => (made < RETRIES).then(|| back_off(made)),
    }
}

fn back_off(made: u32) -> Duration {
    let full = FIRST_BACK_OFF
        .saturating_mul(4_u32.saturating_pow(made))
        .min(LONGEST_BACK_OFF);
    full.mul_f64(rand::rng().random_range(0.5..1.0))
}
