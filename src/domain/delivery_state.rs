//! How far a message got: stages, queue states, and the state that is shown.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

/// How far a message got. Each stage includes the ones before it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum Stage {
    Queued,
    Submitted,
    Sent,
    Delivered,
    Read,
    /// Voice and video only.
    Played,
}
enum_words!(Stage, "a stage");

impl Stage {
    /// The position in [`Stage::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A message's state in the send queue; any receipt takes precedence over it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
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
enum_words!(QueueState, "a queue state");

/// The state that is shown for a message.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Display,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
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
enum_words!(DeliveryState, "a delivery state");

impl DeliveryState {
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
