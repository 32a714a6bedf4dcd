//! How each company talks: functions from values to values, no network, database, clock or async.
//!
//! To add a provider, copy the nearest file, add fixtures, add one line to [`of`] and one row to the README; `tests/it/house.rs` says what was forgotten.

pub mod authenticity;
pub mod cloud_api;
mod flat;
pub mod kaleyra;
pub mod lancepilot;
mod payload;
mod profile;
mod replies;
pub mod sobot;
pub mod vocabulary;
mod xml;
pub mod zixflow;

use chrono::{DateTime, Utc};
use http::Method;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::delivery::{Fact, Pricing};
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::media::{MediaKind, Upload};
use crate::domain::message::Outgoing;
use crate::domain::provider::{Accepted, Account, Capabilities, ProviderId, SendError};
use crate::providers::vocabulary::Exceptions;

/// One HTTP request that a provider wants made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpCall {
    /// The method.
    pub method: Method,
    /// The complete address.
    pub url: String,
    /// Headers in the order they are sent; `Content-Type` of a multipart body is the transport's.
    pub headers: Vec<Header>,
    /// The body.
    pub body: CallBody,
}

/// One header of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Its name, lower case.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// A secret value is recorded as `…`.
    pub secret: bool,
}

impl Header {
    /// A header that anyone may see.
    pub fn plain(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            secret: false,
        }
    }

    /// A header whose value is recorded as `…`.
    pub fn secret(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            secret: true,
        }
    }
}

/// The body of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallBody {
    /// None.
    Empty,
    /// JSON, serialised.
    Json(String),
    /// `multipart/form-data`: text fields, then one file streamed from disk.
    Multipart {
        /// Text fields, in order.
        fields: Vec<(&'static str, String)>,
        /// The file.
        file: FilePart,
    },
}

/// The file of a multipart body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePart {
    /// Name of the form field.
    pub field: &'static str,
    /// File name with the extension the provider expects.
    pub file_name: String,
    /// Content type.
    pub mime_type: String,
    /// Where the bytes are.
    pub upload: Upload,
}

/// A provider's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpReply {
    /// HTTP status.
    pub status: u16,
    /// Headers that matter, lower-case names: `retry-after`, `location`, `content-type`.
    pub headers: Vec<(String, String)>,
    /// Body bytes, capped by the transport.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a provider wants after the replies so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SendStep {
    /// Make this call, then ask again with its reply.
    Call(Box<HttpCall>),
    /// The message was taken.
    Accepted(Accepted),
    /// It was not, or nobody knows.
    Failed(SendError),
}

/// One raw request from a provider, unpacked (gzip, deflate) but otherwise as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    /// The method.
    pub method: String,
    /// The query string without `?`, percent-encoded as it came.
    pub query: String,
    /// The `Content-Type` header, if any.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// When it was received, by our clock.
    pub received_at: DateTime<Utc>,
}

/// One thing that a callback says.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every part is a report, and parts are short-lived"
)]
pub enum CallbackPart {
    /// About a message that a business sent.
    Report(Report),
    /// A customer wrote; opens the 24-hour window.
    Inbound(Inbound),
    /// Understood, but not about a message: a quality rating, a template's status, a system error. In a few words, without personal data.
    Notice(String),
    /// Not understood. Why, in words, without personal data.
    Unreadable(String),
}

/// What a callback says about one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Every id that may be learned for the message; never a conversation, trace, campaign or batch id.
    ///
    /// Without any id and tag only Zixflow's and LancePilot's reports occur: the signed report URL or the recipient must tell the message.
    pub ids: Vec<ProviderMessageId>,
    /// The message that the correlation tag names.
    pub tag: Option<MessageId>,
    /// The customer: phone digits, user id or group participant.
    pub recipient: Option<String>,
    /// Image or video, where told (LancePilot); helps matching by recipient.
    pub kind: Option<MediaKind>,
    /// What happened. Absent for an echo that only teaches ids.
    pub fact: Option<Fact>,
    /// When, by the provider's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What it cost.
    pub pricing: Pricing,
}

/// A message from a customer. Its content is read nowhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inbound {
    /// Who wrote: phone digits or user id.
    pub sender: Option<String>,
    /// When, by the provider's clock.
    pub occurred_at: Option<DateTime<Utc>>,
}

/// One company: what it can do, how to hand it a message, how to read its callbacks.
pub trait Provider: Send + Sync {
    /// Which one this is.
    fn id(&self) -> ProviderId;

    /// What its documentation allows.
    fn capabilities(&self) -> &'static Capabilities;

    /// Given the replies so far, the next call or the result. A one-call provider looks at "no reply yet" and "one reply".
    fn send(&self, account: &Account, message: &Outgoing, replies: &[HttpReply]) -> SendStep;

    /// Everything one callback says, in its order. Never empty: what says nothing is [`CallbackPart::Unreadable`].
    fn read_callback(&self, callback: &Callback) -> Vec<CallbackPart>;

    /// Status words that mean something else here, for callbacks whose names the operator chose.
    fn exceptions(&self) -> Exceptions {
        &[]
    }

    /// Numbered steps for this provider's console; `{url}` stands for the callback address.
    fn setup(&self) -> &'static [&'static str];
}

/// The provider behind an id: the visible list.
pub fn of(id: ProviderId) -> &'static dyn Provider {
    match id {
        ProviderId::Sobot => &sobot::Sobot,
        ProviderId::Kaleyra => &kaleyra::Kaleyra,
        ProviderId::Zixflow => &zixflow::Zixflow,
        ProviderId::LancePilot => &lancepilot::LancePilot,
    }
}

/// Everything one callback of an account says, read by the names that its operator chose where it uses them.
pub fn read_callback(
    provider: &dyn Provider,
    fields: &CallbackFields,
    callback: &Callback,
) -> Vec<CallbackPart> {
    if fields.is_empty() {
        return provider.read_callback(callback);
    }
    let chosen = |callback: &Callback| {
        let payload = payload::read(callback).ok()?;
        profile::read(&payload, fields, provider.exceptions())
    };
    let of_the_query = || {
        chosen(&Callback {
            body: Vec::new(),
            ..callback.clone()
        })
    };
    chosen(callback)
        .or_else(of_the_query)
        .unwrap_or_else(|| provider.read_callback(callback))
}
