//! Turns the recipients of running campaigns into messages, in groups: only a few seconds ahead of
//! the dispatcher, so that a pause, a cancellation and the rate take effect at once.
//!
//! **Invariant:** a recipient is cleared in the transaction that queues its message, so that a
//! crash or another process never makes a second one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::campaign_slots::CampaignSlots;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::provider_account::WindowPolicy;
use crate::sending::accept::{Acceptor, InvalidField};
use crate::sending::campaign::import_recipients::{RejectedRow, note_rejections};
use crate::sending::campaign::recipient_content::{RecipientContent, column_of};
use crate::store::Store;
use crate::store::campaigns::{NewCampaignMessage, WaitingRecipient};
use crate::store::ledger::Ledger;

/// Limits of the queued messages of one campaign.
const LARGEST_QUEUE: f64 = 1000.0;
const SMALLEST_QUEUE: f64 = 20.0;
/// As many messages are queued as the account or the campaign sends in this time, in seconds.
const QUEUED_SECONDS: f64 = 5.0;
/// Messages of one transaction.
const GROUP: u64 = 256;
/// Messages that one step holds or cancels per campaign.
const LATE_MESSAGES: u64 = 500;

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
            let campaign_step = match campaign.state {
                CampaignState::Scheduled => self.start_if_due(&campaign, now).await?,
                CampaignState::Running => self.queue_group(&campaign, now).await?,
                CampaignState::Paused => self.hold_late_messages(&campaign, now).await?,
                CampaignState::Cancelled => self.cancel_late_messages(&campaign, now).await?,
                CampaignState::Draft | CampaignState::Done => SenderStep::Idle,
            };
            step = step.max(campaign_step);
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
        // Without the account all recipients would be rejected.
        let has_account = self.acceptor.has_account(&campaign.account);
        if !has_rows || !has_account || self.must_wait(campaign, now).await? {
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
                let mut slots = slots(&campaign, unsent, now);
                let due = slots.map_or(u64::MAX, |slots| slots.count_due());
                let wanted = free.min(due).min(GROUP);
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
                        None => self.build_message(&campaign, recipient, now),
                    };
                    match message {
                        Ok(message) => ledger.queue_message(&message),
                        Err(row) => {
                            rejected.push(row);
                            positions.push(recipient.position);
                        }
                    }
                }
                // So that a corrected row is accepted later.
                ledger.delete_recipients(id, &positions).await?;
                ledger.clear_recipients(id, last).await?;
                campaign.recipients.taken += taken - rejected.len() as u64;
                if let Some(slots) = &mut slots {
                    slots.take_due(taken);
                    slots.store_in(&mut campaign);
                }
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

    /// Whether the campaign's rate allows no message now. Counts the queue only if the next slot is
    /// in the future.
    async fn must_wait(&self, campaign: &Campaign, now: DateTime<Utc>) -> Result<bool, db::Error> {
        if campaign.rate.is_none() || campaign.next_slot_at.is_none_or(|next| next <= now) {
            return Ok(false);
        }
        let unsent = self.store.count_unsent(&campaign.id).await?;
        let slots = slots(campaign, unsent, now);
        Ok(slots.is_some_and(|slots| slots.count_due() == 0))
    }

    /// The next recipients whose window is closed, by position, if the account refuses them. Called
    /// outside the transaction, which others wait for.
    async fn list_closed_windows(
        &self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<i64, RejectedRow>, db::Error> {
        let mut closed = BTreeMap::new();
        if campaign.template.is_some()
            || self.acceptor.window_policy(&campaign.account) != Some(WindowPolicy::Refuse)
        {
            return Ok(closed);
        }
        for recipient in self
            .store
            .list_waiting_recipients(&campaign.id, GROUP)
            .await?
        {
            let Ok(message) = self.build_message(campaign, &recipient, now) else {
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

    fn build_message(
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

    /// Holds messages that were being submitted at the pause, and are queued again.
    async fn hold_late_messages(
        &self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<SenderStep, db::Error> {
        if !self.store.has_unheld(&campaign.id).await? {
            return Ok(SenderStep::Idle);
        }
        let id = &campaign.id;
        self.store
            .change_in_background(now, async |ledger: &mut Ledger| {
                let current = ledger.find_campaign(id).await?;
                if current.is_none_or(|campaign| campaign.state != CampaignState::Paused) {
                    return Ok(SenderStep::Idle);
                }
                ledger.hold_queued(id, LATE_MESSAGES).await?;
                Ok(SenderStep::Busy)
            })
            .await
    }

    /// Cancels messages that were queued while the campaign was cancelled.
    async fn cancel_late_messages(
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
                let queued = ledger.list_queued(id, until, LATE_MESSAGES).await?;
                ledger.load(&queued).await?;
                for message in &queued {
                    ledger.leave_queue(*message, QueueState::Cancelled)?;
                    let action = Action {
                        message: Some(*message),
                        account: Some(campaign.account.clone()),
                        detail: Some(format!("campaign {id}")),
                        ..Action::new("campaign", ActionKind::Cancel, now)
                    };
                    ledger.record_action(&action).await?;
                }
                ledger.clear_waiting_recipients(id).await?;
                Ok(SenderStep::Busy)
            })
            .await
    }
}

/// `None` without a rate.
fn slots(campaign: &Campaign, unsent: u64, now: DateTime<Utc>) -> Option<CampaignSlots> {
    let rate = campaign.rate?;
    Some(CampaignSlots::new(campaign, rate, unsent, now))
}

fn rejected_row(recipient: &WaitingRecipient, error: InvalidField) -> RejectedRow {
    let content: RecipientContent = serde_json::from_str(&recipient.content).unwrap_or_default();
    RejectedRow {
        line: content.line,
        field: column_of(&error.field).to_owned(),
        message: error.message,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits are small and positive"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
