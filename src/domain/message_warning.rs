//! Warnings about a message that was accepted, although something about it is probably a mistake.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

/// Codes are stable: callers branch on them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum WarningCode {
    /// The recipient's 24-hour window is closed.
    WindowClosed,
    /// The account is in dry-run: nothing is sent.
    DryRun,
    /// The recipient of a registered message differs from the one already known for its provider
    /// id.
    RecipientDiffers,
    /// The reply with which the provider accepted the message is unusual.
    UnusualReply,
    /// The account is paused: the message waits.
    AccountPaused,
    /// The account's circuit breaker is open: the message waits.
    AccountTripped,
    /// At the account's rate the queue is too long for the message to be sent in time.
    WillExpire,
    /// The media breaks a rule of WhatsApp or of the provider.
    Media,
}
enum_words!(WarningCode, "a warning code");

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageWarning {
    pub code: WarningCode,
    /// What is probably wrong, and what follows from it.
    pub message: String,
}

impl MessageWarning {
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
