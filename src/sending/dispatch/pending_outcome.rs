//! A submission that has ended and is not recorded yet.

use crate::domain::send_error::{ProviderAcceptance, SendError};
use crate::sending::dispatch::claimed_message::ClaimedMessage;
use crate::store::attempts::Exchange;

#[derive(Debug)]
pub(super) struct PendingOutcome {
    pub(super) work: ClaimedMessage,
    pub(super) result: Result<ProviderAcceptance, SendError>,
    pub(super) exchange: Exchange,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RecordedOutcome {
    Finished,
    /// The message is queued for another attempt.
    Postponed,
}
