//! Where a provider id was learned.

use chrono::{DateTime, Utc};

use crate::store::entities::provider_id_row::IdSource;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LearnedFrom {
    /// The provider's reply to a submission.
    Reply,
    /// A callback received at this instant. Reprocessing it learns the id at the same instant.
    Callback(DateTime<Utc>),
    Registration,
}

impl LearnedFrom {
    pub(super) fn new(source: IdSource, learned_at: DateTime<Utc>) -> Self {
        match source {
            IdSource::Reply => Self::Reply,
            IdSource::Callback => Self::Callback(learned_at),
            IdSource::Registration => Self::Registration,
        }
    }

    pub(super) fn source(self) -> IdSource {
        match self {
            Self::Reply => IdSource::Reply,
            Self::Callback(_) => IdSource::Callback,
            Self::Registration => IdSource::Registration,
        }
    }

    pub(super) fn is_callback(self) -> bool {
        matches!(self, Self::Callback(_))
    }

    pub(super) fn learned_at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Reply | Self::Registration => now,
            Self::Callback(received_at) => received_at,
        }
    }
}
