//! Campaigns that a message names before anyone created them.

use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::db::{Error, instant};
use crate::domain::campaign::{CampaignId, CampaignState};
use crate::domain::message::MessageDraft;
use crate::store::entities::campaign_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// Creates the campaign of a message unless it exists. It runs, because its messages are queued
    /// by their senders.
    pub(crate) async fn create_campaign(
        &mut self,
        id: &CampaignId,
        draft: &MessageDraft,
    ) -> Result<(), Error> {
        let now = instant::to_millis(self.now());
        let row = Model {
            id: id.clone(),
            name: id.to_string(),
            account: draft.account.clone(),
            kind: draft.media.kind,
            sender: None,
            media_url: None,
            media_id: None,
            mime_type: None,
            caption: None,
            template: None,
            state: CampaignState::Running,
            send_at: None,
            send_before: None,
            send_within: None,
            rate: None,
            next_slot_at: None,
            accepted: 0,
            duplicates: 0,
            rejected: 0,
            taken: 0,
            rejections: None,
            created_at: now,
            started_at: Some(now),
            finished_at: None,
        };
        let existing = OnConflict::column(Column::Id).do_nothing().to_owned();
        Entity::insert(row.into_active_model())
            .on_conflict(existing)
            .exec_without_returning(self.transaction())
            .await?;
        Ok(())
    }
}
