//! What every simulated provider_api does: answer a request, report on a message, pass on what a customer wrote.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::media::{CAPTION_LIMIT, MediaKind};
use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::{AcceptedMessage, PlannedEvent};
use crate::simulator::exchange::{ApiReply, MultipartForm, ReceivedRequest};
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::Settings;
use crate::simulator::{kaleyra, lancepilot, sobot, zixflow};

/// A request on a provider_api's desk.
pub(crate) struct ApiCall<'a> {
    /// What the provider_api knows.
    pub(crate) settings: &'a Settings,
    /// The request.
    pub(crate) request: &'a ReceivedRequest,
    /// Its parts, where it is a multipart form.
    pub(crate) form: Option<&'a MultipartForm>,
    /// Which of the provider's sends it is, counted from 1.
    pub(crate) ordinal: u64,
    /// How many the provider accepted before.
    pub(crate) accepted: u64,
    /// Now.
    pub(crate) now: DateTime<Utc>,
}

impl ApiCall<'_> {
    /// The rng of one purpose for this send.
    pub(crate) fn rng(&self, purpose: &str) -> SeededRng {
        SeededRng::new(
            self.settings.seed,
            self.request.provider.as_str(),
            self.ordinal,
            purpose,
        )
    }
}

/// A callback's body in a provider_api's own dialect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CallbackBody {
    /// Its content type.
    pub(crate) content_type: &'static str,
    /// Its bytes.
    pub(crate) body: Vec<u8>,
}

impl CallbackBody {
    /// JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            content_type: "application/json",
            body: value.to_string().into_bytes(),
        }
    }
}

/// A simulated provider_api.
pub(crate) trait ProviderApi {
    /// Checks a request as documented and answers it.
    fn answer(&self, call: &ApiCall<'_>) -> ApiReply;

    /// Reports one or more (batched) events of one message.
    fn report(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        events: &[PlannedEvent],
        rng: &mut SeededRng,
    ) -> CallbackBody;

    /// Passes on a customer's answer to a message.
    fn inbound(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        at: DateTime<Utc>,
        rng: &mut SeededRng,
    ) -> CallbackBody;
}

/// The provider_api behind a provider id.
pub(crate) fn of(provider: ProviderId) -> &'static dyn ProviderApi {
    match provider {
        ProviderId::Sobot => &sobot::Sobot,
        ProviderId::Kaleyra => &kaleyra::Kaleyra,
        ProviderId::Zixflow => &zixflow::Zixflow,
        ProviderId::LancePilot => &lancepilot::LancePilot,
    }
}

/// One status object as WhatsApp's Cloud API has it; `id` is what the provider_api puts there.
pub(crate) fn cloud_status(
    message: &AcceptedMessage,
    event: &PlannedEvent,
    id: &str,
) -> Map<String, Value> {
    let mut status = Map::new();
    status.insert("id".to_owned(), json!(id));
    status.insert("status".to_owned(), json!(event.kind_of_event.word()));
    if let Some(at) = event.at {
        status.insert("timestamp".to_owned(), json!(at.timestamp().to_string()));
    }
    status.insert("recipient_id".to_owned(), json!(message.recipient));
    if let Some(errors) = cloud_errors(event) {
        status.insert("errors".to_owned(), errors);
    }
    status
}

/// The `errors` of a failed event as WhatsApp's Cloud API has them.
pub(crate) fn cloud_errors(event: &PlannedEvent) -> Option<Value> {
    let reason = event.kind_of_event.reason()?;
    // WhatsApp's own codes are numbers, a provider's are text.
    let code = reason
        .code
        .parse::<u32>()
        .map_or_else(|_| json!(reason.code), |code| json!(code));
    Some(json!([{
        "code": code,
        "title": reason.title,
        "message": reason.title,
        "error_data": { "details": reason.details },
    }]))
}

/// What a customer answers.
pub(crate) const ANSWERS: [&str; 6] = [
    "Thank you!",
    "Received, looks great",
    "Can you deliver tomorrow instead?",
    "Obrigada!",
    "👍",
    "Lovely, thanks",
];

/// The kind a request names.
pub(crate) fn read_kind(value: &Value) -> Option<MediaKind> {
    value.as_str()?.parse().ok()
}

/// Whether a value is an address that the outside can fetch.
pub(crate) fn is_address(value: &Value) -> bool {
    value
        .as_str()
        .and_then(|text| url::Url::parse(text).ok())
        .is_some_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Whether a caption is absent, or text within the documented length.
pub(crate) fn is_caption(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.chars().count() <= CAPTION_LIMIT,
        _ => false,
    }
}

/// Whether a text is 7 to 15 digits and nothing else.
pub(crate) fn is_digits(text: &str) -> bool {
    (7..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
