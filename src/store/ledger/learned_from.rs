//! Where a provider id was learned.

use chrono::{DateTime, Utc};

use crate::db::{Error, instant};
use crate::store::entities::id_conflict_row;
use crate::store::entities::provider_id_row::IdSource;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LearnedFrom {
    /// The provider's reply to a submission.
    Reply,
    /// A callback received at this instant. Reprocessing it learns the id at the same instant.
    Callback(DateTime<Utc>),
    /// Like `Callback`, but the callback names its message by report URL or correlation tag.
    NamingCallback(DateTime<Utc>),
    Registration,
}

impl LearnedFrom {
    /// Where a claim was learned.
    pub(super) fn of_claim(claim: &id_conflict_row::Model) -> Result<Self, Error> {
        let seen_at = instant::from_millis("id_conflicts", "seen_at", claim.seen_at)?;
        Ok(match claim.learned_from {
            IdSource::Reply => Self::Reply,
            IdSource::Registration => Self::Registration,
            IdSource::Callback if claim.certain => Self::NamingCallback(seen_at),
            // No claim is constant.
            IdSource::Callback | IdSource::Constant => Self::Callback(seen_at),
        })
    }

    pub(super) fn source(self) -> IdSource {
        match self {
            Self::Reply => IdSource::Reply,
            Self::Callback(_) | Self::NamingCallback(_) => IdSource::Callback,
            Self::Registration => IdSource::Registration,
        }
    }

    pub(super) fn is_callback(self) -> bool {
        matches!(self, Self::Callback(_) | Self::NamingCallback(_))
    }

    /// Whether the message is known by more than its other ids or its recipient.
    pub(super) fn is_certain(self) -> bool {
        !matches!(self, Self::Callback(_))
    }

    pub(super) fn learned_at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Reply | Self::Registration => now,
            Self::Callback(received_at) | Self::NamingCallback(received_at) => received_at,
        }
    }
}
