//! Takes back that reports were given to a message, whether their recipient or a person decided it: every callback that spoke of it is read again, and what holds by itself stays.

use crate::delivery::operate::{Decision, OperateError};
use crate::delivery::precedents::Precedents;
use crate::delivery::services::Services;
use crate::domain::access::{Action, Verb};
use crate::domain::callback::JournalEntry;
use crate::domain::delivery::SourceKind;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::message::Message;
use crate::store;
use crate::store::ledger::Ledger;
use crate::store::messages::Found;

/// Undoes the matches of a message; returns where what was matched is now. Its recipient never matches it again; a person still may.
pub async fn unmatch(
    services: &Services,
    id: MessageId,
    decision: &Decision<'_>,
) -> Result<Vec<MessageId>, OperateError> {
    let message = match services.store.find_message(id).await? {
        Some(Found::Message(message)) => *message,
        Some(Found::Moved(survivor)) => return Err(OperateError::Moved(survivor)),
        None => return Err(OperateError::NotFound("message")),
    };
    if message.matched_by.is_none() {
        let words = "no report was matched with this message";
        return Err(OperateError::NotNow(words.to_owned()));
    }
    if message.origin.is_ours() && services.store.find_ties(id).await?.registered {
        let words = "a registered message was matched with this one; that cannot be undone";
        return Err(OperateError::NotNow(words.to_owned()));
    }
    let told = callbacks(services, id).await?;
    let mut precedents = Precedents::load(&services.store).await?;
    let parted = precedents.forget_matches(id);
    let mut ledger = services.store.ledger(decision.now).await?;
    match take_back(
        services,
        &mut ledger,
        &message,
        &told,
        (&precedents, &parted),
        decision,
    )
    .await
    {
        Ok(now_at) => {
            services.store.commit(ledger).await?;
            Ok(now_at)
        }
        Err(error) => {
            ledger.roll_back().await;
            Err(error.into())
        }
    }
}

/// Every callback that spoke of the message, as it is kept.
async fn callbacks(services: &Services, id: MessageId) -> Result<Vec<JournalEntry>, OperateError> {
    let mut sources: Vec<CallbackId> = services
        .store
        .list_receipts(id)
        .await?
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .map(|receipt| receipt.source.into())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let mut entries = Vec::with_capacity(sources.len());
    for source in sources {
        let Some(entry) = services.journal.find(source).await? else {
            let words = "a callback behind it is not kept any more and cannot be read again";
            return Err(OperateError::NotNow(words.to_owned()));
        };
        entries.push(entry);
    }
    entries.sort_unstable_by_key(|entry| entry.seq);
    Ok(entries)
}

async fn take_back(
    services: &Services,
    ledger: &mut Ledger,
    message: &Message,
    told: &[JournalEntry],
    (precedents, parted): (&Precedents, &[MessageId]),
    decision: &Decision<'_>,
) -> Result<Vec<MessageId>, store::Error> {
    let action = Action {
        message: Some(message.id),
        account: Some(message.account.clone()),
        ..Action::new(decision.actor, Verb::Unmatch, decision.now)
    };
    // First: from here on its recipient does not match it.
    ledger.record_action(&action).await?;
    ledger.load(&[message.id]).await?;
    let heard: Vec<_> = told.iter().map(|entry| entry.record.received_at).collect();
    ledger.forget_match(message.id, &heard).await?;
    services
        .reconciler
        .read_again(ledger, told, precedents)
        .await?;
    ledger.release_merged(message.id, parted).await?;
    let callbacks: Vec<CallbackId> = told.iter().map(|entry| entry.record.id).collect();
    let mut now_at = ledger.list_told(&callbacks);
    now_at.retain(|id| *id != message.id);
    Ok(now_at)
}
