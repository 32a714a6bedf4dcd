//! Row of `messages`. A message with the result of its last fold.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::{MatchedBy, Origin};
use crate::domain::provider::ProviderId;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub account: AccountId,
    pub provider: ProviderId,
    pub origin: Origin,
    pub sender: Option<String>,
    pub recipient: Option<String>,
    /// For searches by the last digits.
    pub recipient_reversed: Option<String>,
    pub recipient_name: Option<String>,
    pub kind: Option<MediaKind>,
    pub media_url: Option<String>,
    pub media_id: Option<String>,
    pub upload_path: Option<String>,
    pub upload_size: Option<i64>,
    pub mime_type: Option<String>,
    pub caption: Option<String>,
    pub reference: Option<String>,
    pub reference1: Option<String>,
    pub reference2: Option<String>,
    pub client_reference: Option<String>,
    pub wa_source: Option<String>,
    pub link_source: Option<String>,
    pub link_with_record: Option<bool>,
    pub queue: QueueState,
    pub hold: Option<String>,
    /// Attempts that count towards the limit.
    pub tries: i32,
    /// When the last submission began, unless the provider certainly did not accept it. The stage
    /// `submitted` has its own instant.
    #[sea_orm(column_name = "handed_over_at")]
    pub submission_started_at: Option<i64>,
    /// Absent unless the message is queued and not held.
    pub next_attempt_at: Option<i64>,
    pub lease_holder: Option<Uuid>,
    pub lease_until: Option<i64>,
    pub send_before: Option<i64>,
    pub state: DeliveryState,
    pub conflict: bool,
    /// How long after the submission or the last status receipt a missing report is normal, in
    /// milliseconds.
    pub silence_limit: i64,
    pub due_at: Option<i64>,
    /// When an orphan becomes a message sent elsewhere; absent for never.
    pub adopt_at: Option<i64>,
    pub submitted_at: Option<i64>,
    pub sent_at: Option<i64>,
    pub delivered_at: Option<i64>,
    pub read_at: Option<i64>,
    pub played_at: Option<i64>,
    /// One bit per stage that no receipt names; see `fold_columns`.
    pub implied_stages: i64,
    pub failed_at: Option<i64>,
    pub failure_code: Option<String>,
    pub failure_title: Option<String>,
    pub failure_detail: Option<String>,
    pub failure_key: Option<String>,
    pub failure_class: Option<FailureClass>,
    pub billable: Option<bool>,
    pub pricing_category: Option<String>,
    #[sea_orm(column_name = "pricing_model")]
    pub pricing_basis: Option<String>,
    pub price: Option<String>,
    pub pricing_type: Option<String>,
    pub price_currency: Option<String>,
    /// How many recipients it reached: more than one in a group.
    pub deliveries: i64,
    pub provider_id: Option<String>,
    pub matched_by: Option<MatchedBy>,
    pub resend_of: Option<Uuid>,
    pub resent_as: Option<Uuid>,
    pub campaign: Option<CampaignId>,
    pub created_at: i64,
    pub updated_at: i64,
    pub template_name: Option<String>,
    pub template_language: Option<String>,
    /// JSON: values of variables and buttons.
    pub template_values: Option<String>,
    /// Part of the public URL of an uploaded file.
    pub media_token: Option<String>,
    /// The first attempt, if it lies in another quarter hour than `created_at`.
    pub counted_at: Option<i64>,
    /// The country of an erased recipient, by which deliveries are charged.
    pub erased_country: Option<String>,
}

without_relations!();

impl Model {
    /// Takes the message out of the send queue and ends its claim.
    pub fn leave_queue(&mut self, state: QueueState) {
        self.queue = state;
        self.hold = None;
        self.next_attempt_at = None;
        self.lease_holder = None;
        self.lease_until = None;
    }
}
