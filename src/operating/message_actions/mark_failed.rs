//! Marks messages as failed when an operator knows that they will not arrive.

use crate::db;
use crate::domain::audit_action::ActionKind;
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::failure::{Failure, OPERATOR_MARK_TITLE};
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::message_actions::load_message::{load_message, refuse};
use crate::store::Store;
use crate::store::ledger::Ledger;

/// Marks a message as failed, without a provider's code. A later report of delivery still applies.
pub async fn mark_failed(
    store: &Store,
    id: MessageId,
    reason: Option<&str>,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    store
        .change(context.now, async |ledger: &mut Ledger| {
            let message = load_message(ledger, id).await?;
            if !can_be_marked_failed(message.state) {
                return Err(refuse(
                    &message,
                    "only a message that is uncertain, submitted or sent can be marked as failed",
                ));
            }
            Ok(add_failure(ledger, &message, reason, context).await?)
        })
        .await
}

pub(in crate::operating) fn can_be_marked_failed(state: DeliveryState) -> bool {
    matches!(
        state,
        DeliveryState::Uncertain | DeliveryState::Submitted | DeliveryState::Sent
    )
}

/// Records the failure of a loaded message as an action of the operator.
pub(in crate::operating) async fn add_failure(
    ledger: &mut Ledger,
    message: &Message,
    reason: Option<&str>,
    context: &ActionContext<'_>,
) -> Result<(), db::Error> {
    let failure = Failure {
        title: Some(OPERATOR_MARK_TITLE.to_owned()),
        detail: reason.map(ToOwned::to_owned),
        ..Failure::default()
    };
    let action = context.action_on(message, ActionKind::MarkFailed, failure.detail.clone());
    let receipt = Receipt::ours(
        SourceKind::Action,
        action.id.uuid(),
        ReceiptEvent::Failure(failure),
        context.now,
    );
    ledger.add(message.id, receipt)?;
    ledger.leave_queue(message.id, QueueState::Done)?;
    ledger.record_action(&action).await
}
