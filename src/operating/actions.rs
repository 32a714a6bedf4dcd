//! Operator actions on a message: cancel, resend, mark failed, match. Every action is audited.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::failure::{Failure, OPERATOR_MARK_TITLE};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaSource;
use crate::domain::message::{MatchedBy, Message};
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::receiving::operator_decisions::format_match_detail;
use crate::sending::accept::{AcceptError, Acceptor, MessageInput, Resend};
use crate::sending::upload_storage;
use crate::store::message_acceptance::IdempotencyKey;
use crate::store::messages::Found;
use crate::store::{self, Store};

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
    /// A token's name, or `dashboard`.
    pub actor: &'a str,
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
    let mut ledger = store.ledger_for_caller(decision.now).await?;
    ledger.load(&[id]).await?;
    let message = match ledger.find(id)? {
        Some(message) if message.queue == QueueState::Queued => message,
        other => {
            let refusal = refuse(
                &ledger,
                id,
                other,
                "only a message that still waits can be cancelled",
            )
            .await;
            ledger.roll_back().await;
            return Err(refusal?);
        }
    };
    ledger.leave_queue(id, QueueState::Cancelled)?;
    ledger
        .record_action(&decision.about(&message, Verb::Cancel, None))
        .await?;
    store.commit(ledger).await?;
    upload_storage::discard(message.media.as_ref());
    Ok(())
}

/// Marks a message as failed, without a provider's code. A later delivery still counts.
pub async fn mark_failed(
    store: &Store,
    id: MessageId,
    reason: Option<&str>,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    let mut ledger = store.ledger_for_caller(decision.now).await?;
    ledger.load(&[id]).await?;
    let may = |message: &Message| {
        matches!(
            message.state,
            DeliveryState::Uncertain | DeliveryState::Submitted | DeliveryState::Sent
        )
    };
    let message = match ledger.find(id)? {
        Some(message) if may(&message) => message,
        other => {
            let words =
                "only a message that is uncertain, submitted or sent can be marked as failed";
            let refusal = refuse(&ledger, id, other, words).await;
            ledger.roll_back().await;
            return Err(refusal?);
        }
    };
    let action = decision.about(&message, Verb::MarkFailed, reason.map(ToOwned::to_owned));
    let failure = Failure {
        title: Some(OPERATOR_MARK_TITLE.to_owned()),
        detail: reason.map(ToOwned::to_owned),
        ..Failure::default()
    };
    let receipt = Receipt::ours(
        SourceKind::Action,
        action.id.uuid(),
        ReceiptEvent::Failure(failure),
        decision.now,
    );
    ledger.add(id, receipt)?;
    ledger.leave_queue(id, QueueState::Done)?;
    ledger.record_action(&action).await?;
    Ok(store.commit(ledger).await?)
}

/// Creates a new message with `resend_of`, once per message: a second call cannot send twice.
pub async fn resend(
    store: &Store,
    acceptor: &Acceptor,
    id: MessageId,
    decision: &Decision<'_>,
) -> Result<MessageId, OperateError> {
    let message = match store.find_message(id).await? {
        Some(Found::Message(message)) => *message,
        Some(Found::Moved(survivor)) => return Err(OperateError::Moved(survivor)),
        None => return Err(OperateError::NotFound("message")),
    };
    if let Some(again) = message.resent_as {
        return Err(OperateError::NotNow(format!(
            "it was sent again already, as {again}"
        )));
    }
    if !matches!(
        message.state,
        DeliveryState::Uncertain | DeliveryState::Failed | DeliveryState::Cancelled
    ) {
        let words = "only a message that is uncertain, failed or cancelled can be sent again";
        return Err(OperateError::NotNow(words.to_owned()));
    }
    let resend = Resend {
        of: id,
        actor: decision.actor.to_owned(),
    };
    let input = message_input(&message, resend)?;
    // The idempotency key makes two simultaneous calls create one message.
    let key = IdempotencyKey {
        name: format!("resend of {id}"),
        request_hash: String::new(),
    };
    let receipt = acceptor.accept(input, Some(&key), decision.now).await?;
    Ok(receipt.id)
}

/// Moves the receipts and ids of an orphan to a sent message.
pub async fn match_orphan(
    store: &Store,
    orphan: MessageId,
    message: MessageId,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    let mut ledger = store.ledger_for_caller(decision.now).await?;
    ledger.load(&[orphan, message]).await?;
    let (unmatched, sent) = match (ledger.find(orphan)?, ledger.find(message)?) {
        (Some(unmatched), Some(sent)) => (unmatched, sent),
        (None, _) => {
            let moved = ledger.survivor(orphan).await?;
            ledger.roll_back().await;
            return Err(moved.map_or(OperateError::NotFound("orphan"), OperateError::Moved));
        }
        (_, None) => {
            ledger.roll_back().await;
            return Err(OperateError::NotFound("message"));
        }
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
        ledger.roll_back().await;
        return Err(OperateError::NotNow(words.to_owned()));
    }
    ledger.merge_into(orphan, message).await?;
    ledger.set_matched_by(message, MatchedBy::Operator)?;
    ledger
        .record_action(&decision.about(&sent, Verb::Match, Some(format_match_detail(orphan))))
        .await?;
    Ok(store.commit(ledger).await?)
}

pub async fn resume(
    store: &Store,
    account: &AccountId,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    if !store.list_accounts().await?.contains_key(account) {
        return Err(OperateError::NotFound("account"));
    }
    let mut ledger = store.ledger_for_caller(decision.now).await?;
    if !ledger.resume_account(account).await? {
        ledger.roll_back().await;
        return Err(OperateError::NotNow("the account is not paused".to_owned()));
    }
    let action = Action {
        account: Some(account.clone()),
        ..Action::new(decision.actor, Verb::ResumeAccount, decision.now)
    };
    ledger.record_action(&action).await?;
    Ok(store.commit(ledger).await?)
}

async fn refuse(
    ledger: &store::ledger::Ledger,
    id: MessageId,
    message: Option<Message>,
    words: &str,
) -> Result<OperateError, db::Error> {
    if let Some(message) = message {
        return Ok(OperateError::NotNow(format!(
            "{words}; this one is {}",
            message.state
        )));
    }
    Ok(ledger
        .survivor(id)
        .await?
        .map_or(OperateError::NotFound("message"), OperateError::Moved))
}

fn message_input(message: &Message, resend: Resend) -> Result<MessageInput, OperateError> {
    let incomplete = || {
        OperateError::NotNow("it was sent by other means; its content is not known here".to_owned())
    };
    let media = message.media.as_ref().ok_or_else(incomplete)?;
    let recipient = message.recipient.as_ref().ok_or_else(incomplete)?;
    let (media_url, media_id) = match &media.source {
        MediaSource::Url(url) => (Some(url.clone()), None),
        MediaSource::Id(id) => (None, Some(id.clone())),
        MediaSource::Upload(_) => {
            let words =
                "its uploaded file is not kept after the hand-over; send it as a new message";
            return Err(OperateError::NotNow(words.to_owned()));
        }
    };
    let options = [
        (
            "wa_source",
            message.options.wa_source.clone().map(Into::into),
        ),
        ("source", message.options.source.clone().map(Into::into)),
        (
            "linkWithRecord",
            message.options.link_with_record.map(Into::into),
        ),
    ];
    Ok(MessageInput {
        account: message.account.to_string(),
        from: message.sender.clone(),
        to: format!("+{recipient}"),
        name: message.name.clone(),
        kind: media.kind.to_string(),
        media_url,
        media_id,
        upload: None,
        mime_type: media.mime_type.clone(),
        caption: media.caption.clone(),
        references: message.references.clone(),
        client_reference: message.client_reference.clone(),
        options: options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        resend: Some(resend),
    })
}
