//! Creates a campaign when a message first names it.

use crate::db::Error;
use crate::domain::campaign::{
    Campaign, CampaignId, CampaignMedia, CampaignState, RecipientCounts,
};
use crate::domain::message::MessageDraft;
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// Sets a campaign that is done to running again, because a message of it is queued.
    pub async fn reopen_campaign(&mut self, id: &CampaignId) -> Result<Option<Campaign>, Error> {
        let Some(mut campaign) = self.find_campaign(id).await? else {
            return Ok(None);
        };
        if campaign.state == CampaignState::Done {
            campaign.state = CampaignState::Running;
            campaign.finished_at = None;
            self.update_campaign(&campaign).await?;
        }
        Ok(Some(campaign))
    }

    /// Finds the campaign of a message, or creates it. It is running, because callers queue its
    /// messages themselves.
    pub(crate) async fn find_or_create_campaign(
        &mut self,
        id: &CampaignId,
        draft: &MessageDraft,
    ) -> Result<Campaign, Error> {
        if let Some(existing) = self.reopen_campaign(id).await? {
            return Ok(existing);
        }
        let campaign = Campaign {
            id: id.clone(),
            name: id.to_string(),
            account: draft.account.clone(),
            kind: draft.media.kind,
            sender: None,
            media: CampaignMedia::default(),
            caption: None,
            template: None,
            state: CampaignState::Running,
            send_at: None,
            send_before: None,
            send_within: None,
            rate: None,
            next_slot_at: None,
            recipients: RecipientCounts::default(),
            rejections: None,
            created_at: self.now(),
            started_at: Some(self.now()),
            finished_at: None,
        };
        self.insert_campaign(&campaign).await?;
        Ok(campaign)
    }
}
