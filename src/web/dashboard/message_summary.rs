//! What lists and pages show of a message: short id, recipient, failure, tags and possible actions.

use chrono::{DateTime, Utc};

use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::MessageId;
use crate::domain::media::MediaKind;
use crate::domain::message::{MatchedBy, Message, MessageFailure, Origin};
use crate::domain::scope::Visibility;

/// The last group of the id: in a `UUIDv7` it is random, while the first groups are a time and look alike.
pub(super) fn short_id(id: MessageId) -> String {
    let text = id.to_string();
    let tail = text.rsplit('-').next().unwrap_or_default();
    format!("…{tail}")
}

pub(super) fn recipient_text(message: &Message, viewer: Visibility) -> String {
    message
        .recipient
        .as_deref()
        .map_or_else(|| "unknown recipient".to_owned(), |text| viewer.phone(text))
}

/// The client reference, else the first of `ref`, `ref1` and `ref2`.
pub(super) fn shown_reference(message: &Message) -> Option<&str> {
    let sent = &message.references;
    let all = [
        &message.client_reference,
        &sent.reference,
        &sent.reference1,
        &sent.reference2,
    ];
    all.into_iter().find_map(Option::as_deref)
}

/// What a message is, in a few words: `image MH-33009`, else `image to +44 7700 900123`.
pub(super) fn subject(message: &Message, viewer: Visibility) -> String {
    let kind = message.kind.map_or("message", MediaKind::as_str);
    match shown_reference(message) {
        Some(reference) => format!("{kind} {}", viewer.quoted(reference)),
        None => format!("{kind} to {}", recipient_text(message, viewer)),
    }
}

/// Code and title (or detail, or class) on one line.
pub(super) fn failure_text(listed: &MessageFailure, viewer: Visibility) -> String {
    let failure = &listed.failure;
    let text = failure
        .title
        .as_deref()
        .or(failure.detail.as_deref())
        .map_or_else(|| listed.class.to_string(), |text| viewer.quoted(text));
    match &failure.code {
        Some(code) => format!("{} · {text}", viewer.failure_code(code)),
        None => text,
    }
}

/// The tags beside the state.
pub(super) fn flags(message: &Message, now: DateTime<Utc>) -> Vec<&'static str> {
    let origin = match message.origin {
        Origin::Api => None,
        Origin::Observed => Some("sent elsewhere"),
        Origin::DryRun => Some("dry run"),
        Origin::Orphan => Some("unmatched report"),
    };
    [
        message.conflict.then_some("conflict"),
        message.is_overdue(now).then_some("overdue"),
        message.resent_as.map(|_| "resent"),
        message.matched_by.map(|matched_by| match matched_by {
            MatchedBy::Recipient => "matched by recipient",
            MatchedBy::Operator => "matched by an operator",
        }),
        origin,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AvailableActions {
    pub(super) cancel: bool,
    pub(super) resend: bool,
    pub(super) mark_failed: bool,
}

impl AvailableActions {
    pub(super) fn new(message: &Message) -> Self {
        let sent_here = matches!(message.origin, Origin::Api);
        let state = message.state;
        Self {
            cancel: sent_here
                && message.queue == QueueState::Queued
                && state == DeliveryState::Queued,
            resend: sent_here
                && message.resent_as.is_none()
                && matches!(state, DeliveryState::Failed | DeliveryState::Uncertain),
            mark_failed: sent_here
                && matches!(
                    state,
                    DeliveryState::Uncertain | DeliveryState::Submitted | DeliveryState::Sent
                ),
        }
    }

    pub(super) fn any(self) -> bool {
        self.cancel || self.resend || self.mark_failed
    }
}
