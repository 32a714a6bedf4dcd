//! A submission whose outcome is unknown is never repeated automatically: the provider may have
//! accepted the message, and the customer would get it twice.
//!
//! Reports, or an operator, decide the state of an uncertain message.

use crate::db;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::send_error::SendError;
use crate::store::ledger::Ledger;

/// Whether the provider may have accepted the message although the attempt failed.
pub(super) fn may_have_been_sent(error: &SendError) -> bool {
    matches!(error, SendError::Unclear(_))
}

/// Takes the message out of the queue permanently.
pub(super) fn mark_uncertain(ledger: &mut Ledger, id: MessageId) -> Result<(), db::Error> {
    ledger.leave_queue(id, QueueState::Uncertain)
}
