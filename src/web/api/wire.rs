//! The JSON of the API: what comes in, what goes out, and what of it a caller without `operate` may see.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::delivery::Delivery;
use crate::domain::delivery_state::Stage;
use crate::domain::explanation::explain_shown_failure;
use crate::domain::ids::ProviderMessageId;
use crate::domain::media::{Media, MediaSource};
use crate::domain::message::{Message, Origin, References};
use crate::domain::phone;
use crate::domain::provider::ProviderId;
use crate::domain::scope::Visibility;
use crate::sending::accept::MessageInput;
use crate::store::attempts::Attempt;

/// RFC 3339, UTC, milliseconds.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `POST /messages`.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest {
    /// Account id. Required.
    #[serde(default)]
    pub(crate) account: String,
    /// One of the account's senders; its first when absent.
    pub(crate) from: Option<String>,
    /// The customer's number; with `+`, or full international digits, or national where the account has a default country.
    /// Required.
    #[serde(default)]
    pub(crate) to: String,
    /// The customer's name, 1 to 256 characters.
    pub(crate) name: Option<String>,
    /// `image` or `video`. Required.
    #[serde(default)]
    pub(crate) kind: String,
    /// Where the file is; left out when it is uploaded.
    pub(crate) media: Option<MediaRequest>,
    /// At most 1024 characters.
    pub(crate) caption: Option<String>,
    /// Your own texts, at most 255 characters each; Kaleyra echoes them.
    #[serde(default)]
    pub(crate) refs: ReferencesBody,
    /// Your own reference, never sent.
    pub(crate) client_reference: Option<String>,
    /// `wa_source` (Kaleyra); `source`, `linkWithRecord` (Zixflow).
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) options: BTreeMap<String, serde_json::Value>,
}

/// Where the file is: exactly one of `url` and `id`.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct MediaRequest {
    /// A public http(s) address.
    pub(crate) url: Option<String>,
    /// The id of an asset uploaded to Kaleyra before.
    pub(crate) id: Option<String>,
    /// `image/jpeg`, `image/png`, `video/mp4`, `video/3gp`; else told by the address's extension.
    pub(crate) mime_type: Option<String>,
}

/// Three texts that travel with a message.
#[derive(Deserialize, Serialize, ToSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferencesBody {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(rename = "ref1", skip_serializing_if = "Option::is_none")]
    pub(crate) reference1: Option<String>,
    #[serde(rename = "ref2", skip_serializing_if = "Option::is_none")]
    pub(crate) reference2: Option<String>,
}

impl From<SendRequest> for MessageInput {
    fn from(request: SendRequest) -> Self {
        let media = request.media;
        let (media_url, media_id, mime_type) = media.map_or((None, None, None), |media| {
            (media.url, media.id, media.mime_type)
        });
        Self {
            account: request.account,
            from: request.from,
            to: request.to,
            name: request.name,
            kind: request.kind,
            media_url,
            media_id,
            upload: None,
            mime_type,
            caption: request.caption,
            references: References {
                reference: request.refs.reference,
                reference1: request.refs.reference1,
                reference2: request.refs.reference2,
            },
            client_reference: request.client_reference,
            options: request.options,
            resend: None,
        }
    }
}

/// The answer to `POST /messages`.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AcceptedResponse {
    pub(crate) id: Uuid,
    /// The state so far.
    pub(crate) state: &'static str,
    pub(crate) account: String,
    pub(crate) created_at: String,
    /// What is legal and yet worth knowing.
    pub(crate) warnings: Vec<String>,
}

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
    /// On the phone, and reported as failed.
    pub(crate) conflict: bool,
    /// Handed over, and nothing heard within the account's deadline.
    pub(crate) overdue: bool,
    /// Why it waits, while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) matched_by: Option<&'static str>,
    /// The wamid if any is known, else the send reply's id.
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
    pub(crate) attempts: Option<Vec<AttemptResponse>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resend_of: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resent_as: Option<Uuid>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

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

/// When a stage was reached.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct StageResponse {
    pub(crate) at: String,
    /// The provider named no time; it is when we heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inferred: Option<bool>,
    /// Nothing named this stage; one above it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) implied: Option<bool>,
    /// How many reports said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u32>,
}

/// Why it will not arrive.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct FailureResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// `recipient`, `media`, `window`, `policy`, `account`, `rate`, `provider`, `expired` or `unknown`.
    pub(crate) class: &'static str,
    /// In plain words.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) action: &'static str,
    pub(crate) at: String,
}

/// What it cost, as far as a report said.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct PricingResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<String>,
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

impl MessageResponse {
    /// A message as lists show it: everything that its row knows.
    pub(crate) fn of(message: &Message, visibility: Visibility, now: DateTime<Utc>) -> Self {
        let full = visibility == Visibility::Full;
        let stages = Stage::ALL
            .into_iter()
            .filter_map(|stage| Some((stage.as_str(), plain_stage(message.stage(stage)?))))
            .collect();
        let shown = |origin: Origin| {
            if origin == Origin::Orphan {
                "observed"
            } else {
                origin.as_str()
            }
        };
        Self {
            id: message.id.uuid(),
            account: message.account.to_string(),
            provider: message.provider.as_str(),
            origin: shown(message.origin),
            from: message.sender.clone(),
            to: message
                .recipient
                .as_deref()
                .map(|recipient| recipient_text(recipient, visibility)),
            name: message.name.clone().filter(|_| full),
            kind: message.kind.map(crate::domain::media::MediaKind::as_str),
            media: message
                .media
                .as_ref()
                .map(|media| media_response(media, visibility)),
            caption: message
                .media
                .as_ref()
                .and_then(|media| media.caption.clone())
                .filter(|_| full),
            refs: ReferencesBody {
                reference: message.references.reference.clone(),
                reference1: message.references.reference1.clone(),
                reference2: message.references.reference2.clone(),
            },
            client_reference: message.client_reference.clone(),
            state: message.state.as_str(),
            conflict: message.conflict,
            overdue: message.is_overdue(now),
            hold: message
                .hold
                .as_deref()
                .map(|reason| visibility.mask_text(reason)),
            matched_by: message
                .matched_by
                .map(crate::domain::message::MatchedBy::as_str),
            provider_id: message
                .provider_id
                .as_ref()
                .map(|id| visibility.mask_id(id)),
            provider_ids: None,
            stages,
            failure: failure_response(message, visibility),
            pricing: pricing_response(message),
            attempts: None,
            resend_of: message.resend_of.map(crate::domain::ids::MessageId::uuid),
            resent_as: message.resent_as.map(crate::domain::ids::MessageId::uuid),
            created_at: time(message.created_at),
            updated_at: time(message.updated_at),
        }
    }

    /// A message with all that is known: the fold's marks, every id, every attempt.
    pub(crate) fn whole(
        message: &Message,
        delivery: &Delivery,
        ids: &[ProviderMessageId],
        attempts: &[Attempt],
        visibility: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        let stages = Stage::ALL
            .into_iter()
            .filter_map(|stage| {
                let reached = delivery.stage(stage)?;
                let told = stage != Stage::Queued;
                let response = StageResponse {
                    at: time(reached.at),
                    inferred: told.then_some(reached.inferred),
                    implied: told.then_some(reached.implied),
                    count: told.then_some(reached.count),
                };
                Some((stage.as_str(), response))
            })
            .collect();
        Self {
            stages,
            provider_ids: Some(ids.iter().map(|id| visibility.mask_id(id)).collect()),
            attempts: Some(
                attempts
                    .iter()
                    .map(|attempt| attempt_response(attempt, visibility))
                    .collect(),
            ),
            ..Self::of(message, visibility, now)
        }
    }
}

/// A phone number or whatever else a callback named, as the caller may see it.
pub(crate) fn recipient_text(recipient: &str, visibility: Visibility) -> String {
    match visibility {
        Visibility::Full => recipient.to_owned(),
        Visibility::Masked => phone::mask(recipient),
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

fn media_response(media: &Media, visibility: Visibility) -> MediaResponse {
    let mut response = MediaResponse {
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

fn failure_response(message: &Message, visibility: Visibility) -> Option<FailureResponse> {
    let words = |text: &Option<String>| text.as_deref().map(|text| visibility.mask_text(text));
    let listed = message.failure.as_ref()?;
    let explanation = explain_shown_failure(message, &listed.failure);
    Some(FailureResponse {
        code: listed
            .failure
            .code
            .as_deref()
            .map(|code| visibility.mask_code(code)),
        title: words(&listed.failure.title),
        detail: words(&listed.failure.detail),
        class: listed.class.as_str(),
        meaning: explanation.meaning,
        action: explanation.action,
        at: time(listed.at),
    })
}

fn pricing_response(message: &Message) -> Option<PricingResponse> {
    let pricing = &message.pricing;
    (!pricing.is_empty()).then(|| PricingResponse {
        billable: pricing.billable,
        category: pricing.category.clone(),
        model: pricing.model.clone(),
        price: pricing.price.clone(),
    })
}

fn attempt_response(attempt: &Attempt, visibility: Visibility) -> AttemptResponse {
    let full = visibility == Visibility::Full;
    AttemptResponse {
        at: time(attempt.started_at),
        outcome: attempt.outcome.as_str(),
        http_status: attempt.http_status,
        duration_ms: attempt.duration_ms,
        detail: attempt
            .detail
            .as_deref()
            .map(|words| visibility.mask_text(words)),
        request: full.then(|| attempt.request.clone()),
        reply: attempt.reply.clone().filter(|_| full),
    }
}

/// One callback.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CallbackResponse {
    pub(crate) id: Uuid,
    pub(crate) account: String,
    pub(crate) method: String,
    pub(crate) received_at: String,
    /// Bytes of the body.
    pub(crate) size: u64,
    /// `receipts`, `inbound`, `notice`, `quarantined`, `unverified` or `pending`.
    pub(crate) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    pub(crate) message_ids: Vec<Uuid>,
}

/// One message known only from callbacks.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct OrphanResponse {
    pub(crate) id: Uuid,
    pub(crate) account: String,
    pub(crate) provider_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipient: Option<String>,
    pub(crate) first_received_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<&'static str>,
    /// Messages without an id that went to the same recipient.
    pub(crate) suggestions: Vec<Uuid>,
}

/// How many things need a person.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ProblemsResponse {
    pub(crate) orphans: u64,
    pub(crate) conflicts: u64,
    pub(crate) id_conflicts: u64,
    pub(crate) overdue: u64,
    pub(crate) uncertain: u64,
    pub(crate) quarantine: u64,
    pub(crate) unverified: u64,
    /// Refused callbacks since the process started.
    pub(crate) rejected: u64,
    pub(crate) paused_accounts: u64,
    /// What an operator must know at once, of the process that answers.
    pub(crate) alarms: Vec<AlarmResponse>,
}

/// Something that an operator must know at once.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AlarmResponse {
    /// `callbacks_refused`, `sends_refused`, `disk_low`, `spool_in_use`, `set_aside`, `over_ceiling` or `busy`.
    pub(crate) alarm: &'static str,
    /// Whose, where it is about one account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// What is the matter and what to do.
    pub(crate) message: String,
}

/// One account.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AccountResponse {
    pub(crate) id: String,
    pub(crate) provider: &'static str,
    /// Where the provider calls back; with `operate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<String>,
    /// What to do in the provider's console.
    pub(crate) setup: Vec<String>,
    pub(crate) capabilities: CapabilitiesResponse,
    pub(crate) senders: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_callback_at: Option<String>,
    /// When a callback last came to the URL of the generation before, which is still to be retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_callback_url_used_at: Option<String>,
    /// `ok`, `unconfigured`, `silent`, `refused` or `paused`.
    pub(crate) health: &'static str,
    /// Why it is paused, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pause_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused_since: Option<String>,
    /// `live` or `dry-run`; absent for an account that is not configured any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<&'static str>,
}

/// What an account's provider can do.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CapabilitiesResponse {
    pub(crate) kinds: Vec<&'static str>,
    /// Of `url`, `id`, `upload`.
    pub(crate) media: Vec<&'static str>,
    pub(crate) name_required: bool,
    pub(crate) image_limit_bytes: u64,
    pub(crate) video_limit_bytes: u64,
}

impl CapabilitiesResponse {
    /// Of a provider.
    pub(crate) fn of(provider: ProviderId) -> Self {
        let capabilities = crate::providers::get(provider).capabilities();
        let sources = capabilities.sources;
        let media = [
            ("url", sources.url),
            ("id", sources.id),
            ("upload", sources.upload),
        ];
        Self {
            kinds: capabilities
                .kinds
                .iter()
                .map(|kind| kind.as_str())
                .collect(),
            media: media
                .into_iter()
                .filter(|(_, can)| *can)
                .map(|(word, _)| word)
                .collect(),
            name_required: capabilities.name_required,
            image_limit_bytes: capabilities.image_limit,
            video_limit_bytes: capabilities.video_limit,
        }
    }
}
