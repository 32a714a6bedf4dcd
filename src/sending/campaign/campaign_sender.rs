//! Turns the recipients of running campaigns into messages, in groups: only so many ahead of the
//! dispatcher that a pause, a cancellation and the rate act at once.
//!
//! **Invariant:** a recipient is cleared in the transaction that queues its message, so that a crash
//! or another process never makes a second one.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::sending::accept::{Acceptor, InvalidField};
use crate::sending::campaign::import_recipients::{RejectedRow, note_rejections};
use crate::sending::campaign::recipient_content::{RecipientContent, column_of};
use crate::store::Store;
use crate::store::campaigns::{NewCampaignMessage, WaitingRecipient};
use crate::store::ledger::Ledger;

/// Queued messages of one campaign.
const LARGEST_QUEUE: f64 = 1000.0;
const SMALLEST_QUEUE: f64 = 20.0;
/// As many messages are queued as the account or the campaign sends in this time, in seconds.
const QUEUED_SECONDS: f64 = 5.0;
/// Messages of one transaction.
const GROUP: u64 = 256;
/// Messages that one step holds or cancels per campaign.
const STRAGGLERS: u64 = 500;
/// After a pause of the process the rate may make up for so much time, in seconds.
const CATCH_UP_SECONDS: f64 = 1.0;

#[derive(Clone, Debug)]
pub struct CampaignSender {
    store: Store,
    acceptor: Acceptor,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SenderStep {
    Idle,
    /// Messages were queued, as many as are allowed now.
    Queued,
    /// There may be more to do at once.
    Busy,
}

impl CampaignSender {
    pub fn new(store: Store, acceptor: Acceptor) -> Self {
        Self { store, acceptor }
    }

    /// Advances every campaign once.
    pub async fn step(&self, now: DateTime<Utc>) -> Result<SenderStep, db::Error> {
        let mut step = SenderStep::Idle;
        for campaign in self.store.list_active_campaigns(now).await? {
            let moved = match campaign.state {
                CampaignState::Scheduled => self.start_if_due(&campaign, now).await?,
                CampaignState::Running => self.queue_group(&campaign, now).await?,
                CampaignState::Paused => self.hold_stragglers(&campaign, now).await?,
                CampaignState::Cancelled => self.cancel_stragglers(&campaign, now).await?,
                CampaignState::Draft | CampaignState::Done => SenderStep::Idle,
            };
            step = step.max(moved);
        }
        Ok(step)
    }

    async fn start_if_due(
        &self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<SenderStep, db::Error> {
        if campaign.send_at.is_some_and(|at| at > now) {
            return Ok(SenderStep::Idle);
        }
        let id = &campaign.id;
        self.store
            .change_in_background(now, async |ledger: &mut Ledger| {
                let Some(mut campaign) = ledger.find_campaign(id).await? else {
                    return Ok(SenderStep::Idle);
                };
                let due = campaign.state == CampaignState::Scheduled
                    && campaign.send_at.is_none_or(|at| at <= now);
                if due {
                    campaign.begin(now);
                    ledger.update_campaign(&campaign).await?;
                }
                Ok(if due {
                    SenderStep::Busy
                } else {
                    SenderStep::Idle
                })
            })
            .await
    }

    /// Queues the next messages, or ends the campaign after the last.
    async fn queue_group(
        &self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<SenderStep, db::Error> {
        let recipients = campaign.recipients;
        // A campaign without recipients gets its messages from callers, and never ends by itself.
        let has_rows = recipients.accepted + recipients.rejected > 0;
        // Without their account all would be rejected.
        let is_known = self.acceptor.knows(&campaign.account);
        if !has_rows || !is_known || slots(campaign, now) == 0 {
            return Ok(SenderStep::Idle);
        }
        let closed = self.list_closed_windows(campaign, now).await?;
        let id = &campaign.id;
        self.store
            .change_in_background(now, async |ledger: &mut Ledger| {
                let Some(mut campaign) = ledger.find_campaign(id).await? else {
                    return Ok(SenderStep::Idle);
                };
                if campaign.state != CampaignState::Running {
                    return Ok(SenderStep::Idle);
                }
                let unsent = ledger.count_unsent(id).await?;
                let free = self.queue_limit(&campaign).saturating_sub(unsent);
                let wanted = free.min(slots(&campaign, now)).min(GROUP);
                let waiting = if campaign.recipients.waiting() == 0 {
                    Vec::new()
                } else {
                    ledger.list_waiting_recipients(id, wanted).await?
                };
                let Some(last) = waiting.last().map(|recipient| recipient.position) else {
                    if wanted > 0 && unsent == 0 {
                        campaign.state = CampaignState::Done;
                        campaign.finished_at = Some(now);
                        ledger.update_campaign(&campaign).await?;
                    }
                    return Ok(SenderStep::Idle);
                };
                let taken = waiting.len() as u64;
                let (mut rejected, mut positions) = (Vec::new(), Vec::new());
                for recipient in &waiting {
                    let message = match closed.get(&recipient.position) {
                        Some(row) => Err(row.clone()),
                        None => self.message(&campaign, recipient, now),
                    };
                    match message {
                        Ok(message) => ledger.queue_message(&message),
                        Err(row) => {
                            rejected.push(row);
                            positions.push(recipient.position);
                        }
                    }
                }
                // A corrected row is accepted then.
                ledger.delete_recipients(id, &positions).await?;
                ledger.clear_recipients(id, last).await?;
                campaign.recipients.taken += taken - rejected.len() as u64;
                note_slots(&mut campaign, taken, now);
                note_rejections(&mut campaign, rejected);
                ledger.update_campaign(&campaign).await?;
                Ok(if taken == GROUP {
                    SenderStep::Busy
                } else {
                    SenderStep::Queued
                })
            })
            .await
    }

    /// The next recipients whose window is closed, by position, if the account refuses them. Not in
    /// the transaction, which others wait for.
    async fn list_closed_windows(
        &self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<i64, RejectedRow>, db::Error> {
        let mut closed = BTreeMap::new();
        if campaign.template.is_some() || !self.acceptor.refuses_closed_windows(&campaign.account) {
            return Ok(closed);
        }
        for recipient in self
            .store
            .list_waiting_recipients(&campaign.id, GROUP)
            .await?
        {
            let Ok(message) = self.message(campaign, &recipient, now) else {
                continue;
            };
            if let Some(error) = self
                .acceptor
                .find_closed_window(&message.draft, now)
                .await?
            {
                closed.insert(recipient.position, rejected_row(&recipient, error));
            }
        }
        Ok(closed)
    }

    /// How many messages may be queued.
    fn queue_limit(&self, campaign: &Campaign) -> u64 {
        let of_account = self.acceptor.rate(&campaign.account);
        let rates = [of_account, campaign.rate].into_iter().flatten();
        let queued = rates.map(|rate| rate * QUEUED_SECONDS);
        let limit = queued.fold(LARGEST_QUEUE, f64::min).max(SMALLEST_QUEUE);
        whole(limit)
    }

    fn message(
        &self,
        campaign: &Campaign,
        recipient: &WaitingRecipient,
        now: DateTime<Utc>,
    ) -> Result<NewCampaignMessage, RejectedRow> {
        let content: RecipientContent =
            serde_json::from_str(&recipient.content).unwrap_or_default();
        let input = content
            .message_input(campaign)
            .map_err(|error| rejected_row(recipient, error))?;
        let id = MessageId::new(now);
        let (draft, account) = self.acceptor.check(&input, id).map_err(|errors| {
            let first = errors.into_iter().next();
            let error = first.unwrap_or_else(|| InvalidField::new("row", "is not valid"));
            rejected_row(recipient, error)
        })?;
        let message = NewCampaignMessage::of(id, draft, account, now);
        Ok(NewCampaignMessage {
            send_before: campaign.send_before.unwrap_or(message.send_before),
            ..message
        })
    }

    /// Messages that were being submitted at the pause, and are queued again.
    async fn hold_stragglers(
        &self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<SenderStep, db::Error> {
        if !self.store.has_due(&campaign.id).await? {
            return Ok(SenderStep::Idle);
        }
        let id = &campaign.id;
        self.store
            .change_in_background(now, async |ledger: &mut Ledger| {
                let current = ledger.find_campaign(id).await?;
                if current.is_none_or(|campaign| campaign.state != CampaignState::Paused) {
                    return Ok(SenderStep::Idle);
                }
                ledger.hold_queued(id, STRAGGLERS).await?;
                Ok(SenderStep::Busy)
            })
            .await
    }

    /// Messages that were queued when the campaign was cancelled.
    async fn cancel_stragglers(
        &self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<SenderStep, db::Error> {
        let Some(until) = campaign.finished_at else {
            return Ok(SenderStep::Idle);
        };
        let id = &campaign.id;
        let waiting = self.store.has_waiting_recipients(id).await?;
        if !waiting && !self.store.has_queued(id, until).await? {
            return Ok(SenderStep::Idle);
        }
        self.store
            .change_in_background(now, async |ledger: &mut Ledger| {
                let queued = ledger.list_queued(id, until, STRAGGLERS).await?;
                ledger.load(&queued).await?;
                for message in &queued {
                    ledger.leave_queue(*message, QueueState::Cancelled)?;
                    let action = Action {
                        message: Some(*message),
                        account: Some(campaign.account.clone()),
                        detail: Some(format!("campaign {id}")),
                        ..Action::new("campaign", Verb::Cancel, now)
                    };
                    ledger.record_action(&action).await?;
                }
                ledger.forget_recipients(id).await?;
                Ok(SenderStep::Busy)
            })
            .await
    }
}

fn rejected_row(recipient: &WaitingRecipient, error: InvalidField) -> RejectedRow {
    let content: RecipientContent = serde_json::from_str(&recipient.content).unwrap_or_default();
    RejectedRow {
        line: content.line,
        field: column_of(&error.field).to_owned(),
        message: error.message,
    }
}

/// How many messages the campaign's rate allows now.
fn slots(campaign: &Campaign, now: DateTime<Utc>) -> u64 {
    let Some(rate) = campaign.rate else {
        return u64::MAX;
    };
    let next = campaign.next_slot_at.unwrap_or(now);
    let late = seconds(now - next);
    if late < 0.0 && -late < CATCH_UP_SECONDS + 1.0 / rate {
        return 0;
    }
    whole(late.clamp(0.0, CATCH_UP_SECONDS) * rate) + 1
}

/// Moves the next slot behind these messages.
fn note_slots(campaign: &mut Campaign, messages: u64, now: DateTime<Utc>) {
    let Some(rate) = campaign.rate else { return };
    let earliest = now - interval(CATCH_UP_SECONDS);
    let latest = now + interval(CATCH_UP_SECONDS + 1.0 / rate);
    let next = campaign.next_slot_at.unwrap_or(now);
    // A slot far ahead is of a clock that was set back.
    let from = if next > latest {
        now
    } else {
        next.max(earliest)
    };
    campaign.next_slot_at = Some(from + interval(as_float(messages) / rate));
}

fn interval(seconds: f64) -> TimeDelta {
    // Rounded up, so that the rate is never exceeded.
    #[expect(clippy::cast_possible_truncation, reason = "intervals are short")]
    TimeDelta::milliseconds((seconds * 1000.0).ceil() as i64)
}

#[expect(clippy::cast_precision_loss, reason = "intervals are short")]
fn seconds(time: TimeDelta) -> f64 {
    time.num_milliseconds() as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "groups are small")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits are small and positive"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
