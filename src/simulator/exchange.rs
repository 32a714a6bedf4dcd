//! One request to a simulated provider and its reply, as values without a server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::AcceptedMessage;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedRequest {
    pub provider: ProviderId,
    pub method: String,
    /// Percent-encoded, as received.
    pub path: String,
    /// Without `?`.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    /// `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `null` if the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// Path segment, from 0, with `%2B` decoded.
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

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct MultipartForm {
    pub(crate) fields: Vec<(String, String)>,
    /// The part named `file`.
    pub(crate) file: Option<UploadedFile>,
}

/// Name, type and size of an uploaded file; the bytes are dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UploadedFile {
    pub(crate) name: String,
    pub(crate) mime_type: String,
    /// In bytes.
    pub(crate) size: usize,
}

/// A reply, and the accepted message if there is one.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ApiReply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) accepted: Option<Box<AcceptedMessage>>,
}

impl ApiReply {
    pub(crate) fn refused(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            accepted: None,
        }
    }

    pub(crate) fn accepted(status: u16, body: Value, message: AcceptedMessage) -> Self {
        Self {
            status,
            body,
            accepted: Some(Box::new(message)),
        }
    }
}

/// A reply that a test forces instead of the documented one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForcedReply {
    pub(crate) response: ForcedResponse,
    /// Whether the message is accepted anyway.
    pub(crate) outcome: ForcedOutcome,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ForcedResponse {
    Reply {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The connection is closed without a byte.
    HangUp,
    /// No reply for this long, or until the simulator stops; then the connection is closed.
    Silence(Duration),
    /// The documented reply.
    Documented,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ForcedOutcome {
    /// The message is not accepted.
    Lost,
    Accepted,
}

impl ForcedReply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, "application/json", body.to_string())
    }

    pub fn raw(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            response: ForcedResponse::Reply {
                status,
                headers: vec![("content-type".to_owned(), content_type.to_owned())],
                body: body.into(),
            },
            outcome: ForcedOutcome::Lost,
        }
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        Self::json(status, &json!({})).with_header("location", location)
    }

    /// Closes the connection without a byte.
    pub fn hang_up() -> Self {
        Self {
            response: ForcedResponse::HangUp,
            outcome: ForcedOutcome::Lost,
        }
    }

    /// Does not reply: the caller's time-out must end the wait. The simulator closes the connection
    /// after a minute.
    pub fn silence() -> Self {
        Self {
            response: ForcedResponse::Silence(Duration::from_mins(1)),
            outcome: ForcedOutcome::Lost,
        }
    }

    /// The documented reply, as an element in a series of forced replies.
    pub fn documented() -> Self {
        Self {
            response: ForcedResponse::Documented,
            outcome: ForcedOutcome::Accepted,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let ForcedResponse::Reply { headers, .. } = &mut self.response {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The message is accepted although the reply does not say so; its callbacks follow.
    #[must_use]
    pub fn although_accepted(mut self) -> Self {
        self.outcome = ForcedOutcome::Accepted;
        self
    }
}
