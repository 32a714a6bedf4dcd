//! Dismisses problems: they are no longer counted and listed until a new report arrives.

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::message::Origin;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::message_actions::load_message::load_message;
use crate::store::Store;
use crate::store::ledger::Ledger;

/// Dismisses a conflict or an orphan.
pub async fn dismiss_message(
    store: &Store,
    id: MessageId,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    store
        .change(context.now, async |ledger: &mut Ledger| {
            let message = load_message(ledger, id).await?;
            if !message.conflict && message.origin != Origin::Orphan {
                let reason = "only contradicting reports and unmatched ones can be dismissed; this is neither";
                return Err(ActionError::NotPossible(reason.to_owned()));
            }
            ledger.dismiss_message(id).await?;
            let action = Action {
                message: Some(id),
                account: Some(message.account),
                ..Action::new(context.actor, ActionKind::Dismiss, context.now)
            };
            Ok(ledger.record_action(&action).await?)
        })
        .await
}

/// Dismisses the unparseable parts of a callback.
pub async fn dismiss_callback(
    store: &Store,
    id: CallbackId,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    store
        .change(context.now, async |ledger: &mut Ledger| {
            if !ledger.dismiss_callback(id).await? {
                return Err(ActionError::NotFound("unreadable callback"));
            }
            let action = Action {
                detail: Some(format!("callback {id}")),
                ..Action::new(context.actor, ActionKind::Dismiss, context.now)
            };
            Ok(ledger.record_action(&action).await?)
        })
        .await
}
