//! Names of LancePilot's events. Those of status events are not documented, so every name that
//! consists of words about messages is accepted, and no other.

use std::ops::Range;

use crate::domain::placeholder::split_words;
use crate::providers::lancepilot::lancepilot_fields::STATUS_WORDS;
use crate::providers::notice::{has_other_subject, is_non_delivery_event, is_other_channel};
use crate::providers::vocabulary;

/// Words before the last one.
const SUBJECT_WORDS: &[&str] = &[
    "delivery", "message", "messages", "msg", "outbound", "outgoing", "report", "status",
    "statuses", "wa", "waba", "webhook", "whatsapp",
];

/// Last words that leave the status to the attributes.
const STATUS_EVENTS: &[&str] = &[
    "ack", "change", "changed", "created", "delivery", "event", "message", "messages", "receipt",
    "report", "status", "statuses", "update", "updated", "webhook",
];

/// Maximum number of words of a status, as in `not_sent`. Longer ends of a name are not compared with the known words, so that
/// a name of hundreds of words takes no longer than its length.
const STATUS_LENGTH: usize = 4;

/// What happened to a message, in lower case: `delivered` for `message.delivered` and
/// `messageDelivered`. `None` if the event is about something else.
pub(super) fn find_message_event(name: &str) -> Option<String> {
    let Some((subject, suffix)) = name.rsplit_once('.') else {
        return last_words(name);
    };
    let is_message = split_words(subject).all(|word| SUBJECT_WORDS.contains(&word.as_str()));
    (is_message && !is_non_delivery_event(suffix))
        .then(|| last_words(suffix).unwrap_or_else(|| suffix.to_lowercase()))
}

/// Like [`find_message_event`], for an event that no document names but whose name says that it is
/// about a message: `delivered` for `broadcast.message.delivered`. Only the ids in it can show
/// whether it is about one of ours.
pub(super) fn find_possible_message_event(name: &str) -> Option<String> {
    let words: Vec<String> = split_words(name).collect();
    let names_message = |word: &String| matches!(word.as_str(), "message" | "messages" | "msg");
    let subject = words.iter().position(names_message)?;
    let event = last_positions(&words)
        .filter(|position| *position > subject)
        .map(|position| words[position..].join("_"))
        .find(|event| is_status_event(event))?;
    let is_elsewhere = words.iter().any(|word| is_other_channel(word));
    (!is_elsewhere && !has_other_subject(name)).then_some(event)
}

/// Whether the name, or the attributes of an event with this name, have a status.
pub(super) fn is_status_event(suffix: &str) -> bool {
    STATUS_EVENTS.contains(&suffix) || vocabulary::meaning(suffix, STATUS_WORDS).is_some()
}

/// A known event after words about messages: `message_status` has the event `status`.
fn last_words(name: &str) -> Option<String> {
    let words: Vec<String> = split_words(name).collect();
    let is_about_message = |word: &String| SUBJECT_WORDS.contains(&word.as_str());
    let other = words.iter().position(|word| !is_about_message(word));
    last_positions(&words)
        .filter(|position| other.is_none_or(|other| *position <= other))
        .map(|position| words[position..].join("_"))
        .find(|event| {
            is_status_event(event) || matches!(event.as_str(), "incoming" | "outgoing" | "received")
        })
}

/// Where a status at the end of a name can begin.
fn last_positions(words: &[String]) -> Range<usize> {
    words.len().saturating_sub(STATUS_LENGTH)..words.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_about_messages_are_found() {
        for (name, event) in [
            ("message.delivered", Some("delivered")),
            ("messages.status", Some("status")),
            ("whatsapp.message.not_sent", Some("not_sent")),
            ("message_delivered", Some("delivered")),
            ("messageDelivered", Some("delivered")),
            ("MESSAGE_STATUS", Some("status")),
            ("message.status.updated", Some("updated")),
            ("message.status_update", Some("update")),
            ("message", Some("message")),
            ("read", Some("read")),
            ("message.incoming", Some("incoming")),
            ("message.teleported", Some("teleported")),
            ("message.payment.failed", None),
            ("message.payment", None),
            ("instagram.message.read", None),
            ("contact.message.read", None),
            ("invoice.failed", None),
            ("invoice_failed", None),
            ("sms.delivered", None),
            ("invoice", None),
            ("", None),
        ] {
            assert_eq!(find_message_event(name).as_deref(), event, "{name}");
        }
    }

    #[test]
    fn an_event_may_be_about_a_message_if_its_name_says_so() {
        for (name, event) in [
            ("broadcast.message.delivered", Some("delivered")),
            ("campaign_message_not_sent", Some("not_sent")),
            ("template.message.status", Some("status")),
            ("BroadcastMessageFailed", Some("failed")),
            ("broadcast.delivered", None),
            ("instagram.message.delivered", None),
            ("invoice.failed", None),
            ("broadcast.message.teleported", None),
            ("message.payment.failed", None),
            ("order.message.failed", None),
            ("message", None),
            ("", None),
        ] {
            let found = find_possible_message_event(name);
            assert_eq!(found.as_deref(), event, "{name}");
        }
    }
}
