//! Submits messages: claims a message, records the attempt, calls the provider, records the
//! outcome.
//!
//! **Invariant:** the attempt is committed before the first byte is sent, and a message with an
//! unknown outcome is never sent again automatically.

mod attempt_counter;
mod queue_sweep;
mod record_outcome;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::db;
use crate::domain::clock::Clock;
use crate::domain::ids::{AccountId, AttemptId};
use crate::domain::message::{Message, MessageDraft, OutgoingMessage};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider_account::{Account, AccountMode};
use crate::domain::send_error::{ProviderAcceptance, SendError};
use crate::keys::Keys;
use crate::providers::{self, HttpReply, SendStep};
use crate::sending::pace::{self, InFlight, InFlightPermit};
use crate::sending::transcript;
use crate::sending::transport::Transport;
use crate::sending::upload_storage::{self, UploadStorage};
use crate::store::Store;
use crate::store::attempts::AttemptOutcome;
use crate::store::queue::{Claim, Exchange};
pub use attempt_counter::AttemptCounter;
use record_outcome::RecordedOutcome;

/// HTTP calls per attempt; more indicate a loop.
const CALLS_PER_ATTEMPT: usize = 4;
/// How long a claim outlives the call's timeout, to leave time for recording the outcome.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);
/// Tries to record an outcome while the database is busy. If all fail, the message becomes
/// `uncertain`.
const RECORD_TRIES: u32 = 40;

#[derive(Clone)]
pub struct Dispatcher {
    pub store: Store,
    pub transport: Transport,
    pub accounts: Arc<BTreeMap<AccountId, Account>>,
    /// Signs report URLs.
    pub keys: Arc<Keys>,
    /// The base of report URLs.
    pub public_url: String,
    pub clock: Arc<dyn Clock>,
    /// Identifies this process in its claims.
    pub holder: Uuid,
    pub uploads: UploadStorage,
    pub in_flight: Arc<InFlight>,
    pub attempt_counter: AttemptCounter,
}

#[derive(Debug)]
pub struct ClaimedMessage {
    outgoing: OutgoingMessage,
    account: Account,
    attempt: AttemptId,
    /// Released on drop, when the submission has ended.
    _permit: InFlightPermit,
}

enum ClaimOutcome {
    Claimed(Box<ClaimedMessage>),
    /// Claimed by another worker, or no longer to be sent.
    Unavailable,
    /// The account's rate does not allow another submission yet.
    RateLimited,
}

impl Dispatcher {
    /// Claims due messages of every account, within its limit of concurrent submissions, so that no
    /// account waits for another's provider.
    ///
    /// Passes each message to `start` immediately: messages claimed by a process that dies become
    /// uncertain even if their submission had not begun.
    pub async fn claim_and_start(
        &self,
        mut start: impl FnMut(ClaimedMessage),
    ) -> Result<(), db::Error> {
        let now = self.clock.now();
        for account in self.list_sendable_accounts(now).await? {
            self.claim_for_account(account, now, &mut start).await?;
        }
        Ok(())
    }

    /// Claims due messages and returns them. After the first claim an error is only logged, because
    /// claimed messages must be submitted.
    pub async fn claim_due(&self) -> Result<Vec<ClaimedMessage>, db::Error> {
        let mut claimed = Vec::new();
        match self.claim_and_start(|work| claimed.push(work)).await {
            Err(error) if claimed.is_empty() => return Err(error),
            Err(error) => tracing::warn!(%error, "cannot claim all due messages"),
            Ok(()) => {}
        }
        Ok(claimed)
    }

    async fn claim_for_account(
        &self,
        account: &Account,
        now: DateTime<Utc>,
        start: &mut impl FnMut(ClaimedMessage),
    ) -> Result<(), db::Error> {
        let available = self.in_flight.available(&account.id);
        if available == 0 {
            return Ok(());
        }
        for message in self.store.list_due(&account.id, now, available).await? {
            let Some(permit) = self.in_flight.try_acquire(&account.id) else {
                break;
            };
            match self.claim(message, account, permit, now).await? {
                ClaimOutcome::Claimed(work) => start(*work),
                ClaimOutcome::Unavailable => {}
                ClaimOutcome::RateLimited => break,
            }
        }
        Ok(())
    }

    /// Live accounts that are not paused and whose rate allows a submission now.
    async fn list_sendable_accounts(&self, now: DateTime<Utc>) -> Result<Vec<&Account>, db::Error> {
        let records = self.store.list_accounts().await?;
        let must_wait = |account: &&Account| {
            let record = records.get(&account.id);
            let next = record.and_then(|record| record.next_send_at);
            record.is_some_and(|record| record.pause.is_some())
                || (account.rate.is_some() && next.is_some_and(|next| next > now))
        };
        let live = self
            .accounts
            .values()
            .filter(|account| account.mode == AccountMode::Live);
        Ok(live.filter(|account| !must_wait(account)).collect())
    }

    async fn claim(
        &self,
        message: Message,
        account: &Account,
        permit: InFlightPermit,
        now: DateTime<Utc>,
    ) -> Result<ClaimOutcome, db::Error> {
        let Some(outgoing) = self.outgoing_message(message) else {
            return Ok(ClaimOutcome::Unavailable);
        };
        let tokens = [report_token(&outgoing.report_url)];
        let request = match providers::get(account.provider()).send(account, &outgoing, &[]) {
            SendStep::Call(call) => transcript::format_request(&call, account, &tokens),
            SendStep::Accepted(_) | SendStep::Failed(_) => String::new(),
        };
        let attempt = AttemptId::new(now);
        let timeout = TimeDelta::from_std(account.timeout).unwrap_or(TimeDelta::seconds(60));
        let claim = Claim {
            holder: self.holder,
            lease_until: now + timeout + LEASE_MARGIN,
            attempt,
            request,
        };
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[outgoing.id]).await?;
        if ledger.is_paused(&account.id).await? || !ledger.claim(outgoing.id, &claim).await? {
            ledger.roll_back().await;
            return Ok(ClaimOutcome::Unavailable);
        }
        if let Some(interval) = pace::minimum_interval(account)
            && !ledger.take_place(&account.id, interval).await?
        {
            ledger.roll_back().await;
            return Ok(ClaimOutcome::RateLimited);
        }
        self.store.commit(ledger).await?;
        Ok(ClaimOutcome::Claimed(Box::new(ClaimedMessage {
            outgoing,
            account: account.clone(),
            attempt,
            _permit: permit,
        })))
    }

    fn outgoing_message(&self, message: Message) -> Option<OutgoingMessage> {
        let report_url = format!(
            "{}/reports/{}",
            self.public_url,
            self.keys.report_token(&message.account, message.id)
        );
        let draft = MessageDraft {
            account: message.account,
            provider: message.provider,
            origin: message.origin,
            sender: message.sender,
            recipient: PhoneNumber::parse(&format!("+{}", message.recipient?)).ok()?,
            name: message.name,
            media: message.media?,
            references: message.references,
            client_reference: message.client_reference,
            options: message.options,
            resend_of: message.resend_of,
        };
        Some(OutgoingMessage {
            id: message.id,
            draft,
            report_url,
        })
    }

    /// Calls the provider and records the outcome.
    pub async fn submit(&self, mut work: ClaimedMessage) {
        self.uploads
            .fetch(work.outgoing.id, &mut work.outgoing.draft.media)
            .await;
        let started = Instant::now();
        let (result, last) = self.run_exchange(&work).await;
        let exchange = Exchange {
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
        for delay in (0..RECORD_TRIES).map(|n| Duration::from_millis(100 << n.min(5))) {
            match self.record(&work, &result, exchange.clone()).await {
                Ok(done) => {
                    // With PostgreSQL this is only a copy.
                    if done == RecordedOutcome::Finished || self.store.is_shared() {
                        upload_storage::discard(Some(&work.outgoing.draft.media));
                    }
                    return;
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, message.id = %work.outgoing.id, "cannot record an outcome yet");
                    tokio::time::sleep(delay).await;
                }
                Err(error) => {
                    tracing::error!(%error, message.id = %work.outgoing.id, "cannot record an outcome");
                    return;
                }
            }
        }
    }

    async fn run_exchange(
        &self,
        work: &ClaimedMessage,
    ) -> (Result<ProviderAcceptance, SendError>, Option<HttpReply>) {
        let provider = providers::get(work.account.provider());
        let mut replies: Vec<HttpReply> = Vec::new();
        loop {
            let call = match provider.send(&work.account, &work.outgoing, &replies) {
                SendStep::Accepted(accepted) => return (Ok(accepted), replies.pop()),
                SendStep::Failed(error) => return (Err(error), replies.pop()),
                SendStep::Call(_) if replies.len() >= CALLS_PER_ATTEMPT => {
                    return (
                        Err(SendError::Unclear(
                            "the provider requires too many calls".to_owned(),
                        )),
                        replies.pop(),
                    );
                }
                SendStep::Call(call) => call,
            };
            match self.transport.exchange(&call, work.account.timeout).await {
                Ok(reply) => replies.push(reply),
                // An earlier call of this attempt may have had an effect.
                Err(SendError::NotReached(reason)) if !replies.is_empty() => {
                    return (Err(SendError::Unclear(reason)), replies.pop());
                }
                Err(error) => return (Err(error), replies.pop()),
            }
        }
    }
}

/// The token in a report URL; it is a secret, because anyone who knows it can send reports.
fn report_token(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
