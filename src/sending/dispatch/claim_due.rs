//! Claims due messages and records their attempts.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::ids::AttemptId;
use crate::domain::message::{Message, MessageDraft, OutgoingMessage};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider_account::{Account, AccountMode};
use crate::providers::{self, SendStep};
use crate::sending::dispatch::{ClaimedMessage, Dispatcher, report_token};
use crate::sending::pace::{self, InFlightPermit};
use crate::sending::transcript;
use crate::store::send_queue::Claim;

/// How long a claim outlives the call's timeout, to leave time for recording the outcome.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);

enum ClaimOutcome {
    Claimed(Box<ClaimedMessage>),
    /// Claimed by another worker, or no longer to be sent.
    Unavailable,
    /// The account's rate does not allow another submission yet.
    RateLimited,
}

/// How long a claim of a message of this account lasts.
pub(super) fn longest_claim(account: &Account) -> TimeDelta {
    let timeout = TimeDelta::from_std(account.timeout).unwrap_or(TimeDelta::seconds(60));
    timeout + LEASE_MARGIN
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
        for account in self.list_sendable_accounts().await? {
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
    async fn list_sendable_accounts(&self) -> Result<Vec<&Account>, db::Error> {
        let records = self.store.list_accounts().await?;
        let now = self.steady_clock.now();
        let must_wait = |account: &&Account| {
            records.get(&account.id).is_some_and(|record| {
                let gap = pace::minimum_interval(account);
                record.pause.is_some() || gap.is_some_and(|gap| record.must_wait_for_slot(gap, now))
            })
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
        let Some(mut outgoing) = self.outgoing_message(message) else {
            return Ok(ClaimOutcome::Unavailable);
        };
        self.uploads.set_local_path(&mut outgoing.draft.media);
        let tokens = [report_token(&outgoing.report_url)];
        let first_step = providers::get(account.provider()).send(account, &outgoing, &[]);
        let request = match &first_step {
            SendStep::Call(call) => transcript::format_request(call, account, &tokens),
            SendStep::Accepted(_) | SendStep::Failed(_) => String::new(),
        };
        let attempt = AttemptId::new(now);
        let claim = Claim {
            holder: self.holder,
            lease_until: self.steady_clock.now() + longest_claim(account),
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
            && !ledger
                .claim_send_slot(&account.id, interval, self.steady_clock.now())
                .await?
        {
            ledger.roll_back().await;
            return Ok(ClaimOutcome::RateLimited);
        }
        self.store.commit(ledger).await?;
        Ok(ClaimOutcome::Claimed(Box::new(ClaimedMessage {
            outgoing,
            account: account.clone(),
            attempt,
            first_step,
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
            campaign: message.campaign,
        };
        Some(OutgoingMessage {
            id: message.id,
            draft,
            report_url,
        })
    }
}
