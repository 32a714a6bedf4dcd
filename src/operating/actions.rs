//! Operator actions on a message: cancel, mark failed, match. Every action is audited.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, Actor, Verb};
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::failure::{Failure, OPERATOR_MARK_TITLE};
use crate::domain::ids::MessageId;
use crate::domain::message::{MatchedBy, Message};
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::receiving::operator_decisions::format_match_detail;
use crate::sending::accept::AcceptError;
use crate::sending::upload_storage;
use crate::store::Store;
use crate::store::ledger::Ledger;

#[derive(Debug, Error)]
pub enum OperateError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The message was merged into this one.
    #[error("the message was merged into {0}")]
    Moved(MessageId),
    #[error("{0}")]
    NotNow(String),
    #[error(transparent)]
    Accept(#[from] AcceptError),
    #[error(transparent)]
    Store(#[from] db::Error),
}

#[derive(Clone, Debug)]
pub struct Decision<'a> {
    pub actor: Actor<'a>,
    pub now: DateTime<Utc>,
}

impl Decision<'_> {
    fn about(&self, message: &Message, verb: Verb, detail: Option<String>) -> Action {
        Action {
            message: Some(message.id),
            account: Some(message.account.clone()),
            detail,
            ..Action::new(self.actor, verb, self.now)
        }
    }
}

/// Cancels a message that is still queued.
pub async fn cancel(
    store: &Store,
    id: MessageId,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    let cancelled = store
        .change(decision.now, async |ledger: &mut Ledger| {
            let message = load_message(ledger, id).await?;
            if message.queue != QueueState::Queued {
                return Err(refuse(
                    &message,
                    "only a message that still waits can be cancelled",
                ));
            }
            ledger.leave_queue(id, QueueState::Cancelled)?;
            let action = decision.about(&message, Verb::Cancel, None);
            ledger.record_action(&action).await?;
            Ok(message)
        })
        .await?;
    upload_storage::discard(cancelled.media.as_ref());
    Ok(())
}

/// Marks a message as failed, without a provider's code. A later delivery still counts.
pub async fn mark_failed(
    store: &Store,
    id: MessageId,
    reason: Option<&str>,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    store
        .change(decision.now, async |ledger: &mut Ledger| {
            let message = load_message(ledger, id).await?;
            if !can_be_marked_failed(message.state) {
                return Err(refuse(
                    &message,
                    "only a message that is uncertain, submitted or sent can be marked as failed",
                ));
            }
            Ok(add_failure(ledger, &message, reason, decision).await?)
        })
        .await
}

pub(in crate::operating) fn can_be_marked_failed(state: DeliveryState) -> bool {
    matches!(
        state,
        DeliveryState::Uncertain | DeliveryState::Submitted | DeliveryState::Sent
    )
}

/// The failure of a loaded message, as the operator's decision.
pub(in crate::operating) async fn add_failure(
    ledger: &mut Ledger,
    message: &Message,
    reason: Option<&str>,
    decision: &Decision<'_>,
) -> Result<(), db::Error> {
    let failure = Failure {
        title: Some(OPERATOR_MARK_TITLE.to_owned()),
        detail: reason.map(ToOwned::to_owned),
        ..Failure::default()
    };
    let action = decision.about(message, Verb::MarkFailed, failure.detail.clone());
    let receipt = Receipt::ours(
        SourceKind::Action,
        action.id.uuid(),
        ReceiptEvent::Failure(failure),
        decision.now,
    );
    ledger.add(message.id, receipt)?;
    ledger.leave_queue(message.id, QueueState::Done)?;
    ledger.record_action(&action).await
}

/// Moves the receipts and ids of an orphan to a sent message.
pub async fn match_orphan(
    store: &Store,
    orphan: MessageId,
    message: MessageId,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    store
        .change(decision.now, async |ledger: &mut Ledger| {
            ledger.load(&[orphan, message]).await?;
            let Some(unmatched) = ledger.find(orphan)? else {
                let moved = ledger.survivor(orphan).await?;
                return Err(moved.map_or(OperateError::NotFound("orphan"), OperateError::Moved));
            };
            let Some(sent) = ledger.find(message)? else {
                return Err(OperateError::NotFound("message"));
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
            if let Some(words) = refusal {
                return Err(OperateError::NotNow(words.to_owned()));
            }
            ledger.merge_into(orphan, message).await?;
            ledger.set_matched_by(message, MatchedBy::Operator)?;
            let action = decision.about(&sent, Verb::Match, Some(format_match_detail(orphan)));
            Ok(ledger.record_action(&action).await?)
        })
        .await
}

/// Fails if the message does not exist, or was merged into another.
pub(in crate::operating) async fn load_message(
    ledger: &mut Ledger,
    id: MessageId,
) -> Result<Message, OperateError> {
    ledger.load(&[id]).await?;
    if let Some(message) = ledger.find(id)? {
        return Ok(message);
    }
    Err(ledger
        .survivor(id)
        .await?
        .map_or(OperateError::NotFound("message"), OperateError::Moved))
}

fn refuse(message: &Message, words: &str) -> OperateError {
    OperateError::NotNow(format!("{words}; this one is {}", message.state))
}
