//! Cancels a message before it is sent.

use crate::domain::audit_action::ActionKind;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::message_actions::load_message::{load_message, refuse};
use crate::sending::upload_storage;
use crate::store::Store;
use crate::store::ledger::Ledger;

/// Cancels a message that is still queued.
pub async fn cancel(
    store: &Store,
    id: MessageId,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    let cancelled = store
        .change(context.now, async |ledger: &mut Ledger| {
            let message = load_message(ledger, id).await?;
            if message.queue != QueueState::Queued {
                return Err(refuse(&message, "only a queued message can be cancelled"));
            }
            ledger.leave_queue(id, QueueState::Cancelled)?;
            let action = context.action_on(&message, ActionKind::Cancel, None);
            ledger.record_action(&action).await?;
            Ok(message)
        })
        .await?;
    upload_storage::discard(cancelled.media.as_ref());
    Ok(())
}
