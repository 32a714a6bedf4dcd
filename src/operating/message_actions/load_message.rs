//! Loads the message that an action is about.

use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::operating::action_context::ActionError;
use crate::store::ledger::Ledger;

/// Fails if the message does not exist, or was merged into another.
pub(in crate::operating) async fn load_message(
    ledger: &mut Ledger,
    id: MessageId,
) -> Result<Message, ActionError> {
    ledger.load(&[id]).await?;
    if let Some(message) = ledger.find(id)? {
        return Ok(message);
    }
    Err(ledger
        .survivor(id)
        .await?
        .map_or(ActionError::NotFound("message"), ActionError::Merged))
}

/// An error with the reason and the message's state.
pub(super) fn refuse(message: &Message, reason: &str) -> ActionError {
    ActionError::NotPossible(format!("{reason}; this one is {}", message.state))
}
