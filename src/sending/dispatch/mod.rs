//! Handing messages over: claim, record the attempt, call the provider, record what came of it.
//!
//! **Invariant:** the attempt is committed before the first byte leaves, and a message whose outcome is not known is never sent again by itself.

mod record;
mod sweep;
mod tally;

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
use crate::sending::pace::{self, InFlight, Place};
use crate::sending::transcript;
use crate::sending::transport::Transport;
use crate::sending::uploads::{self, Uploads};
use crate::store::Store;
use crate::store::attempts::AttemptOutcome;
use crate::store::queue::{Claim, Exchange};
use record::Recorded;
pub use tally::Tally;

/// Calls a provider may want for one message; more would be a loop.
const CALLS_PER_ATTEMPT: usize = 4;
/// How much longer than the call's time-out a claim lives, for recording the outcome.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);
/// How often recording an outcome is tried while the database is busy: an outcome that is lost becomes `uncertain`.
const RECORD_TRIES: u32 = 40;

/// Hands messages over to their providers.
#[derive(Clone)]
pub struct Dispatcher {
    /// Where messages wait.
    pub store: Store,
    /// How providers are called.
    pub transport: Transport,
    /// Configured accounts by id.
    pub accounts: Arc<BTreeMap<AccountId, Account>>,
    /// Signs the report addresses.
    pub keys: Arc<Keys>,
    /// What they begin with.
    pub public_url: String,
    /// What "now" is.
    pub clock: Arc<dyn Clock>,
    /// Names this process in its claims.
    pub holder: Uuid,
    /// Where uploaded files are.
    pub uploads: Uploads,
    /// Counts what each account has in flight.
    pub in_flight: Arc<InFlight>,
    /// Counts how attempts ended.
    pub tally: Tally,
}

/// A claimed message with everything that its hand-over needs.
#[derive(Debug)]
pub struct HandOver {
    outgoing: OutgoingMessage,
    account: Account,
    attempt: AttemptId,
    /// Free for another message when this one is done.
    _place: Place,
}

/// What became of a message that was due.
enum Claimed {
    /// It is ours.
    Work(Box<HandOver>),
    /// Somebody else's, or not to be sent any more.
    Gone,
    /// The account's next place has not come.
    TooSoon,
}

impl Dispatcher {
    /// Claims due messages, of each account as many as it may still have in flight, so that none waits behind another's provider.
    ///
    /// Each is given to `begin` as soon as it is claimed: a process that dies leaves messages uncertain that nobody had begun to send.
    pub async fn claim_each(&self, mut begin: impl FnMut(HandOver)) -> Result<(), db::Error> {
        let now = self.clock.now();
        for account in self.list_sending(now).await? {
            self.claim_of(account, now, &mut begin).await?;
        }
        Ok(())
    }

    /// The same, for a caller that hands over one after the other. Once anything is claimed an error is only logged: what is claimed must be handed over.
    pub async fn claim_due(&self) -> Result<Vec<HandOver>, db::Error> {
        let mut claimed = Vec::new();
        match self.claim_each(|work| claimed.push(work)).await {
            Err(error) if claimed.is_empty() => return Err(error),
            Err(error) => tracing::warn!(%error, "the send queue could not be read to its end"),
            Ok(()) => {}
        }
        Ok(claimed)
    }

    async fn claim_of(
        &self,
        account: &Account,
        now: DateTime<Utc>,
        begin: &mut impl FnMut(HandOver),
    ) -> Result<(), db::Error> {
        let room = self.in_flight.room(&account.id);
        if room == 0 {
            return Ok(());
        }
        for message in self.store.list_due(&account.id, now, room).await? {
            let Some(place) = self.in_flight.take(&account.id) else {
                break;
            };
            match self.claim(message, account, place, now).await? {
                Claimed::Work(work) => begin(*work),
                Claimed::Gone => {}
                Claimed::TooSoon => break,
            }
        }
        Ok(())
    }

    /// Live accounts that are not paused, and whose next place has come.
    async fn list_sending(&self, now: DateTime<Utc>) -> Result<Vec<&Account>, db::Error> {
        let records = self.store.list_accounts().await?;
        let waits = |account: &&Account| {
            let record = records.get(&account.id);
            let next = record.and_then(|record| record.next_send_at);
            record.is_some_and(|record| record.pause.is_some())
                || (account.rate.is_some() && next.is_some_and(|next| next > now))
        };
        let live = self
            .accounts
            .values()
            .filter(|account| account.mode == AccountMode::Live);
        Ok(live.filter(|account| !waits(account)).collect())
    }

    async fn claim(
        &self,
        message: Message,
        account: &Account,
        place: Place,
        now: DateTime<Utc>,
    ) -> Result<Claimed, db::Error> {
        let Some(outgoing) = self.outgoing(message) else {
            return Ok(Claimed::Gone);
        };
        let tokens = [report_token(&outgoing.report_url)];
        let request = match providers::get(account.provider()).send(account, &outgoing, &[]) {
            SendStep::Call(call) => transcript::request(&call, account, &tokens),
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
            return Ok(Claimed::Gone);
        }
        if let Some(gap) = pace::gap(account)
            && !ledger.take_place(&account.id, gap).await?
        {
            ledger.roll_back().await;
            return Ok(Claimed::TooSoon);
        }
        self.store.commit(ledger).await?;
        Ok(Claimed::Work(Box::new(HandOver {
            outgoing,
            account: account.clone(),
            attempt,
            _place: place,
        })))
    }

    fn outgoing(&self, message: Message) -> Option<OutgoingMessage> {
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

    /// Makes the calls of one claimed message and records what came of them.
    pub async fn hand_over(&self, mut work: HandOver) {
        self.uploads
            .fetch(work.outgoing.id, &mut work.outgoing.draft.media)
            .await;
        let started = Instant::now();
        let (result, last) = self.converse(&work).await;
        let exchange = Exchange {
            outcome: AttemptOutcome::Unclear,
            http_status: last.as_ref().map(|reply| reply.status),
            duration_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
            reply: last.map(|reply| {
                transcript::reply(
                    &reply,
                    &work.account,
                    &[report_token(&work.outgoing.report_url)],
                )
            }),
            detail: None,
        };
        for pause in (0..RECORD_TRIES).map(|n| Duration::from_millis(100 << n.min(5))) {
            match self.record(&work, &result, exchange.clone()).await {
                Ok(done) => {
                    // Where the file is kept in the database, this was a copy.
                    if done == Recorded::Finished || self.store.is_shared() {
                        uploads::discard(Some(&work.outgoing.draft.media));
                    }
                    return;
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, message.id = %work.outgoing.id, "an outcome could not be recorded yet");
                    tokio::time::sleep(pause).await;
                }
                Err(error) => {
                    tracing::error!(%error, message.id = %work.outgoing.id, "an outcome could not be recorded");
                    return;
                }
            }
        }
    }

    async fn converse(
        &self,
        work: &HandOver,
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
                            "the provider asks for too many calls".to_owned(),
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

/// The last part of a report address: whoever has it can report.
fn report_token(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
