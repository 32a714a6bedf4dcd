//! Why a message stands where it stands, in sentences.

use chrono::{DateTime, Utc};

use crate::domain::access::Visibility;
use crate::domain::delivery::DeliveryState;
use crate::domain::message::{MatchedBy, Message};

/// The sentences, the most telling first.
pub(super) fn why(message: &Message, now: DateTime<Utc>, viewer: Visibility) -> Vec<String> {
    let provider = message.provider.title();
    let first = match message.state {
        DeliveryState::Queued => {
            "A worker will hand it over as soon as the account may send.".to_owned()
        }
        DeliveryState::Sending => format!("The call to {provider} is under way."),
        DeliveryState::Uncertain => format!(
            "The request left us and no clear answer of {provider} came back. It may have been sent, so it is never repeated by itself; a report may still settle it."
        ),
        DeliveryState::Submitted => {
            format!("{provider} accepted it and has not reported on it since.")
        }
        DeliveryState::Sent => "WhatsApp took it; the phone has not confirmed it yet.".to_owned(),
        DeliveryState::Delivered => {
            "A report says that it is on the phone; none says that it was opened.".to_owned()
        }
        DeliveryState::Read => "A report says that it was opened.".to_owned(),
        DeliveryState::Played => "A report says that it was played.".to_owned(),
        DeliveryState::Failed => {
            "A failure was reported, and nothing says that it reached the phone.".to_owned()
        }
        DeliveryState::Cancelled => {
            format!("It was withdrawn before {provider} got it. Nothing was sent.")
        }
    };
    let hold = message
        .hold
        .as_deref()
        .map(|reason| format!("It waits: {}", viewer.quoted(reason)));
    let conflict = message.conflict.then(|| {
        "A failure was reported too. What is on a phone cannot be undelivered, so the higher stage counts.".to_owned()
    });
    let overdue = message.is_overdue(now).then(|| {
        "Nothing was heard within the account's deadline, so it counts as overdue.".to_owned()
    });
    let matched = message.matched_by.map(|by| match by {
        MatchedBy::Recipient => format!(
            "{provider} named no id, so its report was matched by account, recipient and kind."
        ),
        MatchedBy::Operator => "A person matched the report to this message.".to_owned(),
    });
    std::iter::once(first)
        .chain([hold, conflict, overdue, matched].into_iter().flatten())
        .collect()
}
