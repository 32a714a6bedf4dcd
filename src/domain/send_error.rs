//! The result of a submission: acceptance by the provider, or one of a closed list of errors.

use std::time::Duration;

use crate::domain::failure::{Failure, UNCLEAR_TITLE, UNREACHABLE, UNREACHABLE_TITLE};
use crate::domain::ids::ProviderMessageId;

/// The provider accepted the message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProviderAcceptance {
    /// Valid ids of the reply; may be empty.
    pub ids: Vec<ProviderMessageId>,
    /// Unusual properties of the reply, such as an id that is too long to store.
    pub warnings: Vec<String>,
    /// A status word that neither confirms nor refuses the message: `held_for_quality_assessment`.
    pub word: Option<String>,
}

/// Every way in which sending can fail. Callers branch on the methods, never on text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The provider rejected this message.
    #[error("the provider rejected the message")]
    Refused(Failure),
    /// The provider rejected the account: key, balance, number.
    #[error("the provider rejected the account")]
    AccountRefused(Failure),
    /// The provider rejected the message for now and documents that repeating is safe.
    #[error("the provider asks to try again later")]
    TryLater {
        failure: Failure,
        /// The requested delay; absent: `Capabilities::retry_schedule`, else our own back-off.
        after: Option<Duration>,
    },
    /// The account sends too fast; the message is not the cause.
    #[error("the provider asks the account to send more slowly")]
    SlowDown {
        failure: Failure,
        /// The requested delay.
        after: Option<Duration>,
    },
    /// This recipient gets too many messages in a short time.
    #[error("the provider asks to send more slowly to this recipient")]
    SlowDownRecipient {
        failure: Failure,
        /// The requested delay.
        after: Option<Duration>,
    },
    /// No byte of the request was sent.
    #[error("the provider could not be reached: {0}")]
    NotReached(String),
    /// Bytes were sent, and no clear reply was received.
    #[error("the outcome is unknown: {0}")]
    Unclear(String),
}

impl SendError {
    /// Whether the attempt counts towards the limit of attempts: it does not if the provider asks
    /// to send more slowly or cannot be reached.
    pub fn counts_as_attempt(&self) -> bool {
        !matches!(
            self,
            Self::SlowDown { .. } | Self::SlowDownRecipient { .. } | Self::NotReached(_)
        )
    }

    /// The failure that the message page shows.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Refused(failure)
            | Self::AccountRefused(failure)
            | Self::TryLater { failure, .. }
            | Self::SlowDown { failure, .. }
            | Self::SlowDownRecipient { failure, .. } => failure.clone(),
            Self::NotReached(reason) | Self::Unclear(reason) => Failure {
                code: matches!(self, Self::NotReached(_)).then(|| UNREACHABLE.to_owned()),
                title: Some(
                    match self {
                        Self::NotReached(_) => UNREACHABLE_TITLE,
                        _ => UNCLEAR_TITLE,
                    }
                    .to_owned(),
                ),
                detail: Some(reason.clone()),
                ..Failure::default()
            },
        }
    }
}
