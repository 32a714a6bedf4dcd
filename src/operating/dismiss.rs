//! Dismisses problems: they leave counts and lists until a new report arrives.

use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::message::{Message, Origin};
use crate::operating::actions::{Decision, OperateError};
use crate::store::Store;

/// Dismisses a conflict or an orphan.
pub async fn dismiss_message(
    store: &Store,
    id: MessageId,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    let mut ledger = store.ledger_for_caller(decision.now).await?;
    ledger.load(&[id]).await?;
    let open = |message: &Message| message.conflict || message.origin == Origin::Orphan;
    let message = match ledger.find(id)? {
        Some(message) if open(&message) => message,
        Some(_) => {
            ledger.roll_back().await;
            let words =
                "only contradicting reports and unmatched ones can be put aside; this is neither";
            return Err(OperateError::NotNow(words.to_owned()));
        }
        None => {
            let moved = ledger.survivor(id).await?;
            ledger.roll_back().await;
            return Err(moved.map_or(OperateError::NotFound("message"), OperateError::Moved));
        }
    };
    ledger.dismiss_message(id).await?;
    let action = Action {
        message: Some(id),
        account: Some(message.account),
        ..Action::new(decision.actor, Verb::Dismiss, decision.now)
    };
    ledger.record_action(&action).await?;
    Ok(store.commit(ledger).await?)
}

/// Dismisses the unparseable parts of a callback.
pub async fn dismiss_callback(
    store: &Store,
    id: CallbackId,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    let ledger = store.ledger_for_caller(decision.now).await?;
    if !ledger.dismiss_callback(id).await? {
        ledger.roll_back().await;
        return Err(OperateError::NotFound("unreadable callback"));
    }
    let action = Action {
        detail: Some(format!("callback {id}")),
        ..Action::new(decision.actor, Verb::Dismiss, decision.now)
    };
    ledger.record_action(&action).await?;
    Ok(store.commit(ledger).await?)
}
