//! What a provider implements, and the values it takes and returns.

use std::fmt;

use chrono::{DateTime, Utc};
use http::Method;
use serde_json::Value;

use crate::domain::account_event::ReportedEvent;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::media::{MediaKind, Upload};
use crate::domain::message::OutgoingMessage;
use crate::domain::provider::{Capabilities, ProviderId};
use crate::domain::provider_account::Account;
use crate::domain::receipt::{Pricing, ReceiptEvent};
use crate::domain::reported_time::ReportedTime;
use crate::domain::send_error::{ProviderAcceptance, SendError};
use crate::providers::vocabulary::StatusWords;

/// One HTTP request to a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpCall {
    pub method: Method,
    pub url: String,
    /// In sending order. The transport adds `Content-Type` for a multipart body.
    pub headers: Vec<Header>,
    pub body: CallBody,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Lower case.
    pub name: &'static str,
    pub value: String,
    /// A secret value is recorded as `…`.
    pub secret: bool,
}

impl Header {
    pub fn plain(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            secret: false,
        }
    }

    pub fn secret(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            secret: true,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallBody {
    Empty,
    /// Serialised JSON.
    Json(String),
    /// `multipart/form-data`: text fields, then one file that is streamed from disk.
    Multipart {
        fields: Vec<(&'static str, String)>,
        file: FilePart,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePart {
    pub field: &'static str,
    /// With the extension that the provider expects.
    pub file_name: String,
    pub mime_type: String,
    pub upload: Upload,
}

/// A provider's HTTP reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpReply {
    pub status: u16,
    /// `retry-after`, `location` and `content-type`; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Capped by the transport.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// Returns the first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The next step of a submission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SendStep {
    /// Make this call, then continue with its reply.
    Call(Box<HttpCall>),
    /// The provider accepted the message.
    Accepted(ProviderAcceptance),
    /// Rejected, or outcome unknown.
    Failed(SendError),
}

/// One raw request from a provider, decompressed (gzip, deflate) but otherwise as received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    pub method: String,
    /// Without `?`, percent-encoded as received.
    pub query: String,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
}

/// Maximum number of parts of one callback that are applied; providers send batches of a few
/// hundred.
pub const PARTS_LIMIT: usize = 5_000;

/// One part of a parsed callback.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallbackPart {
    /// A report about a message that a business sent.
    Report(Report),
    /// A customer's message; opens the 24-hour window.
    Inbound(Inbound),
    /// Understood, but about neither a message nor the account. The text has no personal data.
    Notice(String),
    /// About the account: a quality rating, a template status, a system error.
    AccountEvent(ReportedEvent),
    /// Only tests whether the URL works: empty, or a word such as `test`.
    Probe,
    /// Not understood. The reason has no personal data.
    Unparseable(String),
}

impl CallbackPart {
    pub(super) fn unparseable(reason: &str) -> Self {
        Self::Unparseable(reason.to_owned())
    }
}

/// What a callback reports about one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// All ids that may be learned for the message; never a conversation, trace, campaign or batch
    /// id.
    ///
    /// Only Zixflow's and LancePilot's reports may have neither id nor tag: the signed report URL
    /// or the recipient identifies the message.
    pub ids: Vec<ProviderMessageId>,
    /// From the correlation tag.
    pub tag: Option<MessageId>,
    /// Phone digits, user id or group participant.
    pub recipient: Option<String>,
    /// Used for matching by recipient.
    pub kind: Option<ReportedKind>,
    /// Absent for an echo that only provides ids. The ids of a notice are only looked up.
    pub event: Option<ReceiptEvent>,
    /// By the provider's clock.
    pub occurred_at: Option<ReportedTime>,
    pub pricing: Pricing,
    /// The notice that it is while no message has one of its ids. For events that no document
    /// names: an id of a message shows that they are about it.
    pub notice_if_unknown: Option<String>,
}

impl Report {
    /// Whether it is about something other than the delivery of its message.
    pub fn is_notice(&self) -> bool {
        matches!(self.event, Some(ReceiptEvent::Notice(_)))
    }
}

/// The kind of message that a report names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportedKind {
    Media(MediaKind),
    /// A template; its header has the image or video.
    Template,
    /// A kind that this program does not send, such as a text. The report is about none of its
    /// messages, unless an id or a tag says so.
    Other,
}

impl ReportedKind {
    pub fn media(self) -> Option<MediaKind> {
        match self {
            Self::Media(kind) => Some(kind),
            Self::Template | Self::Other => None,
        }
    }
}

impl fmt::Display for ReportedKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Media(kind) => kind.fmt(formatter),
            Self::Template => formatter.write_str("template"),
            Self::Other => formatter.write_str("other"),
        }
    }
}

/// A message from a customer. Its content is never parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inbound {
    /// Phone digits or user id.
    pub sender: Option<String>,
    /// By the provider's clock.
    pub occurred_at: Option<ReportedTime>,
}

/// A provider: its capabilities, sending and callback parsing.
pub trait Provider: Send + Sync {
    fn id(&self) -> ProviderId;

    fn capabilities(&self) -> &'static Capabilities;

    /// Returns the next call, or the result, given the replies so far.
    fn send(&self, account: &Account, message: &OutgoingMessage, replies: &[HttpReply])
    -> SendStep;

    /// Parses the content of a callback into its parts, in order; those beyond [`PARTS_LIMIT`] may
    /// be left out. Never empty: an empty list is [`CallbackPart::Unparseable`].
    fn parse_payload(&self, payload: &Value) -> Vec<CallbackPart>;

    /// Status words that mean something else at this provider, for callbacks with the operator's
    /// field names.
    fn status_words(&self) -> StatusWords {
        &[]
    }

    /// Numbered set-up steps in this provider's console; `{url}` is the callback URL.
    fn setup(&self) -> &'static [&'static str];
}
