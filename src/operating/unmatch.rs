//! Undoes matches of a message, made by recipient or by an operator: reprocesses every callback
//! behind the message without them.

use std::collections::HashSet;

use crate::domain::audit_action::{Action, Verb};
use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::operating::actions::{Decision, OperateError};
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::services::Services;
use crate::store::ledger::{Ledger, MessageSources};

/// Returns the messages and orphans that have the reports now. The message is never matched by
/// recipient again; an operator can still match it.
pub async fn unmatch(
    services: &Services,
    id: MessageId,
    decision: &Decision<'_>,
) -> Result<Vec<MessageId>, OperateError> {
    let mut ledger = services.store.ledger_for_caller(decision.now).await?;
    match take_back(services, &mut ledger, id, decision).await {
        Ok(now_at) => {
            services.store.commit(ledger).await?;
            Ok(now_at)
        }
        Err(error) => {
            ledger.roll_back().await;
            Err(error)
        }
    }
}

/// Runs in one transaction, so that no report or decision can come in between.
async fn take_back(
    services: &Services,
    ledger: &mut Ledger,
    id: MessageId,
    decision: &Decision<'_>,
) -> Result<Vec<MessageId>, OperateError> {
    let message = find_matched(ledger, id).await?;
    let sources = ledger.list_sources(&[id]).await?;
    let told = find_kept(services, &sources).await?;
    let action = Action {
        message: Some(id),
        account: Some(message.account),
        ..Action::new(decision.actor, Verb::Unmatch, decision.now)
    };
    // Recorded first: it prevents a match by recipient, and cancels earlier decisions of operators.
    ledger.record_action(&action).await?;
    let decisions = OperatorDecisions::load(ledger).await?;
    let times: HashSet<_> = told.iter().map(|entry| entry.record.received_at).collect();
    ledger.forget_learned_ids(&[id], &times).await?;
    ledger.forget_match(id)?;
    services
        .reconciler
        .reprocess(ledger, &told, &decisions)
        .await?;
    let mut now_at = ledger.list_reported(&sources.reporting);
    now_at.retain(|told| *told != id);
    Ok(now_at)
}

async fn find_matched(ledger: &mut Ledger, id: MessageId) -> Result<Message, OperateError> {
    ledger.load(&[id]).await?;
    let Some(message) = ledger.find(id)? else {
        return Err(match ledger.survivor(id).await? {
            Some(survivor) => OperateError::Moved(survivor),
            None => OperateError::NotFound("message"),
        });
    };
    if message.matched_by.is_none() {
        let words = "no report was matched with this message";
        return Err(OperateError::NotNow(words.to_owned()));
    }
    if message.origin.is_ours() && ledger.is_registered(id).await? {
        let words = "a registered message was matched with this one; that cannot be undone";
        return Err(OperateError::NotNow(words.to_owned()));
    }
    Ok(message)
}

/// Every callback behind the message, in journal order; fails if one was purged.
async fn find_kept(
    services: &Services,
    sources: &MessageSources,
) -> Result<Vec<JournalEntry>, OperateError> {
    let wanted = sources.all();
    let kept = services.journal.find_all(&wanted).await?;
    if sources.some_missing || kept.len() < wanted.len() {
        let words = "a callback behind it is not kept any more and cannot be read again";
        return Err(OperateError::NotNow(words.to_owned()));
    }
    Ok(kept)
}
