//! Matches an orphan with the message that its reports are about.

use crate::domain::audit_action::ActionKind;
use crate::domain::ids::MessageId;
use crate::domain::message::MatchedBy;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::receiving::operator_decisions::format_match_detail;
use crate::store::Store;
use crate::store::ledger::Ledger;

/// Moves the receipts and ids of an orphan to a sent message.
pub async fn match_orphan(
    store: &Store,
    orphan: MessageId,
    message: MessageId,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    store
        .change(context.now, async |ledger: &mut Ledger| {
            ledger.load(&[orphan, message]).await?;
            let Some(unmatched) = ledger.find(orphan)? else {
                let survivor = ledger.survivor(orphan).await?;
                return Err(survivor.map_or(ActionError::NotFound("orphan"), ActionError::Merged));
            };
            let Some(sent) = ledger.find(message)? else {
                return Err(ActionError::NotFound("message"));
            };
            let refusal = if orphan == message {
                Some("a message cannot be matched with itself")
            } else if unmatched.origin.is_ours() {
                Some("only a message known from callbacks can be matched; this one was sent")
            } else if unmatched.account != sent.account {
                Some("the two belong to different accounts")
            } else {
                None
            };
            if let Some(reason) = refusal {
                return Err(ActionError::NotPossible(reason.to_owned()));
            }
            ledger.merge_into(orphan, message).await?;
            ledger.set_matched_by(message, MatchedBy::Operator)?;
            let action =
                context.action_on(&sent, ActionKind::Match, Some(format_match_detail(orphan)));
            Ok(ledger.record_action(&action).await?)
        })
        .await
}
