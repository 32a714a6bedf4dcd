//! The JSON of campaigns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::send_request::MediaRequest;
use super::summary_responses::CostSumResponse;
use super::template_body::{TemplateRequest, TemplateResponse};
use super::time;
use super::warning_response::WarningResponse;
use crate::domain::campaign::{Campaign, CampaignMedia};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::scope::Visibility;
use crate::reporting::campaign_summary::CampaignSummary;
use crate::reporting::costs::month_costs::CostFigures;
use crate::sending::campaign::{ImportReport, NewCampaign};
use crate::store::campaigns::FailureGroup;
use crate::store::page_counts::CountsByState;

/// A campaign: many messages that belong together.
// Defaults let validation report all missing fields at once.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateCampaignRequest {
    #[serde(default)]
    #[schema(required, pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) account: String,
    /// The id of the campaign is a slug of the name, or a digest if the name has no Latin letter or
    /// digit.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 128)]
    pub(crate) name: String,
    /// `image` or `video`.
    #[serde(default)]
    #[schema(required, pattern = "^(image|video)$")]
    pub(crate) kind: String,
    /// One of the account's senders; its first when absent.
    pub(crate) from: Option<String>,
    /// The media of every message; a recipient's `media_url` takes precedence.
    pub(crate) media: Option<MediaRequest>,
    /// `{{column}}` stands for a column of the recipients.
    pub(crate) caption: Option<String>,
    /// As in a message; `{{column}}` stands for a column of the recipients, in every value.
    pub(crate) template: Option<TemplateRequest>,
    /// RFC 3339; a campaign that is started before waits until then.
    pub(crate) send_at: Option<String>,
    /// RFC 3339, or a duration from the start such as `2h`; messages that are still queued then
    /// fail as expired.
    #[schema(pattern = "^ *[0-9]")]
    pub(crate) send_before: Option<String>,
    /// Messages per second, within the account's rate.
    #[schema(minimum = 0.001, maximum = 1000)]
    pub(crate) rate: Option<f64>,
}

impl From<CreateCampaignRequest> for NewCampaign {
    fn from(request: CreateCampaignRequest) -> Self {
        Self {
            account: request.account,
            name: request.name,
            kind: request.kind,
            from: request.from,
            media: request.media.map(campaign_media).unwrap_or_default(),
            caption: request.caption,
            template: request.template.map(Into::into),
            send_at: request.send_at,
            send_before: request.send_before,
            rate: request.rate,
        }
    }
}

pub(crate) fn campaign_media(media: MediaRequest) -> CampaignMedia {
    CampaignMedia {
        url: media.url,
        id: media.id,
        mime_type: media.mime_type,
    }
}

/// A campaign and the outcome of its messages.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CampaignResponse {
    /// A slug or a digest of the name.
    pub(crate) id: String,
    pub(crate) name: String,
    /// `draft`, `scheduled`, `running`, `paused`, `done` or `cancelled`.
    pub(crate) state: &'static str,
    pub(crate) account: String,
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The host only without the scope `operate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<TemplateResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) send_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) send_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    pub(crate) created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<String>,
    pub(crate) recipients: RecipientsSummary,
    /// Messages by state. Recipients without a message yet count as queued, or as cancelled with
    /// their campaign.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) progress: CampaignProgress,
    /// Absent in lists. Most frequent first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failures: Option<Vec<CampaignFailure>>,
    /// Absent in lists. From the submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_to_delivered: Option<DeliveryTimesResponse>,
    /// Only when the campaign is created: problems with its media.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<WarningResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<CostSumResponse>,
}

/// Outcome of the uploaded rows.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct RecipientsSummary {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    /// Accepted recipients without a message yet.
    pub(crate) waiting: u64,
}

/// Messages that have left the queue, and when the rest will have.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CampaignProgress {
    pub(crate) total: u64,
    /// Messages that have left the queue: submitted, failed or cancelled.
    pub(crate) done: u64,
    /// Messages per second, recently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<f64>,
    /// When the last message leaves the queue at this speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected_end_at: Option<String>,
}

/// Failed messages with one reason.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CampaignFailure {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    pub(crate) messages: u64,
}

/// How long deliveries took.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct DeliveryTimesResponse {
    pub(crate) messages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p95_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ms: Option<i64>,
}

impl CampaignResponse {
    /// A campaign of a list.
    pub(crate) fn of(campaign: &Campaign, states: &CountsByState, visibility: Visibility) -> Self {
        let count = |messages: i64| u64::try_from(messages).unwrap_or_default();
        let counts: BTreeMap<&'static str, u64> = states
            .iter()
            .map(|(state, messages)| (state.as_str(), count(*messages)))
            .collect();
        let total = counts.values().sum();
        let unsent = [DeliveryState::Queued, DeliveryState::Sending];
        let unsent = unsent.iter().filter_map(|state| counts.get(state.as_str()));
        let done = total - unsent.sum::<u64>();
        let recipients = campaign.recipients;
        Self {
            id: campaign.id.to_string(),
            name: campaign.name.clone(),
            state: campaign.state.as_str(),
            account: campaign.account.to_string(),
            kind: campaign.kind.as_str(),
            from: campaign.sender.clone(),
            media_url: (campaign.media.url.as_deref()).and_then(|url| match visibility {
                Visibility::Full => Some(url.to_owned()),
                Visibility::Masked => host(url),
            }),
            media_id: campaign.media.id.clone(),
            caption: (campaign.caption.clone()).filter(|_| visibility == Visibility::Full),
            template: campaign
                .template
                .as_ref()
                .map(|template| TemplateResponse::of(template, visibility)),
            send_at: campaign.send_at.map(time),
            send_before: campaign.send_before.map(time),
            rate: campaign.rate,
            created_at: time(campaign.created_at),
            started_at: campaign.started_at.map(time),
            finished_at: campaign.finished_at.map(time),
            recipients: RecipientsSummary {
                accepted: recipients.accepted,
                duplicates: recipients.duplicates,
                rejected: recipients.rejected,
                waiting: recipients.waiting(),
            },
            counts,
            progress: CampaignProgress {
                total,
                done,
                per_second: None,
                expected_end_at: None,
            },
            failures: None,
            time_to_delivered: None,
            warnings: Vec::new(),
            cost: None,
        }
    }

    /// One campaign, with everything.
    pub(crate) fn complete(
        summary: &CampaignSummary,
        cost: &CostFigures,
        visibility: Visibility,
    ) -> Self {
        let times = &summary.times;
        let mut response = Self::of(&summary.campaign, &summary.states, visibility);
        response.progress.per_second = summary.speed;
        response.progress.expected_end_at = summary.expected_end.map(time);
        response.cost = Some(cost.into());
        let failures = summary.failures.iter();
        response.failures = Some(failures.map(|group| failure(group, visibility)).collect());
        response.time_to_delivered = Some(DeliveryTimesResponse {
            messages: times.count(),
            p50_ms: times.percentile(50),
            p95_ms: times.percentile(95),
            p99_ms: times.percentile(99),
        });
        response
    }
}

fn failure(group: &FailureGroup, visibility: Visibility) -> CampaignFailure {
    CampaignFailure {
        class: group.class.map(FailureClass::as_str),
        code: group.code.as_deref().map(|code| visibility.mask_code(code)),
        messages: group.messages,
    }
}

fn host(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    url.host_str().map(ToOwned::to_owned)
}

/// Outcome of an upload.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct RecipientsResponse {
    pub(crate) accepted: u64,
    /// Rows about a recipient that the campaign or an earlier row has.
    pub(crate) duplicates: u64,
    /// The first 1,000.
    pub(crate) rejected: Vec<RejectedRowResponse>,
    /// All rejected rows, listed or not.
    pub(crate) rejected_count: u64,
}

/// A row that was not accepted.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct RejectedRowResponse {
    /// Counts from 1, a header included.
    pub(crate) line: u64,
    /// The column; `row` for the whole row.
    pub(crate) field: String,
    pub(crate) message: String,
}

impl From<ImportReport> for RecipientsResponse {
    fn from(report: ImportReport) -> Self {
        let rejected = report.listed.into_iter().map(|row| RejectedRowResponse {
            line: row.line,
            field: row.field,
            message: row.message,
        });
        Self {
            accepted: report.accepted,
            duplicates: report.duplicates,
            rejected: rejected.collect(),
            rejected_count: report.rejected,
        }
    }
}

/// Which messages of a campaign to send again.
#[derive(Deserialize, ToSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendCampaignRequest {
    /// `failed` (when absent), `uncertain` or `cancelled`; several with commas.
    #[schema(pattern = "^(failed|uncertain|cancelled)(,(failed|uncertain|cancelled))*$")]
    pub(crate) state: Option<String>,
    /// The class of the failure.
    #[schema(pattern = "^(recipient|media|window|policy|account|rate|provider|expired|unknown)$")]
    pub(crate) class: Option<String>,
    /// The code of the failure.
    #[schema(pattern = "^[^\\x00]*[^\\s\\x00][^\\x00]*$")]
    pub(crate) code: Option<String>,
    /// Replaces the media of the messages.
    pub(crate) media: Option<MediaRequest>,
    /// Only count the messages.
    #[serde(default)]
    pub(crate) dry_run: bool,
}
