//! The word in a reply that accepts a message and holds it back, such as Meta's
//! `message_status: held_for_quality_assessment`.

use serde_json::Value;

use crate::providers::payload::{first_text, plain_word};
use crate::providers::protocol::{HttpReply, SendStep};
use crate::providers::replies;
use crate::providers::vocabulary::meaning;

/// Where a reply describes its message.
const PLACES: &[&str] = &[
    "/messages/0",
    "/data/messages/0",
    "/data",
    "/data/attributes",
    "",
];

/// Adds the status word of the reply, if it holds the message back, to an acceptance.
pub(super) fn add_reply_word(step: SendStep, reply: &HttpReply) -> SendStep {
    match step {
        SendStep::Accepted(mut accepted) => {
            accepted.word = replies::object(reply).and_then(|body| find_word(&body));
            SendStep::Accepted(accepted)
        }
        other => other,
    }
}

fn find_word(body: &Value) -> Option<String> {
    PLACES
        .iter()
        .filter_map(|place| body.pointer(place))
        .find_map(|message| {
            let holds = |word: &String| {
                let word = word.to_ascii_lowercase();
                word.starts_with("held") || word.starts_with("paused")
            };
            first_text(message, &["message_status", "messageStatus"])
                .or_else(|| first_text(message, &["status"]).filter(holds))
        })
        .filter(|word| meaning(word, &[]).is_none())
        .map(|word| plain_word(&word))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_that_holds_the_message_back_is_found() {
        for (body, word) in [
            (
                json!({"messages": [{"id": "wamid.1", "message_status": "held_for_quality_assessment"}]}),
                Some("held_for_quality_assessment"),
            ),
            (
                json!({"data": {"id": "wamid.1", "status": "paused"}}),
                Some("paused"),
            ),
            (
                json!({"data": {"id": "wamid.1", "status": "HELD_FOR_QUALITY_ASSESSMENT"}}),
                Some("HELD_FOR_QUALITY_ASSESSMENT"),
            ),
            (
                json!({"data": {"id": "wamid.1", "status": "Held For Quality"}}),
                Some("Held For Quality"),
            ),
            (json!({"messages": [{"message_status": "accepted"}]}), None),
            (
                json!({"data": {"id": "wamid.1", "status": "submitted"}}),
                None,
            ),
            (
                json!({"status": "success", "data": {"status": "created"}}),
                None,
            ),
            (json!({"status": 201, "data": []}), None),
        ] {
            assert_eq!(find_word(&body).as_deref(), word, "{body}");
        }
    }
}
