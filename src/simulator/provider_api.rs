//! What every simulated company does: answer a request, report on a message, pass on what a customer wrote.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::media::{CAPTION_LIMIT, MediaKind};
use crate::domain::provider::ProviderId;
use crate::simulator::dice::Dice;
use crate::simulator::exchange::{Answer, Form, ReceivedRequest};
use crate::simulator::fate::{Event, Taken};
use crate::simulator::settings::Settings;
use crate::simulator::{kaleyra, lancepilot, sobot, zixflow};

/// A request on a company's desk.
pub(crate) struct Call<'a> {
    /// What the company knows.
    pub(crate) settings: &'a Settings,
    /// The request.
    pub(crate) request: &'a ReceivedRequest,
    /// Its parts, where it is a multipart form.
    pub(crate) form: Option<&'a Form>,
    /// Which of the provider's sends it is, counted from 1.
    pub(crate) ordinal: u64,
    /// How many the provider accepted before.
    pub(crate) accepted: u64,
    /// Now.
    pub(crate) now: DateTime<Utc>,
}

impl Call<'_> {
    /// The dice of one purpose for this send.
    pub(crate) fn dice(&self, purpose: &str) -> Dice {
        Dice::new(
            self.settings.seed,
            self.request.provider.as_str(),
            self.ordinal,
            purpose,
        )
    }
}

/// A callback's body in a company's own dialect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dialect {
    /// Its content type.
    pub(crate) content_type: &'static str,
    /// Its bytes.
    pub(crate) body: Vec<u8>,
}

impl Dialect {
    /// JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            content_type: "application/json",
            body: value.to_string().into_bytes(),
        }
    }
}

/// A simulated company.
pub(crate) trait Company {
    /// Checks a request as documented and answers it.
    fn answer(&self, call: &Call<'_>) -> Answer;

    /// Reports one or more (batched) events of one message.
    fn report(
        &self,
        settings: &Settings,
        message: &Taken,
        events: &[Event],
        dice: &mut Dice,
    ) -> Dialect;

    /// Passes on a customer's answer to a message.
    fn inbound(
        &self,
        settings: &Settings,
        message: &Taken,
        at: DateTime<Utc>,
        dice: &mut Dice,
    ) -> Dialect;
}

/// The company behind a provider id.
pub(crate) fn of(provider: ProviderId) -> &'static dyn Company {
    match provider {
        ProviderId::Sobot => &sobot::Sobot,
        ProviderId::Kaleyra => &kaleyra::Kaleyra,
        ProviderId::Zixflow => &zixflow::Zixflow,
        ProviderId::LancePilot => &lancepilot::LancePilot,
    }
}

/// One status object as WhatsApp's Cloud API has it; `id` is what the company puts there.
pub(crate) fn cloud_status(message: &Taken, event: &Event, id: &str) -> Map<String, Value> {
    let mut status = Map::new();
    status.insert("id".to_owned(), json!(id));
    status.insert("status".to_owned(), json!(event.happening.word()));
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
pub(crate) fn cloud_errors(event: &Event) -> Option<Value> {
    let trouble = event.happening.trouble()?;
    // WhatsApp's own codes are numbers, a provider's are text.
    let code = trouble
        .code
        .parse::<u32>()
        .map_or_else(|_| json!(trouble.code), |code| json!(code));
    Some(json!([{
        "code": code,
        "title": trouble.title,
        "message": trouble.title,
        "error_data": { "details": trouble.details },
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
