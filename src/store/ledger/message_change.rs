//! What a ledger changed: for the live feed, and for a replay's report.

use chrono::{DateTime, Utc};

use crate::db::{Error, instant};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, MessageId};
use crate::store::entities::message_row;

/// A changed message, as the live feed publishes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedChange {
    pub message: MessageId,
    pub account: AccountId,
    pub state: DeliveryState,
    pub updated_at: DateTime<Utc>,
}

impl FeedChange {
    pub(super) fn of(row: &message_row::Model) -> Result<Self, Error> {
        Ok(Self {
            message: row.id.into(),
            account: row.account.clone(),
            state: row.state,
            updated_at: instant::from_millis("messages", "updated_at", row.updated_at)?,
        })
    }
}

/// The state of a message before and after a ledger; absent where the message does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateChange {
    pub message: MessageId,
    pub before: Option<DeliveryState>,
    pub after: Option<DeliveryState>,
}
