//! The JSON of a message.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::message_parts::{
    AttemptResponse, CostResponse, FailureResponse, MediaResponse, PricingResponse,
};
use super::send_request::ReferencesBody;
use super::template_body::TemplateResponse;
use super::warning_response::WarningResponse;
use super::{recipient_text, time};
use crate::domain::campaign::CampaignId;
use crate::domain::cost::Cost;
use crate::domain::delivery::Delivery;
use crate::domain::delivery_state::Stage;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{MatchedBy, Message, Origin};
use crate::domain::receipt::{Receipt, find_reply_word};
use crate::domain::scope::Visibility;
use crate::store::attempts::Attempt;

/// One message.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct MessageResponse {
    pub(crate) id: Uuid,
    pub(crate) account: String,
    pub(crate) provider: &'static str,
    /// `api`, `observed` or `dry-run`.
    pub(crate) origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media: Option<MediaResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caption: Option<String>,
    pub(crate) refs: ReferencesBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_reference: Option<String>,
    pub(crate) state: &'static str,
    /// Delivered, and also reported as failed.
    pub(crate) conflict: bool,
    /// Submitted, and no receipt within the account's deadline.
    pub(crate) overdue: bool,
    /// Why it waits in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) matched_by: Option<&'static str>,
    /// The wamid if one is known, otherwise the id of the send reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider_ids: Option<Vec<String>>,
    /// By stage name: `queued`, `submitted`, `sent`, `delivered`, `read`, `played`.
    pub(crate) stages: BTreeMap<&'static str, StageResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FailureResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pricing: Option<PricingResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<CostResponse>,
    /// A status in the provider's reply that neither confirms nor refuses the message, such as
    /// `held_for_quality_assessment`; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempts: Option<Vec<AttemptResponse>>,
    /// What is unexpected in the reply that accepted the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<WarningResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resend_of: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resent_as: Option<Uuid>,
    /// Id of the campaign that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) campaign: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<TemplateResponse>,
}

/// When a stage was reached.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct StageResponse {
    pub(crate) at: String,
    /// The provider reported no time; `at` is when the report was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inferred: Option<bool>,
    /// No report named this stage, only a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) implied: Option<bool>,
    /// How many reports named this stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u32>,
}

impl MessageResponse {
    /// A message of a list, with everything that its row in the database holds.
    pub(crate) fn of(message: &Message, visibility: Visibility, now: DateTime<Utc>) -> Self {
        let full = visibility == Visibility::Full;
        let stages = Stage::ALL
            .into_iter()
            .filter_map(|stage| Some((stage.as_str(), plain_stage(message.stage(stage)?))))
            .collect();
        Self {
            id: message.id.uuid(),
            account: message.account.to_string(),
            provider: message.provider.as_str(),
            origin: match message.origin {
                Origin::Orphan => Origin::Observed.as_str(),
                origin => origin.as_str(),
            },
            from: message.sender.clone(),
            to: message
                .recipient
                .as_deref()
                .map(|recipient| recipient_text(recipient, visibility)),
            name: message.name.clone().filter(|_| full),
            kind: message.kind.map(MediaKind::as_str),
            media: message
                .media
                .as_ref()
                .map(|media| MediaResponse::of(media, visibility)),
            caption: message
                .media
                .as_ref()
                .and_then(|media| media.caption.clone())
                .filter(|_| full),
            refs: (&message.references).into(),
            client_reference: message.client_reference.clone(),
            state: message.state.as_str(),
            conflict: message.conflict,
            overdue: message.is_overdue(now),
            hold: message
                .hold
                .as_deref()
                .map(|reason| visibility.mask_text(reason)),
            matched_by: message.matched_by.map(MatchedBy::as_str),
            provider_id: message
                .provider_id
                .as_ref()
                .map(|id| visibility.mask_id(id)),
            provider_ids: None,
            stages,
            failure: FailureResponse::of(message, visibility),
            pricing: PricingResponse::of(&message.pricing, message.state),
            cost: None,
            reply_status: None,
            attempts: None,
            warnings: Vec::new(),
            resend_of: message.resend_of.map(MessageId::uuid),
            resent_as: message.resent_as.map(MessageId::uuid),
            campaign: message.campaign.as_ref().map(CampaignId::to_string),
            created_at: time(message.created_at),
            updated_at: time(message.updated_at),
            template: message
                .template
                .as_ref()
                .map(|template| TemplateResponse::of(template, visibility)),
        }
    }

    pub(crate) fn with_cost(self, cost: &Cost) -> Self {
        Self {
            cost: Some(cost.into()),
            ..self
        }
    }

    /// A single message, with the folded stages, every id and every attempt.
    pub(crate) fn complete(
        message: &Message,
        delivery: &Delivery,
        receipts: &[Receipt],
        ids: &[ProviderMessageId],
        attempts: &[Attempt],
        visibility: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        let stages = Stage::ALL
            .into_iter()
            .filter_map(|stage| {
                let reached = delivery.stage(stage)?;
                // No report names the stage `queued`.
                let reported = stage != Stage::Queued;
                let response = StageResponse {
                    at: time(reached.at),
                    inferred: reported.then_some(reached.inferred),
                    implied: reported.then_some(reached.implied),
                    count: reported.then_some(reached.count),
                };
                Some((stage.as_str(), response))
            })
            .collect();
        Self {
            stages,
            pricing: PricingResponse::of(&delivery.pricing, message.state),
            reply_status: find_reply_word(receipts).map(|word| visibility.mask_text(word)),
            provider_ids: Some(ids.iter().map(|id| visibility.mask_id(id)).collect()),
            warnings: attempts
                .iter()
                .filter_map(Attempt::warning)
                .map(|warning| WarningResponse {
                    message: visibility.mask_text(&warning.message),
                    ..warning.into()
                })
                .collect(),
            attempts: Some(
                attempts
                    .iter()
                    .map(|attempt| AttemptResponse::of(attempt, visibility))
                    .collect(),
            ),
            ..Self::of(message, visibility, now)
        }
    }
}

fn plain_stage(at: DateTime<Utc>) -> StageResponse {
    StageResponse {
        at: time(at),
        inferred: None,
        implied: None,
        count: None,
    }
}
