//! Stores, finds and lists campaigns.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::{
    Campaign, CampaignId, CampaignMedia, CampaignState, RecipientCounts,
};
use crate::domain::ids::AccountId;
use crate::store::Store;
use crate::store::campaigns::campaign_template;
use crate::store::entities::campaign_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

const TABLE: &str = "campaigns";
/// How long after its cancellation a campaign is checked for messages that were queued at the same
/// time.
const CANCELLED_CHECK: TimeDelta = TimeDelta::hours(24);

/// Where a page of campaigns ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignCursor {
    pub created_at: DateTime<Utc>,
    pub id: CampaignId,
}

impl Store {
    pub async fn find_campaign(&self, id: &CampaignId) -> Result<Option<Campaign>, Error> {
        find(self.pools().reader(), id).await
    }

    /// Newest first.
    pub async fn list_campaigns(
        &self,
        account: Option<&AccountId>,
        accounts: &AccountLimit,
        after: Option<&CampaignCursor>,
        limit: usize,
    ) -> Result<Vec<Campaign>, Error> {
        let mut query = Entity::find()
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(u64::try_from(limit).unwrap_or(u64::MAX));
        if let Some(account) = account {
            query = query.filter(Column::Account.eq(account));
        }
        if let Some(accounts) = accounts.accounts() {
            query = query.filter(Column::Account.is_in(accounts));
        }
        if let Some(after) = after {
            let sort_key = Expr::tuple([
                Expr::col((Entity, Column::CreatedAt)),
                Expr::col((Entity, Column::Id)),
            ]);
            let last = Expr::tuple([
                Expr::value(instant::to_millis(after.created_at)),
                Expr::value(after.id.as_str()),
            ]);
            query = query.filter(sort_key.lt(last));
        }
        let rows = query.all(self.pools().reader()).await?;
        rows.into_iter().map(Campaign::try_from).collect()
    }

    /// Campaigns that are neither done nor cancelled.
    pub async fn list_unfinished_campaigns(&self) -> Result<Vec<Campaign>, Error> {
        let ended = [CampaignState::Done, CampaignState::Cancelled];
        let rows = Entity::find()
            .filter(Column::State.is_not_in(ended))
            .order_by_asc(Column::CreatedAt)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Campaign::try_from).collect()
    }

    /// Campaigns that may have messages to queue, hold, release or cancel, or a state to change.
    pub async fn list_active_campaigns(&self, now: DateTime<Utc>) -> Result<Vec<Campaign>, Error> {
        let states = [
            CampaignState::Scheduled,
            CampaignState::Running,
            CampaignState::Paused,
        ];
        let since = instant::to_millis(now - CANCELLED_CHECK);
        let cancelled = Column::State
            .eq(CampaignState::Cancelled)
            .and(Column::FinishedAt.gte(since));
        let rows = Entity::find()
            .filter(Column::State.is_in(states).or(cancelled))
            .order_by_asc(Column::CreatedAt)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Campaign::try_from).collect()
    }
}

impl Ledger {
    /// False if one with this id exists.
    pub async fn insert_campaign(&mut self, campaign: &Campaign) -> Result<bool, Error> {
        let existing = OnConflict::column(Column::Id).do_nothing().to_owned();
        let inserted = Entity::insert(Model::from(campaign).into_active_model())
            .on_conflict(existing)
            .exec_without_returning(self.transaction())
            .await?;
        Ok(inserted > 0)
    }

    pub async fn find_campaign(&self, id: &CampaignId) -> Result<Option<Campaign>, Error> {
        find(self.transaction(), id).await
    }

    /// Writes all columns of a campaign that this transaction has read.
    pub async fn update_campaign(&mut self, campaign: &Campaign) -> Result<(), Error> {
        let model = Model::from(campaign).into_active_model().reset_all();
        model.update(self.transaction()).await?;
        Ok(())
    }
}

async fn find(
    connection: &impl ConnectionTrait,
    id: &CampaignId,
) -> Result<Option<Campaign>, Error> {
    let row = Entity::find_by_id(id.clone()).one(connection).await?;
    row.map(Campaign::try_from).transpose()
}

impl TryFrom<Model> for Campaign {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let time = |column, millis| instant::from_optional_millis(TABLE, column, millis);
        let number = |value: i64| u64::try_from(value).unwrap_or_default();
        Ok(Self {
            name: row.name,
            account: row.account,
            kind: row.kind,
            sender: row.sender,
            media: CampaignMedia {
                url: row.media_url,
                id: row.media_id,
                mime_type: row.mime_type,
            },
            caption: row.caption,
            template: row
                .template
                .map(|text| campaign_template::read(&text, row.id.as_str()))
                .transpose()?,
            state: row.state,
            send_at: time("send_at", row.send_at)?,
            send_before: time("send_before", row.send_before)?,
            send_within: row.send_within.map(TimeDelta::milliseconds),
            rate: row.rate,
            next_slot_at: time("next_slot_at", row.next_slot_at)?,
            recipients: RecipientCounts {
                accepted: number(row.accepted),
                duplicates: number(row.duplicates),
                rejected: number(row.rejected),
                taken: number(row.taken),
            },
            rejections: row.rejections,
            created_at: instant::from_millis(TABLE, "created_at", row.created_at)?,
            started_at: time("started_at", row.started_at)?,
            finished_at: time("finished_at", row.finished_at)?,
            id: row.id,
        })
    }
}

impl From<&Campaign> for Model {
    fn from(campaign: &Campaign) -> Self {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let time = |at: Option<DateTime<Utc>>| at.map(instant::to_millis);
        Self {
            id: campaign.id.clone(),
            name: campaign.name.clone(),
            account: campaign.account.clone(),
            kind: campaign.kind,
            sender: campaign.sender.clone(),
            media_url: campaign.media.url.clone(),
            media_id: campaign.media.id.clone(),
            mime_type: campaign.media.mime_type.clone(),
            caption: campaign.caption.clone(),
            template: campaign.template.as_ref().map(campaign_template::write),
            state: campaign.state,
            send_at: time(campaign.send_at),
            send_before: time(campaign.send_before),
            send_within: campaign.send_within.map(|time| time.num_milliseconds()),
            rate: campaign.rate,
            next_slot_at: time(campaign.next_slot_at),
            accepted: number(campaign.recipients.accepted),
            duplicates: number(campaign.recipients.duplicates),
            rejected: number(campaign.recipients.rejected),
            taken: number(campaign.recipients.taken),
            rejections: campaign.rejections.clone(),
            created_at: instant::to_millis(campaign.created_at),
            started_at: time(campaign.started_at),
            finished_at: time(campaign.finished_at),
        }
    }
}
