//! Transactions of campaigns, for the use cases outside of the store.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::Error;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::MessageDraft;
use crate::store::Store;
use crate::store::ledger::Ledger;
use crate::store::messages::new_message::NewMessage;

/// A message that a campaign makes of a recipient.
#[derive(Clone, Debug)]
pub struct NewCampaignMessage {
    pub id: MessageId,
    pub draft: MessageDraft,
    pub send_before: DateTime<Utc>,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub silence_limit: TimeDelta,
}

impl Store {
    /// Commits what `work` did, or rolls it back after an error.
    pub async fn change_campaign<T>(
        &self,
        now: DateTime<Utc>,
        work: impl AsyncFnOnce(&mut Ledger) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.change_in_background(now, work).await
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
        self.insert(new.queued(&message.draft));
    }
}
