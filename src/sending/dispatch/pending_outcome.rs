//! A submission that has ended and is not recorded yet.

use crate::domain::send_error::{ProviderAcceptance, SendError};
use crate::sending::dispatch::claimed_message::ClaimedMessage;
use crate::sending::in_flight_limit::InFlightPermit;
use crate::store::attempts::AttemptRecord;

#[derive(Debug)]
pub(super) struct PendingOutcome {
    pub(super) work: ClaimedMessage,
    pub(super) result: SubmissionResult,
    pub(super) attempt_record: AttemptRecord,
    /// Released on drop, when the outcome is recorded.
    pub(super) _permit: Option<InFlightPermit>,
}

#[derive(Debug)]
pub(super) enum SubmissionResult {
    Accepted(ProviderAcceptance),
    Failed(SendError),
    /// The provider was not called, because the account stopped sending.
    CallCancelled,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RecordedOutcome {
    Finished,
    /// The message is queued for another attempt.
    Postponed,
}
