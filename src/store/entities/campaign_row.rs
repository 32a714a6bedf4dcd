//! Row of `campaigns`.

use sea_orm::entity::prelude::*;

use crate::domain::campaign::{CampaignId, CampaignState};
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "campaigns")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CampaignId,
    pub name: String,
    pub account: AccountId,
    pub kind: MediaKind,
    pub sender: Option<String>,
    pub media_url: Option<String>,
    pub media_id: Option<String>,
    pub mime_type: Option<String>,
    /// With `{{column}}` for the recipients' columns.
    pub caption: Option<String>,
    /// JSON.
    pub template: Option<String>,
    pub state: CampaignState,
    pub send_at: Option<i64>,
    pub send_before: Option<i64>,
    /// In milliseconds; sets `send_before` at the start.
    pub send_within: Option<i64>,
    /// Messages per second.
    pub rate: Option<f64>,
    /// When `rate` allows the next message.
    pub next_slot_at: Option<i64>,
    /// Recipients that were added.
    pub accepted: i64,
    /// Rows whose recipient was already in the campaign.
    pub duplicates: i64,
    /// Rows that were not accepted.
    pub rejected: i64,
    /// Recipients that became messages, or failed the checks at that time.
    pub taken: i64,
    /// Of the last upload: JSON.
    pub rejections: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
}

without_relations!();
