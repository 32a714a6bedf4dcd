//! The JSON of an account.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::health_thresholds::FailureRate;
use crate::domain::provider::ProviderId;
use crate::providers;
use crate::reporting::account_activity::AccountActivity;

/// One account.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AccountResponse {
    pub(crate) id: String,
    pub(crate) provider: &'static str,
    /// For the provider's console; with `operate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<String>,
    /// What to do in the provider's console.
    pub(crate) setup: Vec<String>,
    pub(crate) capabilities: CapabilitiesResponse,
    pub(crate) senders: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_callback_at: Option<String>,
    /// When the callback URL of the previous generation was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_callback_url_used_at: Option<String>,
    /// `ok`, `unconfigured`, `slow`, `silent`, `failing`, `refused`, `paused` or `tripped`.
    pub(crate) health: &'static str,
    /// The figures that decide whether `health` is `failing` or `slow`.
    pub(crate) last_hour: LastHourResponse,
    /// Mistakes in the set-up at the provider that do no harm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<AccountWarningResponse>,
    /// Why it is paused, in the words of the provider or of the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pause_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused_since: Option<String>,
    /// `operator`, or `provider`: it rejects the account, or most messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused_by: Option<&'static str>,
    /// Why only probes are sent, while `health` is `tripped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trip_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tripped_since: Option<String>,
    /// The provider's last reply before or since it tripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_reply: Option<String>,
    /// When one message will test whether the provider accepts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_probe_at: Option<String>,
    /// Messages per second, as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    /// Messages per second now; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effective_rate: Option<f64>,
    /// Why the effective rate is below the configured one, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effective_rate_reason: Option<String>,
    /// When the provider last asked to slow down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slowed_since: Option<String>,
    /// Until when the provider asked to send nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_until: Option<String>,
    /// `live` or `dry-run`; absent if the account is no longer configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<&'static str>,
}

/// The last hour, from a quarter hour on, and the seven days before it.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct LastHourResponse {
    /// Messages whose submission began.
    pub(crate) attempted: i64,
    pub(crate) failed: i64,
    /// Share of the attempted messages that failed; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed_percent: Option<i64>,
    /// The same value over the seven days before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usual_failed_percent: Option<i64>,
    /// Half of the delivered messages took at most this long after their submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivered_p50_ms: Option<f64>,
    /// The same value over the seven days before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usual_delivered_p50_ms: Option<f64>,
}

impl LastHourResponse {
    pub(crate) fn of(hour: &AccountActivity) -> Self {
        let FailureRate { recent, usual } = hour.failures;
        Self {
            attempted: recent.attempted,
            failed: recent.failed,
            failed_percent: recent.percent(),
            usual_failed_percent: usual.percent(),
            delivered_p50_ms: hour.delivery.map(|it| it.recent_millis.round()),
            usual_delivered_p50_ms: hour.delivery.and_then(|it| it.usual_millis).map(f64::round),
        }
    }
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AccountWarningResponse {
    /// `template_sends_constant_id`, `long_ids`, `callback_url_white_space` or
    /// `callback_url_doubled_slash`.
    pub(crate) code: &'static str,
    /// What to correct.
    pub(crate) message: String,
    pub(crate) last_seen_at: String,
}

/// What an account's provider can do.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CapabilitiesResponse {
    pub(crate) kinds: Vec<&'static str>,
    /// How media can be given: `url`, `id`, `upload`.
    pub(crate) media: Vec<&'static str>,
    pub(crate) name_required: bool,
    pub(crate) image_limit_bytes: u64,
    pub(crate) video_limit_bytes: u64,
}

impl CapabilitiesResponse {
    pub(crate) fn of(provider: ProviderId) -> Self {
        let capabilities = providers::get(provider).capabilities();
        let sources = capabilities.sources;
        let media = [
            ("url", sources.url),
            ("id", sources.id),
            // Bluetick serves an upload where the provider takes links only.
            ("upload", sources.upload || sources.url),
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
            name_required: capabilities.recipient_name_required,
            image_limit_bytes: capabilities.image_limit,
            video_limit_bytes: capabilities.video_limit,
        }
    }
}
