//! The messages of a campaign that are queued: how many, and holding and releasing them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use crate::db::{Error, instant};
use crate::domain::campaign::{CampaignId, CampaignState};
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::MessageId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::campaign_row;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::message_lookup::list_ids;

/// The hold reason of a message whose campaign is paused.
pub(crate) const PAUSED_HOLD: &str = "its campaign is paused";

/// When a released message expires.
#[derive(Clone, Copy, Debug)]
pub enum Expiry {
    At(DateTime<Utc>),
    After(TimeDelta),
}

impl Store {
    /// Whether a queued message of the campaign is not held.
    pub async fn has_unheld(&self, campaign: &CampaignId) -> Result<bool, Error> {
        let unheld = queued(campaign).filter(Column::NextAttemptAt.is_not_null());
        Ok(unheld.one(self.pools().reader()).await?.is_some())
    }

    /// Whether a message of the campaign is queued that was created at or before `until` or is not
    /// a resend.
    pub async fn has_queued(
        &self,
        campaign: &CampaignId,
        until: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let queued = queued_until(campaign, until);
        Ok(queued.one(self.pools().reader()).await?.is_some())
    }

    /// Messages of the campaign that have not left the queue, without those of a dry run.
    pub async fn count_unsent(&self, campaign: &CampaignId) -> Result<u64, Error> {
        Ok(unsent(campaign).count(self.pools().reader()).await?)
    }
}

impl Ledger {
    /// Which of these campaigns are paused or cancelled.
    pub async fn list_stopped_campaigns(
        &self,
        campaigns: impl Iterator<Item = &CampaignId>,
    ) -> Result<BTreeSet<CampaignId>, Error> {
        let campaigns: BTreeSet<&CampaignId> = campaigns.collect();
        if campaigns.is_empty() {
            return Ok(BTreeSet::new());
        }
        let stopped: Vec<CampaignId> = campaign_row::Entity::find()
            .select_only()
            .column(campaign_row::Column::Id)
            .filter(campaign_row::Column::Id.is_in(campaigns))
            .filter(
                campaign_row::Column::State
                    .is_in([CampaignState::Paused, CampaignState::Cancelled]),
            )
            .into_tuple()
            .all(self.transaction())
            .await?;
        Ok(stopped.into_iter().collect())
    }

    /// [`Store::count_unsent`], in the transaction.
    pub async fn count_unsent(&self, campaign: &CampaignId) -> Result<u64, Error> {
        Ok(unsent(campaign).count(self.transaction()).await?)
    }

    /// Holds queued messages of a paused campaign; returns how many, at most `limit`.
    pub async fn hold_queued(&mut self, campaign: &CampaignId, limit: u64) -> Result<usize, Error> {
        let query = queued(campaign).filter(Column::NextAttemptAt.is_not_null());
        let ids = list_ids(self.transaction(), query.limit(limit)).await?;
        self.load(&ids).await?;
        for id in &ids {
            self.edit(*id, |row| {
                row.hold = Some(PAUSED_HOLD.to_owned());
                row.next_attempt_at = None;
            })?;
        }
        Ok(ids.len())
    }

    /// Releases messages that [`Ledger::hold_queued`] holds, oldest first; each may be submitted
    /// from the time that `next_submit_at` returns for it. Returns how many, at most `limit`.
    pub async fn release_held(
        &mut self,
        campaign: &CampaignId,
        expiry: Expiry,
        limit: u64,
        mut next_submit_at: impl FnMut() -> DateTime<Utc>,
    ) -> Result<usize, Error> {
        let query = queued(campaign)
            .filter(Column::Hold.eq(PAUSED_HOLD))
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Id);
        let ids = list_ids(self.transaction(), query.limit(limit)).await?;
        self.load(&ids).await?;
        for id in &ids {
            let submit_at = next_submit_at();
            let expires_at = match expiry {
                Expiry::At(at) => at,
                Expiry::After(time) => submit_at + time,
            };
            self.edit(*id, |row| {
                row.hold = None;
                row.next_attempt_at = Some(instant::to_millis(submit_at));
                row.send_before = Some(instant::to_millis(expires_at));
            })?;
        }
        Ok(ids.len())
    }

    /// Queued messages of a campaign that were created at or before `until` or are not resends, at
    /// most `limit`.
    pub async fn list_queued(
        &self,
        campaign: &CampaignId,
        until: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        let query = queued_until(campaign, until).limit(limit);
        list_ids(self.transaction(), query).await
    }

    /// Marks a loaded message as resent by a new one.
    pub fn note_resend(&mut self, id: MessageId, resent_as: MessageId) -> Result<(), Error> {
        self.edit(id, |row| row.resent_as = Some(resent_as.uuid()))
    }
}

fn queued_until(campaign: &CampaignId, until: DateTime<Utc>) -> Select<Entity> {
    // Only resends are created after the cancellation. Other messages may have a later time too,
    // because the clocks of processes differ.
    let before = Column::CreatedAt.lte(instant::to_millis(until));
    queued(campaign).filter(before.or(Column::ResendOf.is_null()))
}

fn unsent(campaign: &CampaignId) -> Select<Entity> {
    Entity::find()
        .filter(Column::Campaign.eq(campaign))
        .filter(Column::State.is_in([DeliveryState::Queued, DeliveryState::Sending]))
        .filter(Column::Origin.ne(Origin::DryRun))
}

fn queued(campaign: &CampaignId) -> Select<Entity> {
    Entity::find()
        .filter(Column::Campaign.eq(campaign))
        .filter(Column::State.eq(DeliveryState::Queued))
        .filter(Column::Queue.eq(QueueState::Queued))
        .filter(Column::Origin.ne(Origin::DryRun))
}
