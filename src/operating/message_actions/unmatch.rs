//! Undoes the matches of a message, made by recipient or by an operator: reprocesses every callback
//! from which the message may have receipts or ids, without those matches.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::callback_record::JournalEntry;
use crate::domain::ids::MessageId;
use crate::domain::message::{MatchedBy, Message};
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::message_actions::load_message::load_message;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::services::Services;
use crate::store::ledger::{Ledger, MessageSources, format_match_time};

/// Returns the other messages, orphans included, that received the reports. The message is never matched by
/// recipient again; an operator can still match it.
pub async fn unmatch(
    services: &Services,
    id: MessageId,
    context: &ActionContext<'_>,
) -> Result<Vec<MessageId>, ActionError> {
    // One transaction, so that no report or decision is applied in between.
    services
        .store
        .change(context.now, async |ledger: &mut Ledger| {
            let message = find_matched(ledger, id).await?;
            let sources = ledger.list_sources(&[id]).await?;
            let callbacks = load_callbacks(services, &sources).await?;
            let matched_at = find_match_time(services, &message, &callbacks).await?;
            let action = Action {
                message: Some(id),
                account: Some(message.account),
                detail: matched_at.map(format_match_time),
                ..Action::new(context.actor, ActionKind::Unmatch, context.now)
            };
            // The action must be stored before the decisions are loaded: it cancels earlier match
            // decisions on this message and forbids matching by recipient.
            ledger.record_action(&action).await?;
            let decisions = OperatorDecisions::load(ledger).await?;
            let times: HashSet<_> = callbacks
                .iter()
                .map(|entry| entry.record.received_at)
                .collect();
            ledger.forget_learned_ids(&[id], &times).await?;
            ledger.forget_match(id)?;
            services
                .reconciler
                .reprocess(ledger, &callbacks, &decisions)
                .await?;
            let mut reports_moved_to = ledger.list_reported(&sources.reporting);
            reports_moved_to.retain(|message| *message != id);
            Ok(reports_moved_to)
        })
        .await
}

async fn find_matched(ledger: &mut Ledger, id: MessageId) -> Result<Message, ActionError> {
    let message = load_message(ledger, id).await?;
    if message.matched_by.is_none() {
        let reason = "no report was matched with this message";
        return Err(ActionError::NotPossible(reason.to_owned()));
    }
    if message.origin.is_ours() && ledger.is_registered(id).await? {
        let reason =
            "a message registered through the API was matched with this one; that cannot be undone";
        return Err(ActionError::NotPossible(reason.to_owned()));
    }
    Ok(message)
}

/// When the message was matched. A rebuild needs this: before that time, reports could be matched
/// with the message.
async fn find_match_time(
    services: &Services,
    message: &Message,
    callbacks: &[JournalEntry],
) -> Result<Option<DateTime<Utc>>, ActionError> {
    if message.matched_by == Some(MatchedBy::Recipient) {
        return Ok(callbacks.first().map(|entry| entry.record.received_at));
    }
    let actions = services.store.list_actions_of(message.id).await?;
    let matches = actions
        .iter()
        .filter(|action| action.kind == ActionKind::Match);
    Ok(matches.map(|action| action.happened_at).max())
}

/// Every callback from which the message may have receipts or ids, in journal order; fails if one
/// is no longer stored.
async fn load_callbacks(
    services: &Services,
    sources: &MessageSources,
) -> Result<Vec<JournalEntry>, ActionError> {
    let ids = sources.all();
    let callbacks = services.journal.find_all(&ids).await?;
    if sources.some_missing || callbacks.len() < ids.len() {
        let reason = "a callback from which it may have receipts or ids is no longer stored and cannot be processed again";
        return Err(ActionError::NotPossible(reason.to_owned()));
    }
    Ok(callbacks)
}
