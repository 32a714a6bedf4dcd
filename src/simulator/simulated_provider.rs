//! What every simulated provider implements: reply to a send request, report events, pass on a
//! customer's message.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::media::{CAPTION_LIMIT, MediaKind};
use crate::simulator::event_plan::{AcceptedMessage, PlannedEvent};
use crate::simulator::exchange::{ApiReply, MultipartForm, ReceivedRequest};
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::Settings;

/// A send request and what the provider needs to reply.
pub(crate) struct ApiCall<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) request: &'a ReceivedRequest,
    /// Present for a multipart form.
    pub(crate) form: Option<&'a MultipartForm>,
    /// Number of this send at its provider, from 1.
    pub(crate) ordinal: u64,
    /// Number of messages that the provider accepted before.
    pub(crate) accepted: u64,
    pub(crate) now: DateTime<Utc>,
}

impl ApiCall<'_> {
    pub(crate) fn rng(&self, purpose: &str) -> SeededRng {
        SeededRng::new(
            self.settings.seed,
            self.request.provider.as_str(),
            self.ordinal,
            purpose,
        )
    }
}

/// A callback body in a provider's format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CallbackBody {
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl CallbackBody {
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            content_type: "application/json",
            body: value.to_string().into_bytes(),
        }
    }
}

pub(crate) trait SimulatedProvider {
    /// Validates a request as documented.
    fn reply(&self, call: &ApiCall<'_>) -> ApiReply;

    /// Reports one or more (batched) events of one message.
    fn report(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        events: &[PlannedEvent],
        rng: &mut SeededRng,
    ) -> CallbackBody;

    /// Reports a customer's reply to a message.
    fn inbound(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        at: DateTime<Utc>,
        rng: &mut SeededRng,
    ) -> CallbackBody;
}

/// A status object of WhatsApp's Cloud API. `id` depends on the provider.
pub(crate) fn cloud_status(
    message: &AcceptedMessage,
    event: &PlannedEvent,
    id: &str,
) -> Map<String, Value> {
    let mut status = Map::new();
    status.insert("id".to_owned(), json!(id));
    status.insert("status".to_owned(), json!(event.kind.word()));
    if let Some(at) = event.at {
        status.insert("timestamp".to_owned(), json!(at.timestamp().to_string()));
    }
    status.insert("recipient_id".to_owned(), json!(message.recipient));
    if let Some(errors) = cloud_errors(event) {
        status.insert("errors".to_owned(), errors);
    }
    status
}

/// The `errors` list of WhatsApp's Cloud API.
pub(crate) fn cloud_errors(event: &PlannedEvent) -> Option<Value> {
    let reason = event.kind.reason()?;
    // WhatsApp's codes are numbers, those of providers are text.
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

/// Texts of customers' replies.
pub(crate) const CUSTOMER_REPLIES: [&str; 6] = [
    "Thank you!",
    "Received, looks great",
    "Can you deliver tomorrow instead?",
    "Obrigada!",
    "👍",
    "Lovely, thanks",
];

pub(crate) fn parse_kind(value: &Value) -> Option<MediaKind> {
    value.as_str()?.parse().ok()
}

pub(crate) fn is_http_url(value: &Value) -> bool {
    value
        .as_str()
        .and_then(|text| url::Url::parse(text).ok())
        .is_some_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Whether the caption is absent or within the documented length.
pub(crate) fn is_caption(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.chars().count() <= CAPTION_LIMIT,
        _ => false,
    }
}

/// Whether the text is 7 to 15 digits.
pub(crate) fn is_digits(text: &str) -> bool {
    (7..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
