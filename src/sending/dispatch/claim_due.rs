//! Claims due messages in groups: one transaction and one fsync for all that an account may send
//! now.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::campaign::CampaignId;
use crate::domain::circuit_breaker::SubmissionPurpose;
use crate::domain::ids::{AttemptId, MessageId};
use crate::domain::message::{Message, MessageDraft, OutgoingMessage};
use crate::domain::paused_by::PausedBy;
use crate::domain::phone::PhoneNumber;
use crate::domain::provider_account::{Account, AccountMode};
use crate::domain::send_flow::{self, Readiness, SendFlow};
use crate::providers::{self, SendStep};
use crate::sending::dispatch::claimed_message::ClaimedMessage;
use crate::sending::dispatch::{Dispatcher, report_token};
use crate::sending::in_flight_limit::{CallReservation, LOOKAHEAD};
use crate::sending::submission_window::CallTiming;
use crate::sending::transcript;
use crate::store::ledger::Ledger;
use crate::store::send_queue::Claim;

/// How long a claim outlives the call's timeout, to leave time for recording the outcome.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);
/// Messages per transaction: as many as have slots in half of [`LOOKAHEAD`] at the highest rate.
const GROUP_LIMIT: usize = 256;
/// Groups of unsendable messages that one claim of an account skips.
const UNSENDABLE_GROUPS: usize = 10;

/// A due message with its first call, which is built only once, so that the stored request is the
/// one that is sent.
struct PreparedMessage {
    outgoing: OutgoingMessage,
    first_step: SendStep,
    /// Redacted.
    request: String,
}

/// What an account may send now.
#[derive(Clone, Copy)]
struct Allowance {
    purpose: SubmissionPurpose,
    rate: Option<f64>,
    wanted: usize,
    /// Read from the steady clock.
    now: DateTime<Utc>,
    /// The last slot to reserve.
    until: DateTime<Utc>,
    timing: CallTiming,
}

/// How long a claim of a message of this account lasts.
pub(super) fn claim_duration(account: &Account) -> TimeDelta {
    let timeout = TimeDelta::from_std(account.timeout).unwrap_or(TimeDelta::seconds(60));
    timeout + LEASE_MARGIN
}

impl Dispatcher {
    /// Claims due messages of every account, within its rate and its limit of concurrent
    /// submissions, so that no account waits for another's provider. Passes each message to
    /// `start`.
    ///
    /// Returns the earliest time, on the steady clock, at which an account may send again; `None` if
    /// no time is known.
    pub async fn claim_and_start(
        &self,
        mut start: impl FnMut(ClaimedMessage),
    ) -> Result<Option<DateTime<Utc>>, db::Error> {
        let records = self.store.list_accounts().await?;
        let flows = self.store.list_send_flows().await?;
        let with_due = self.store.list_accounts_with_due(self.clock.now()).await?;
        let mut next: Option<DateTime<Utc>> = None;
        let mut provider_pauses = BTreeMap::new();
        for account in self.accounts.values() {
            let record = records.get(&account.id);
            if account.mode != AccountMode::Live {
                continue;
            }
            if let Some(pause) = record.and_then(|it| it.pause.as_ref()) {
                if pause.by == PausedBy::Provider {
                    provider_pauses.insert(account.id.clone(), pause.clone());
                }
                self.in_flight.stop(&account.id);
                continue;
            }
            let flow = flows.get(&account.id).cloned().unwrap_or_default();
            let allowance = match self.allowance(account, &flow) {
                Ok(allowance) => allowance,
                Err(later) => {
                    next = [next, Some(later)].into_iter().flatten().min();
                    continue;
                }
            };
            if !with_due.contains(&account.id) {
                continue;
            }
            let claimed = self.claim_for_account(account, allowance, &mut start);
            let next_claim = match claimed.await {
                Err(error) if !error.is_transient() => {
                    // The other accounts must not wait for this one.
                    tracing::error!(%error, account.id = %account.id, "messages of an account cannot be claimed");
                    None
                }
                claimed => claimed?,
            };
            next = [next, next_claim].into_iter().flatten().min();
        }
        self.known_flows.replace(flows, provider_pauses);
        Ok(next)
    }

    /// Claims due messages and returns them. After the first claim an error is only logged, because
    /// claimed messages must be submitted.
    pub async fn claim_due(&self) -> Result<Vec<ClaimedMessage>, db::Error> {
        let mut claimed = Vec::new();
        match self.claim_and_start(|work| claimed.push(work)).await {
            Err(error) if claimed.is_empty() => return Err(error),
            Err(error) => tracing::warn!(%error, "cannot claim all due messages"),
            Ok(_) => {}
        }
        Ok(claimed)
    }

    async fn claim_for_account(
        &self,
        account: &Account,
        allowance: Allowance,
        start: &mut impl FnMut(ClaimedMessage),
    ) -> Result<Option<DateTime<Utc>>, db::Error> {
        let Allowance {
            purpose,
            wanted,
            timing,
            now,
            until,
            ..
        } = allowance;
        let reservations = self.in_flight.reserve(account, wanted, purpose, timing);
        if reservations.is_empty() {
            return Ok(None);
        }
        let (prepared, more) = self.list_prepared(account, reservations.len()).await?;
        // A full list may not be complete.
        let more = more || prepared.len() == wanted;
        if prepared.is_empty() {
            return Ok(more.then_some(now));
        }
        let last_slot = self
            .claim_group(account, prepared, reservations, allowance, start)
            .await?;
        Ok(more.then(|| last_slot.unwrap_or(until) - (until - now) / 2))
    }

    /// Due messages of an account, and whether there are certainly more. Fails messages that cannot
    /// be sent, and lists others in their places.
    async fn list_prepared(
        &self,
        account: &Account,
        limit: usize,
    ) -> Result<(Vec<PreparedMessage>, bool), db::Error> {
        for _ in 0..UNSENDABLE_GROUPS {
            let now = self.clock.now();
            let due = self.store.list_due(&account.id, now, limit).await?;
            let mut unsendable: Vec<(MessageId, String)> = Vec::new();
            let mut prepared = Vec::new();
            for (id, error) in due.unreadable {
                unsendable.push((id, error.to_string()));
            }
            for message in due.messages {
                let id = message.id;
                match self.prepare(message, account) {
                    Ok(message) => prepared.push(message),
                    Err(reason) => unsendable.push((id, reason.to_owned())),
                }
            }
            if unsendable.is_empty() {
                return Ok((prepared, false));
            }
            self.fail_unsendable(&account.id, &unsendable).await?;
            if !prepared.is_empty() {
                return Ok((prepared, true));
            }
        }
        Ok((Vec::new(), true))
    }

    /// Fails with the time at which the account may send again.
    fn allowance(&self, account: &Account, flow: &SendFlow) -> Result<Allowance, DateTime<Utc>> {
        let now = self.steady_clock.now();
        let purpose = match flow.readiness(now) {
            Readiness::WaitUntil(at) => {
                // Another process may have recorded the failure.
                self.in_flight.stop(&account.id);
                return Err(at);
            }
            Readiness::Ready(purpose) => purpose,
        };
        let rate = flow.rate(account.rate, now);
        let limit = match purpose {
            SubmissionPurpose::Probe => 1,
            SubmissionPurpose::Sending => GROUP_LIMIT,
        };
        let mut allowance = Allowance {
            purpose,
            rate,
            wanted: limit,
            now,
            until: now,
            timing: CallTiming::AtOnce,
        };
        if let Some(rate) = rate {
            if !self.steady_clock.is_simulated() {
                allowance.until = now + LOOKAHEAD;
                let interval = send_flow::interval(rate).to_std();
                allowance.timing = CallTiming::InSlots(interval.unwrap_or_default());
            }
            // If the slots of the next half of the lookahead are reserved, wait, so that messages
            // are claimed in groups.
            let half = (allowance.until - now) / 2;
            let next = flow.next_slot(rate, now, allowance.until);
            if next > now + half {
                return Err(next - half);
            }
            let mut ahead = flow.clone();
            let slots = ahead.reserve_slots(rate, limit, now, allowance.until);
            allowance.wanted = slots.len();
        }
        Ok(allowance)
    }

    /// Fails with the reason why the message can never be sent.
    fn prepare(
        &self,
        message: Message,
        account: &Account,
    ) -> Result<PreparedMessage, &'static str> {
        let mut outgoing = self.outgoing_message(message)?;
        self.uploads.resolve_upload(&mut outgoing.draft.media);
        let tokens = [report_token(&outgoing.report_url)];
        let first_step = providers::get(account.provider()).send(account, &outgoing, &[]);
        let request = match &first_step {
            SendStep::Call(call) => transcript::format_request(call, account, &tokens),
            SendStep::Accepted(_) | SendStep::Failed(_) => String::new(),
        };
        Ok(PreparedMessage {
            outgoing,
            first_step,
            request,
        })
    }

    /// Returns the last slot that was reserved.
    ///
    /// **Invariant:** the attempts are committed before `start` sees their messages.
    async fn claim_group(
        &self,
        account: &Account,
        prepared: Vec<PreparedMessage>,
        reservations: Vec<CallReservation>,
        allowance: Allowance,
        start: &mut impl FnMut(ClaimedMessage),
    ) -> Result<Option<DateTime<Utc>>, db::Error> {
        // After an error no call begins.
        if let Err(error) = self.started_calls.open() {
            tracing::warn!(%error, "the file of started calls cannot be opened");
        }
        let mut ledger = self.store.ledger(self.clock.now()).await?;
        let claimed = self
            .claim_in(&mut ledger, account, prepared, allowance)
            .await?;
        if claimed.is_empty() {
            ledger.roll_back().await;
            return Ok(None);
        }
        self.store.commit(ledger).await?;
        let last_slot = claimed.last().map(|claimed| claimed.call_at);
        for (claimed, reservation) in claimed.into_iter().zip(reservations) {
            start(ClaimedMessage {
                reservation: Some(reservation),
                ..claimed
            });
        }
        Ok(last_slot)
    }

    async fn claim_in(
        &self,
        ledger: &mut Ledger,
        account: &Account,
        prepared: Vec<PreparedMessage>,
        allowance: Allowance,
    ) -> Result<Vec<ClaimedMessage>, db::Error> {
        // Read after waiting for the transaction: earlier slots would all be due at once.
        let now = self.steady_clock.now();
        let until = now + (allowance.until - allowance.now);
        let ids: Vec<_> = prepared.iter().map(|message| message.outgoing.id).collect();
        ledger.load(&ids).await?;
        // Another process may have changed it since.
        let mut flow = ledger.find_send_flow(&account.id).await?;
        if ledger.is_paused(&account.id).await?
            || flow.readiness(now) != Readiness::Ready(allowance.purpose)
        {
            return Ok(Vec::new());
        }
        let campaigns = prepared.iter().filter_map(campaign_to_check);
        let stopped = ledger.list_stopped_campaigns(campaigns).await?;
        let queued: Vec<PreparedMessage> = prepared
            .into_iter()
            .filter(|message| ledger.is_due(message.outgoing.id))
            .filter(|message| campaign_to_check(message).is_none_or(|id| !stopped.contains(id)))
            .collect();
        let slots = match allowance.rate {
            Some(rate) => flow.reserve_slots(rate, queued.len(), now, until),
            None => vec![now; queued.len()],
        };
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        if allowance.purpose == SubmissionPurpose::Probe {
            // No other process sends one until the outcome is known.
            flow.breaker.postpone_probe(now + claim_duration(account));
        }
        if allowance.purpose == SubmissionPurpose::Probe || allowance.rate.is_some() {
            ledger.store_send_flow(&account.id, &flow).await?;
        }
        let lease_until = until + claim_duration(account);
        let (mut claims, mut claimed) = (Vec::new(), Vec::new());
        for (message, call_at) in queued.into_iter().zip(slots) {
            let attempt = AttemptId::new(ledger.now());
            let claim = Claim {
                holder: self.holder,
                lease_until,
                attempt,
                request: message.request,
            };
            claims.push((message.outgoing.id, claim));
            claimed.push(ClaimedMessage {
                outgoing: message.outgoing,
                account: account.clone(),
                attempt,
                number: 0,
                call_at,
                purpose: allowance.purpose,
                first_step: message.first_step,
                reservation: None,
            });
        }
        let numbers = ledger.claim(claims).await?;
        for (claimed, number) in claimed.iter_mut().zip(numbers) {
            claimed.number = number;
        }
        Ok(claimed)
    }

    fn outgoing_message(&self, message: Message) -> Result<OutgoingMessage, &'static str> {
        let recipient = message.recipient.ok_or("it has no recipient")?;
        let recipient = PhoneNumber::parse(&format!("+{recipient}"))
            .map_err(|_| "its recipient is not a phone number")?;
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
            recipient,
            name: message.name,
            media: message.media.ok_or("it has no media")?,
            references: message.references,
            client_reference: message.client_reference,
            options: message.options,
            resend_of: message.resend_of,
            campaign: message.campaign,
            template: message.template,
        };
        Ok(OutgoingMessage {
            id: message.id,
            draft,
            report_url,
        })
    }
}

/// The campaign whose state decides whether the message is sent. A resend is sent even if its
/// campaign was cancelled before.
fn campaign_to_check(message: &PreparedMessage) -> Option<&CampaignId> {
    let draft = &message.outgoing.draft;
    draft
        .campaign
        .as_ref()
        .filter(|_| draft.resend_of.is_none())
}
