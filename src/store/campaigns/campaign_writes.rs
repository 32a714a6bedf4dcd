//! Queues the messages of campaigns and of bulk actions.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::instant;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::MessageDraft;
use crate::domain::provider_account::Account;
use crate::store::ledger::Ledger;
use crate::store::messages::new_message::NewMessage;

/// Replaces durations that are too long to be added to an instant.
const LONGEST_DURATION: TimeDelta = TimeDelta::days(3650);

/// A message to a recipient of a campaign, or a resend.
#[derive(Clone, Debug)]
pub struct NewCampaignMessage {
    pub id: MessageId,
    pub draft: MessageDraft,
    /// The earliest time of its submission.
    pub submit_at: DateTime<Utc>,
    pub send_before: DateTime<Utc>,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub silence_limit: TimeDelta,
}

impl NewCampaignMessage {
    /// A message that may stay queued as long as any other new message of its account.
    pub fn of(
        id: MessageId,
        draft: MessageDraft,
        account: &Account,
        submit_at: DateTime<Utc>,
    ) -> Self {
        let time = |time| TimeDelta::from_std(time).unwrap_or(LONGEST_DURATION);
        Self {
            id,
            draft,
            submit_at,
            send_before: submit_at + time(account.max_queue_time),
            silence_limit: time(account.report_deadline),
        }
    }
}

impl Ledger {
    /// Queues a message.
    pub fn queue_message(&mut self, message: &NewCampaignMessage) {
        let new = NewMessage {
            id: message.id,
            created_at: self.now(),
            queue: QueueState::Queued,
            send_before: Some(message.send_before),
            silence_limit: message.silence_limit,
        };
        let mut row = new.queued(&message.draft);
        let submit_at = instant::to_millis(message.submit_at);
        row.next_attempt_at = row.next_attempt_at.map(|_| submit_at);
        self.insert(row);
    }
}
