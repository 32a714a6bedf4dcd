//! The timeline on a message page: receipts, attempts and actions in the order of our clock, with
//! both clocks.

use chrono::{DateTime, Utc};

use crate::domain::message::{MatchedBy, Message};
use crate::domain::receipt::{Receipt, SourceKind};
use crate::domain::scope::Visibility;
use crate::reporting::message_history::{MessageHistory, TimelineEvent};
use crate::web::dashboard::timeline_entry::{
    TimelineEntry, accepted_entry, action_entry, attempt_entry, receipt_entry,
};

/// Oldest first. `viewer` decides what is masked.
pub(super) fn timeline(
    message: &Message,
    history: &MessageHistory,
    viewer: Visibility,
) -> Vec<TimelineEntry> {
    let accepted_at = message.queued_at();
    let mut entries: Vec<(DateTime<Utc>, TimelineEntry)> = accepted_at
        .map(|at| (at, accepted_entry(at)))
        .into_iter()
        .chain(match_entry(message, &history.receipts))
        .chain(history.condensed_timeline().into_iter().map(|event| {
            let entry = match event {
                TimelineEvent::Attempt(attempt) => attempt_entry(attempt, viewer),
                TimelineEvent::Action(action) => action_entry(action, viewer),
                TimelineEvent::Receipt { receipt, count } => {
                    receipt_entry(receipt, count, accepted_at, viewer)
                }
            };
            (event.at(), entry)
        }))
        .collect();
    // A stable sort keeps the order above within an instant.
    entries.sort_by_key(|(at, _)| *at);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// A match by recipient has no receipt or action of its own; its entry precedes the first receipt
/// that it brought.
fn match_entry(message: &Message, receipts: &[Receipt]) -> Option<(DateTime<Utc>, TimelineEntry)> {
    if message.matched_by != Some(MatchedBy::Recipient) {
        return None;
    }
    let at = receipts
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .map(|receipt| receipt.received_at)
        .min()?;
    let entry = TimelineEntry {
        tone: "plain",
        title: "Reports matched by recipient".to_owned(),
        detail: Some("The id was unknown; account, recipient and kind matched.".to_owned()),
        ..accepted_entry(at)
    };
    Some((at, entry))
}
