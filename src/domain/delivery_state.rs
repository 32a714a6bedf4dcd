//! How far a message got: stages, queue states, and the state that is shown.

use std::fmt;
use std::str::FromStr;

/// How far a message got. Each stage includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    Queued,
    Submitted,
    Sent,
    Delivered,
    Read,
    /// Voice and video only.
    Played,
}

impl Stage {
    /// Lowest first.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Submitted,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Played,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitted => "submitted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
        }
    }

    /// The position in [`Stage::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a delivery state")]
pub struct NotAState(pub String);

impl FromStr for Stage {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| NotAState(text.to_owned()))
    }
}

/// A message's state in the send queue; any receipt takes precedence over it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueueState {
    Queued,
    /// Claimed by a worker.
    Sending,
    /// Submitted, outcome unknown.
    Uncertain,
    Cancelled,
    /// No longer in the queue, or never was.
    Done,
}

impl QueueState {
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Sending,
        Self::Uncertain,
        Self::Cancelled,
        Self::Done,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Uncertain => "uncertain",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }
}

impl FromStr for QueueState {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL
            .into_iter()
            .find(|word| word.as_str() == text)
            .ok_or_else(|| NotAState(text.to_owned()))
    }
}

/// The state that is shown for a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeliveryState {
    Queued,
    Sending,
    /// Submission outcome unknown; never repeated automatically.
    Uncertain,
    Submitted,
    Sent,
    Delivered,
    Read,
    Played,
    Failed,
    Cancelled,
}

impl DeliveryState {
    /// In the order of the dashboard.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Sending,
        Self::Uncertain,
        Self::Submitted,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Played,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Uncertain => "uncertain",
            Self::Submitted => "submitted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The label of the dashboard.
    pub fn label(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Sending => "Sending",
            Self::Uncertain => "Uncertain",
            Self::Submitted => "Submitted",
            Self::Sent => "Sent",
            Self::Delivered => "Delivered",
            Self::Read => "Read",
            Self::Played => "Played",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// What the label means, in a few words.
    pub fn tooltip(self) -> &'static str {
        match self {
            Self::Queued => "waiting to be submitted",
            Self::Sending => "being submitted to the provider",
            Self::Uncertain => "submission outcome unknown: never repeated automatically",
            Self::Submitted => "the provider accepted it",
            Self::Sent => "WhatsApp accepted it",
            Self::Delivered => "reached the phone",
            Self::Read => "read by the recipient",
            Self::Played => "played by the recipient",
            Self::Failed => "will not arrive",
            Self::Cancelled => "cancelled before it was submitted",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| NotAState(text.to_owned()))
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
