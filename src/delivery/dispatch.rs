//! Handing messages over: claim, record the attempt, call the provider, record what came of it.
//!
//! **Invariant:** the attempt is committed before the first byte leaves, and a message whose outcome is not known is never sent again by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use uuid::Uuid;

use crate::delivery::accept::discard_upload;
use crate::delivery::transcript;
use crate::delivery::transport::Transport;
use crate::domain::clock::Clock;
use crate::domain::delivery::{Fact, Pricing, QueueWord, Receipt, SourceKind, Stage};
use crate::domain::dictionary;
use crate::domain::failure::Failure;
use crate::domain::ids::{AccountId, ActionId, AttemptId, MessageId, ProviderMessageId};
use crate::domain::message::{Draft, Message, Outgoing};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider::{Accepted, Account, Mode, Retry, SendError};
use crate::keys::Keys;
use crate::providers::{self, HttpReply, SendStep};
use crate::store::accounts::{AccountRecord, Pause};
use crate::store::attempts::AttemptOutcome;
use crate::store::ledger::{Bound, LearnedFrom, Ledger};
use crate::store::queue::{Claim, Exchange};
use crate::store::{self, Store};

/// Repeats after the first attempt.
const RETRIES: u32 = 5;
/// Our own back-off: 2 s, doubled each time, at most 5 min, with jitter.
const FIRST_BACK_OFF: Duration = Duration::from_secs(2);
const LONGEST_BACK_OFF: Duration = Duration::from_mins(5);
/// Calls a provider may want for one message; more would be a loop.
const CALLS_PER_ATTEMPT: usize = 4;
/// How much longer than the call's time-out a claim lives, for recording the outcome.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);
/// How often recording an outcome is tried while the database is busy: an outcome that is lost becomes `uncertain`.
const RECORD_TRIES: u32 = 20;
/// Expired or abandoned messages looked at in one sweep.
const SWEEP_LIMIT: u64 = 200;

/// Hands messages over to their providers.
#[derive(Clone)]
pub struct Dispatcher {
    store: Store,
    transport: Transport,
    accounts: Arc<BTreeMap<AccountId, Account>>,
    keys: Arc<Keys>,
    public_url: String,
    clock: Arc<dyn Clock>,
    holder: Uuid,
    /// When each rate-limited account may send next.
    next_slot: Arc<Mutex<HashMap<AccountId, DateTime<Utc>>>>,
}

/// A claimed message with everything that its hand-over needs.
#[derive(Debug)]
pub struct HandOver {
    outgoing: Outgoing,
    account: Account,
    attempt: AttemptId,
}

impl Dispatcher {
    /// A dispatcher whose claims carry `holder`.
    pub fn new(
        store: Store,
        transport: Transport,
        accounts: Arc<BTreeMap<AccountId, Account>>,
        keys: Arc<Keys>,
        public_url: String,
        clock: Arc<dyn Clock>,
        holder: Uuid,
    ) -> Self {
        Self {
            store,
            transport,
            accounts,
            keys,
            public_url,
            clock,
            holder,
            next_slot: Arc::default(),
        }
    }

    /// Claims at most `room` due messages, an equal share of each account that may send, so that none waits behind another.
    pub async fn claim_due(&self, room: u64) -> Result<Vec<HandOver>, store::Error> {
        let now = self.clock.now();
        let sending = self.list_sending().await?;
        let share = (room / u64::try_from(sending.len().max(1)).unwrap_or(1)).max(1);
        let mut left = room;
        let mut claimed = Vec::new();
        for account in sending {
            for message in self
                .store
                .list_due(&account.id, now, share.min(left))
                .await?
            {
                if !self.takes_slot(account, now) {
                    break;
                }
                if let Some(work) = self.claim(message, account, now).await? {
                    left -= 1;
                    claimed.push(work);
                }
            }
        }
        Ok(claimed)
    }

    /// Live accounts that are not paused.
    async fn list_sending(&self) -> Result<Vec<&Account>, store::Error> {
        let records = self.store.list_accounts().await?;
        let is_paused = |account: &&Account| {
            records
                .get(&account.id)
                .is_some_and(|record| record.pause.is_some())
        };
        let live = self
            .accounts
            .values()
            .filter(|account| account.mode == Mode::Live);
        Ok(live.filter(|account| !is_paused(account)).collect())
    }

    /// Spaces the messages of an account that has a rate.
    fn takes_slot(&self, account: &Account, now: DateTime<Utc>) -> bool {
        let Some(rate) = account.rate else {
            return true;
        };
        let gap = TimeDelta::from_std(Duration::from_secs_f64(1.0 / rate))
            .unwrap_or(TimeDelta::seconds(1));
        let mut slots = self
            .next_slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(account.id.clone()).or_insert(now);
        if *slot > now {
            return false;
        }
        // A pause is not made up for by a burst.
        *slot = (*slot).max(now - gap) + gap;
        true
    }

    async fn claim(
        &self,
        message: Message,
        account: &Account,
        now: DateTime<Utc>,
    ) -> Result<Option<HandOver>, store::Error> {
        let Some(outgoing) = self.outgoing(message) else {
            return Ok(None);
        };
        let tokens = [report_token(&outgoing.report_url)];
        let request = match providers::of(account.provider()).send(account, &outgoing, &[]) {
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
            return Ok(None);
        }
        self.store.commit(ledger).await?;
        Ok(Some(HandOver {
            outgoing,
            account: account.clone(),
            attempt,
        }))
    }

    fn outgoing(&self, message: Message) -> Option<Outgoing> {
        let report_url = format!(
            "{}/reports/{}",
            self.public_url,
            self.keys.report_token(&message.account, message.id)
        );
        let draft = Draft {
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
        Some(Outgoing {
            id: message.id,
            draft,
            report_url,
        })
    }

    /// Makes the calls of one claimed message and records what came of them.
    pub async fn hand_over(&self, work: HandOver) {
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
                    if done == Recorded::Finished {
                        discard_upload(Some(&work.outgoing.draft.media)).await;
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

    async fn converse(&self, work: &HandOver) -> (Result<Accepted, SendError>, Option<HttpReply>) {
        let provider = providers::of(work.account.provider());
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

    async fn record(
        &self,
        work: &HandOver,
        result: &Result<Accepted, SendError>,
        mut exchange: Exchange,
    ) -> Result<Recorded, store::Error> {
        let now = self.clock.now();
        let id = work.outgoing.id;
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let recorded = match result {
            Ok(accepted) => {
                let mut notes = accepted.warnings.clone();
                notes.extend(learn(&mut ledger, id, &work.account.id, &accepted.ids).await?);
                ledger.add(
                    id,
                    receipt(
                        SourceKind::Attempt,
                        work.attempt.uuid(),
                        Fact::Stage(Stage::Submitted),
                        now,
                    ),
                )?;
                ledger.leave_queue(id, QueueWord::Done)?;
                exchange.outcome = AttemptOutcome::Accepted;
                exchange.detail = (!notes.is_empty()).then(|| notes.join("; "));
                Recorded::Finished
            }
            Err(error) => {
                self.record_failure(&mut ledger, work, error, &mut exchange)
                    .await?
            }
        };
        ledger.finish_attempt(work.attempt, exchange).await?;
        self.store.commit(ledger).await?;
        Ok(recorded)
    }

    async fn record_failure(
        &self,
        ledger: &mut Ledger,
        work: &HandOver,
        error: &SendError,
        exchange: &mut Exchange,
    ) -> Result<Recorded, store::Error> {
        let (id, now) = (work.outgoing.id, ledger.now());
        let tokens = [report_token(&work.outgoing.report_url)];
        let failure = transcript::failure(error.failure(), &work.account, &tokens);
        let words = describe(&failure);
        exchange.detail = Some(words.clone());
        if !error.is_certain() {
            exchange.outcome = AttemptOutcome::Unclear;
            ledger.leave_queue(id, QueueWord::Uncertain)?;
            return Ok(Recorded::Finished);
        }
        ledger.take_back(id)?;
        if let Some(wait) = wait_before_retry(&work.account, error, ledger.tries(id)) {
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
            receipt(
                SourceKind::Attempt,
                work.attempt.uuid(),
                Fact::Failure(failure),
                now,
            ),
        )?;
        ledger.leave_queue(id, QueueWord::Done)?;
        if error.pauses_account() {
            ledger.pause_account(&work.account.id, &words).await?;
            tracing::warn!(account.id = %work.account.id, "the provider refused the account; sending is paused");
        }
        Ok(Recorded::Finished)
    }

    /// Fails what waited too long, and marks as uncertain what a dead worker left behind.
    pub async fn sweep(&self) -> Result<(), store::Error> {
        let now = self.clock.now();
        let expired = self.store.list_expired(now, SWEEP_LIMIT).await?;
        if !expired.is_empty() {
            let accounts = self.store.list_accounts().await?;
            for id in expired {
                self.expire(id, &accounts, now).await?;
            }
        }
        for id in self.store.list_abandoned(now, SWEEP_LIMIT).await? {
            self.abandon(id, now).await?;
        }
        Ok(())
    }

    async fn expire(
        &self,
        id: MessageId,
        accounts: &BTreeMap<AccountId, AccountRecord>,
        now: DateTime<Utc>,
    ) -> Result<(), store::Error> {
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let Some(message) = ledger
            .find(id)?
            .filter(|message| message.queue == QueueWord::Queued)
        else {
            ledger.roll_back().await;
            return Ok(());
        };
        let pause = accounts
            .get(&message.account)
            .and_then(|record| record.pause.as_ref());
        let failure = Failure {
            code: Some(dictionary::EXPIRED.to_owned()),
            title: Some("it waited too long to be handed over".to_owned()),
            detail: pause.map(Pause::in_words).or(message.hold.clone()),
            key: None,
        };
        ledger.add(
            id,
            receipt(
                SourceKind::Action,
                ActionId::new(now).uuid(),
                Fact::Failure(failure),
                now,
            ),
        )?;
        ledger.leave_queue(id, QueueWord::Done)?;
        self.store.commit(ledger).await?;
        discard_upload(message.media.as_ref()).await;
        Ok(())
    }

    async fn abandon(&self, id: MessageId, now: DateTime<Utc>) -> Result<(), store::Error> {
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let Some(message) = ledger
            .find(id)?
            .filter(|message| message.queue == QueueWord::Sending)
        else {
            ledger.roll_back().await;
            return Ok(());
        };
        if let Some(attempt) = ledger.find_open_attempt(id).await? {
            let exchange = Exchange {
                outcome: AttemptOutcome::Unclear,
                http_status: None,
                duration_ms: 0,
                reply: None,
                detail: Some(
                    "the program ended before the provider's answer was recorded".to_owned(),
                ),
            };
            ledger.finish_attempt(attempt, exchange).await?;
        }
        ledger.leave_queue(id, QueueWord::Uncertain)?;
        self.store.commit(ledger).await?;
        discard_upload(message.media.as_ref()).await;
        Ok(())
    }
}

/// Whether the queue is done with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Recorded {
    Finished,
    Postponed,
}

/// Binds the ids of a reply; what was odd about them comes back in words.
async fn learn(
    ledger: &mut Ledger,
    message: MessageId,
    account: &AccountId,
    ids: &[ProviderMessageId],
) -> Result<Vec<String>, store::Error> {
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

fn receipt(source_kind: SourceKind, source: Uuid, fact: Fact, now: DateTime<Utc>) -> Receipt {
    // Our own exchange happened by our own clock.
    let occurred_at = Some(now);
    Receipt {
        source_kind,
        source,
        part: 0,
        fact,
        occurred_at,
        received_at: now,
        recipient: None,
        pricing: Pricing::default(),
    }
}

/// How long to wait before the next attempt, or `None` when there is none.
fn wait_before_retry(account: &Account, error: &SendError, tries: u32) -> Option<Duration> {
    let made = tries.saturating_sub(1);
    // A provider's own schedule counts where the provider asked for another try, not where it could not be reached.
    let schedule = match error {
        SendError::TryLater { .. } => {
            providers::of(account.provider())
                .capabilities()
                .retry_schedule
        }
        _ => &[],
    };
    match error.retry() {
        Retry::No => None,
        Retry::After(wait) => (made < RETRIES).then_some(wait.min(Duration::from_hours(1))),
        Retry::BackOff if !schedule.is_empty() => {
            schedule.get(usize::try_from(made).ok()?).copied()
        }
        Retry::BackOff => (made < RETRIES).then(|| back_off(made)),
    }
}

fn back_off(made: u32) -> Duration {
    let full = FIRST_BACK_OFF
        .saturating_mul(1 << made.min(16))
        .min(LONGEST_BACK_OFF);
    full.mul_f64(rand::rng().random_range(0.5..1.0))
}

fn describe(failure: &Failure) -> String {
    [&failure.code, &failure.title, &failure.detail]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The last part of a report address: whoever has it can report.
fn report_token(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
