//! Marks messages and campaigns that may have been sent since the restored data were copied.

use std::fmt;

use crate::domain::campaign::CampaignState;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::backup::backup_error::BackupError;
use crate::operating::change_campaign::{CampaignChange, change_campaign};
use crate::store::Store;
use crate::store::backup::QueuedMessages;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PossiblySent {
    /// Messages that became uncertain.
    pub uncertain: u64,
    /// Campaigns that were paused: their waiting recipients may already have been sent their
    /// messages.
    pub paused_campaigns: u64,
}

impl PossiblySent {
    /// Ensures that nothing is sent again automatically. `reason` is shown with each message.
    pub(super) async fn mark(
        store: &Store,
        queued: QueuedMessages,
        reason: &str,
        context: &ActionContext<'_>,
    ) -> Result<Self, BackupError> {
        let paused_campaigns = match queued {
            QueuedMessages::BecomeUncertain => pause_campaigns(store, context).await?,
            QueuedMessages::StayQueued => 0,
        };
        let uncertain = store
            .mark_queued_uncertain(queued, reason, context.now)
            .await?;
        Ok(Self {
            uncertain,
            paused_campaigns,
        })
    }
}

impl fmt::Display for PossiblySent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} messages became uncertain, {} campaigns were paused",
            self.uncertain, self.paused_campaigns
        )
    }
}

/// Pauses each campaign that would queue messages automatically; returns how many.
async fn pause_campaigns(store: &Store, context: &ActionContext<'_>) -> Result<u64, BackupError> {
    let mut paused = 0;
    for campaign in store.list_active_campaigns(context.now).await? {
        let is_active = matches!(
            campaign.state,
            CampaignState::Running | CampaignState::Scheduled
        );
        if is_active && campaign.recipients.waiting() > 0 {
            let changed = change_campaign(store, &campaign.id, CampaignChange::Pause, context);
            changed.await.map_err(|error| match error {
                ActionError::Store(error) => error.into(),
                other => BackupError::Campaign(other.to_string()),
            })?;
            paused += 1;
        }
    }
    Ok(paused)
}
