//! What the outcome of a submission means for its account: counts, slowdown, circuit breaker.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::circuit_breaker::{
    AccountConsequence, CircuitBreaker, FailedSubmission, FailureCause,
};
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::domain::send_error::SendError;
use crate::domain::send_flow::{Readiness, SendFlow};
use crate::domain::send_rate::{SlowDownRequest, slow_down};
use crate::sending::dispatch::pending_outcome::PendingOutcome;
use crate::store::ledger::Ledger;

/// The time until the next probe if the reply to one concerned only its recipient.
const NEXT_PROBE: TimeDelta = TimeDelta::seconds(30);

/// The effects of a group of outcomes on their accounts.
#[derive(Default)]
pub(super) struct AccountEffects {
    /// As loaded, and as changed.
    flows: BTreeMap<AccountId, (SendFlow, SendFlow)>,
    /// In the order of the outcomes.
    concurrency_changes: Vec<(AccountId, ConcurrencyChange)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConcurrencyChange {
    Grow,
    Shrink,
    /// No further call begins now.
    Stop,
}

/// What one outcome means for its account and its message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum AccountEffect {
    None,
    /// The breaker is open: the account waits, not the message.
    Tripped,
    Pause(String),
}

impl AccountEffects {
    /// Loads the flow of an account, the first time.
    pub(super) async fn load(
        &mut self,
        ledger: &Ledger,
        account: &AccountId,
    ) -> Result<(), db::Error> {
        if !self.flows.contains_key(account) {
            let flow = ledger.find_send_flow(account).await?;
            self.flows.insert(account.clone(), (flow.clone(), flow));
        }
        Ok(())
    }

    pub(super) async fn store(&self, ledger: &Ledger) -> Result<(), db::Error> {
        for (account, (before, flow)) in &self.flows {
            if before != flow {
                ledger.store_send_flow(account, flow).await?;
            }
        }
        Ok(())
    }

    pub(super) fn concurrency_changes(&self) -> &[(AccountId, ConcurrencyChange)] {
        &self.concurrency_changes
    }

    /// `now` is read from the steady clock.
    pub(super) fn note_acceptance(&mut self, account: &Account, now: DateTime<Utc>) {
        self.change_concurrency(account, ConcurrencyChange::Grow);
        let flow = self.flow(account);
        flow.accepted.add(now);
        if flow.breaker.note_acceptance() {
            tracing::info!(account.id = %account.id, "the provider accepts again; sending continues");
        }
        let limit = flow.rate(account.rate, now);
        match &mut flow.slowdown {
            Some(slowdown) if limit != account.rate || now < slowdown.hold_until => {
                slowdown.requests = 0;
            }
            slowdown => *slowdown = None,
        }
    }

    /// `reply` is one line. `now` is read from the steady clock.
    pub(super) fn note_failure(
        &mut self,
        pending: &PendingOutcome,
        error: &SendError,
        reply: &str,
        now: DateTime<Utc>,
    ) -> AccountEffect {
        let account = &pending.work.account;
        let kind;
        let recipient = short_hash(pending.work.outgoing.draft.recipient.digits());
        let status = pending.attempt_record.http_status;
        let cause = match error {
            SendError::SlowDown { after, .. } => {
                let request = SlowDownRequest {
                    called_at: pending.work.call_at,
                    after: *after,
                    reason: reply,
                };
                self.note_slow_down(pending, request, now);
                let change = match self.flow(account).readiness(now) {
                    Readiness::WaitUntil(_) => ConcurrencyChange::Stop,
                    Readiness::Ready(_) => ConcurrencyChange::Shrink,
                };
                self.change_concurrency(account, change);
                return AccountEffect::None;
            }
            SendError::SlowDownRecipient { .. } => {
                let next = now + NEXT_PROBE;
                let purpose = pending.work.purpose;
                self.flow(account).breaker.note_other_reply(purpose, next);
                return AccountEffect::None;
            }
            SendError::AccountRefused(_) => {
                self.change_concurrency(account, ConcurrencyChange::Stop);
                self.flow(account).breaker = CircuitBreaker::default();
                return AccountEffect::Pause(reply.to_owned());
            }
            SendError::NotReached(_) => FailureCause::Unreachable,
            SendError::Unclear(_) => FailureCause::Unclear,
            // Without an HTTP status the refusal is our own, not the provider's.
            SendError::TryLater { .. } if status.is_some() => FailureCause::TryLater,
            SendError::Refused(failure) if status.is_some() => {
                let code = failure.code.as_deref().unwrap_or_default();
                kind = format!("{}/{code}", status.unwrap_or_default());
                FailureCause::Refused {
                    kind: &kind,
                    recipient: &recipient,
                }
            }
            SendError::TryLater { .. } | SendError::Refused(_) => return AccountEffect::None,
        };
        let failed = FailedSubmission {
            cause,
            purpose: pending.work.purpose,
            reply,
        };
        let breaker = &mut self.flow(account).breaker;
        let consequence = breaker.note_failure(failed, now);
        let tripped = breaker.trip.is_some();
        let stops = matches!(
            consequence,
            AccountConsequence::Tripped(_) | AccountConsequence::Pause(_)
        );
        if stops || tripped {
            self.change_concurrency(account, ConcurrencyChange::Stop);
        } else if consequence == AccountConsequence::ReduceConcurrency {
            self.change_concurrency(account, ConcurrencyChange::Shrink);
        }
        match consequence {
            AccountConsequence::Pause(reason) => {
                // From now on the pause holds the messages back.
                self.flow(account).breaker = CircuitBreaker::default();
                AccountEffect::Pause(reason)
            }
            AccountConsequence::Tripped(reason) => {
                tracing::warn!(account.id = %account.id, reason, "sending stops until the provider accepts a message again");
                AccountEffect::Tripped
            }
            _ if tripped => AccountEffect::Tripped,
            _ => AccountEffect::None,
        }
    }

    fn note_slow_down(
        &mut self,
        pending: &PendingOutcome,
        request: SlowDownRequest<'_>,
        now: DateTime<Utc>,
    ) {
        let account = &pending.work.account;
        let flow = self.flow(account);
        let previous = flow.slowdown.take();
        let slowed = slow_down(
            account.rate,
            previous.as_ref(),
            &mut flow.accepted,
            request,
            now,
        );
        let purpose = pending.work.purpose;
        flow.breaker.note_other_reply(purpose, slowed.hold_until);
        flow.slowdown = Some(slowed);
    }

    fn change_concurrency(&mut self, account: &Account, change: ConcurrencyChange) {
        self.concurrency_changes.push((account.id.clone(), change));
    }

    fn flow(&mut self, account: &Account) -> &mut SendFlow {
        &mut self.flows.entry(account.id.clone()).or_default().1
    }
}

/// Distinguishes recipients, but is too short to identify one.
fn short_hash(recipient: &str) -> String {
    let mut hasher = DefaultHasher::new();
    recipient.hash(&mut hasher);
    format!("{:04x}", hasher.finish() & 0xffff)
}
