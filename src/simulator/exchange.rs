//! One request to a simulated provider and what is answered: as values, without a server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::AcceptedMessage;

/// A request as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedRequest {
    /// Whose API was called.
    pub provider: ProviderId,
    /// The method.
    pub method: String,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The query, without `?`.
    pub query: String,
    /// Names in lower case, in no particular order.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The token behind `Bearer `.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// One segment of the path, counted from 0, with `%2B` read as the plus it is.
    pub(crate) fn segment(&self, index: usize) -> String {
        self.path
            .trim_start_matches('/')
            .split('/')
            .nth(index)
            .unwrap_or_default()
            .replace("%2B", "+")
            .replace("%2b", "+")
    }
}

/// The parts of a multipart form that matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct MultipartForm {
    /// Text fields.
    pub(crate) fields: Vec<(String, String)>,
    /// The part named `file`.
    pub(crate) file: Option<UploadedFile>,
}

/// An uploaded file, without its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UploadedFile {
    /// Its file name.
    pub(crate) name: String,
    /// Its content type.
    pub(crate) mime_type: String,
    /// Its size in bytes.
    pub(crate) size: usize,
}

/// What a provider answers, and the message if it took one.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ApiReply {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON body.
    pub(crate) body: Value,
    /// The accepted message.
    pub(crate) taken: Option<Box<AcceptedMessage>>,
}

impl ApiReply {
    /// A refusal.
    pub(crate) fn refused(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            taken: None,
        }
    }

    /// An acceptance.
    pub(crate) fn taken(status: u16, body: Value, message: AcceptedMessage) -> Self {
        Self {
            status,
            body,
            taken: Some(Box::new(message)),
        }
    }
}

/// What the next request gets instead of the documented answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForcedReply {
    /// What is seen on the wire.
    pub(crate) wire: ForcedWire,
    /// Whether the provider takes the message all the same.
    pub(crate) event_plan: ForcedFate,
}

/// What is seen on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ForcedWire {
    /// A reply.
    Reply {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The connection ends without a byte.
    HangUp,
    /// Nothing, until this long has passed or the simulator stops; then the connection ends.
    Silence(Duration),
    /// The documented answer.
    Documented,
}

/// Whether the message is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ForcedFate {
    Lost,
    AcceptedMessage,
}

impl ForcedReply {
    /// This status and JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, "application/json", body.to_string())
    }

    /// This status, content type and body.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            wire: ForcedWire::Reply {
                status,
                headers: vec![("content-type".to_owned(), content_type.to_owned())],
                body: body.into(),
            },
            event_plan: ForcedFate::Lost,
        }
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::json(status, &json!({})).with_header("location", location)
    }

    /// The connection ends without a byte of reply.
    pub fn hang_up() -> Self {
        Self {
            wire: ForcedWire::HangUp,
            event_plan: ForcedFate::Lost,
        }
    }

    /// No reply: the caller's own time-out must end the wait. The simulator gives up after a minute.
    pub fn silence() -> Self {
        Self {
            wire: ForcedWire::Silence(Duration::from_mins(1)),
            event_plan: ForcedFate::Lost,
        }
    }

    /// The documented answer after all; for a place in a row of forced replies.
    pub fn documented() -> Self {
        Self {
            wire: ForcedWire::Documented,
            event_plan: ForcedFate::AcceptedMessage,
        }
    }

    /// The same with one more header, if it is a reply.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let ForcedWire::Reply { headers, .. } = &mut self.wire {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same, but the provider takes the message: its callbacks come although the reply said nothing of the kind.
    #[must_use]
    pub fn although_taken(mut self) -> Self {
        self.event_plan = ForcedFate::AcceptedMessage;
        self
    }
}
