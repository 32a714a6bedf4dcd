//! The parts of a message in JSON: media, failure, price, attempts.

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::domain::cost::Cost;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::explanation::explain_shown_failure;
use crate::domain::media::{Media, MediaSource};
use crate::domain::message::Message;
use crate::domain::receipt::Pricing;
use crate::domain::scope::Visibility;
use crate::store::attempts::Attempt;

/// Where the file is.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct MediaResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Bytes of an uploaded file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mime_type: Option<String>,
}

impl MediaResponse {
    pub(crate) fn of(media: &Media, visibility: Visibility) -> Self {
        let mut response = Self {
            url: None,
            id: None,
            size: None,
            mime_type: media.mime_type.clone(),
        };
        match &media.source {
            MediaSource::Url(url) => {
                response.url = match visibility {
                    Visibility::Full => Some(url.clone()),
                    Visibility::Masked => url::Url::parse(url)
                        .ok()
                        .and_then(|url| url.host_str().map(ToOwned::to_owned)),
                };
            }
            MediaSource::Id(id) => {
                response.id = Some(id.clone()).filter(|_| visibility == Visibility::Full);
            }
            MediaSource::Upload(upload) => response.size = Some(upload.size),
        }
        response
    }
}

/// Why the message failed.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct FailureResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// `recipient`, `media`, `window`, `policy`, `account`, `rate`, `provider`, `expired` or
    /// `unknown`.
    pub(crate) class: &'static str,
    /// What the code means.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) action: &'static str,
    pub(crate) at: String,
}

impl FailureResponse {
    pub(crate) fn of(message: &Message, visibility: Visibility) -> Option<Self> {
        let masked = |text: &Option<String>| text.as_deref().map(|text| visibility.mask_text(text));
        let listed = message.failure.as_ref()?;
        let explanation = explain_shown_failure(message, &listed.failure);
        Some(Self {
            code: listed
                .failure
                .code
                .as_deref()
                .map(|code| visibility.mask_code(code)),
            title: masked(&listed.failure.title),
            detail: masked(&listed.failure.detail),
            class: listed.class.as_str(),
            meaning: explanation.meaning,
            action: explanation.action,
            at: time(listed.at),
        })
    }
}

/// The price.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct PricingResponse {
    /// Of a message: whether it is charged; absent until its delivery, when an announced charge is
    /// made. Of a report: as reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// `regular`, `free_customer_service`, `free_entry_point` …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<String>,
    /// The provider's pricing object; in the timeline only, with `operate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) raw: Option<serde_json::Value>,
}

impl PricingResponse {
    /// The price of a message.
    pub(crate) fn of(pricing: &Pricing, state: DeliveryState) -> Option<Self> {
        let reported = Self::as_reported(pricing, Visibility::Masked)?;
        Some(Self {
            billable: pricing.is_charged(state),
            ..reported
        })
    }

    /// The price in one report.
    pub(crate) fn as_reported(pricing: &Pricing, visibility: Visibility) -> Option<Self> {
        (!pricing.is_empty()).then(|| Self {
            billable: pricing.billable,
            category: pricing.category.clone(),
            model: pricing.model.clone(),
            kind: pricing.kind.clone(),
            currency: pricing.currency.clone(),
            price: pricing.price.clone(),
            raw: pricing
                .raw
                .as_deref()
                .filter(|_| visibility == Visibility::Full)
                .and_then(|raw| serde_json::from_str(raw).ok()),
        })
    }
}

/// The cost of a message.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CostResponse {
    /// `reported` by the provider, `estimated` by the rates, `free`, `none` (not delivered) or
    /// `unknown` (no rate fits).
    pub(crate) basis: &'static str,
    /// A decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
}

impl From<&Cost> for CostResponse {
    fn from(cost: &Cost) -> Self {
        Self {
            basis: cost.basis.as_str(),
            amount: cost.amount.map(|amount| amount.to_string()),
            currency: cost.currency.clone(),
        }
    }
}

/// One exchange with the provider.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AttemptResponse {
    pub(crate) at: String,
    /// `started`, `accepted`, `refused`, `postponed` or `unclear`.
    pub(crate) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The redacted request; with `operate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<String>,
    /// The redacted reply; with `operate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<String>,
}

impl AttemptResponse {
    pub(crate) fn of(attempt: &Attempt, visibility: Visibility) -> Self {
        let full = visibility == Visibility::Full;
        Self {
            at: time(attempt.started_at),
            outcome: attempt.outcome.as_str(),
            http_status: attempt.http_status,
            duration_ms: attempt.duration_ms,
            detail: attempt
                .detail
                .as_deref()
                .map(|text| visibility.mask_text(text)),
            request: full.then(|| attempt.request.clone()),
            reply: attempt.reply.clone().filter(|_| full),
        }
    }
}
