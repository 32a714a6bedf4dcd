//! How facts that were not told to the message directly came to it, and what operators did.

use crate::domain::audit_action::{Action, Verb};
use crate::domain::explanation::{ExplainInput, at};
use crate::domain::message::MatchedBy;

/// Matches, merges, claims on one id, and decisions.
pub(super) fn sentences(input: &ExplainInput<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let matched = input
        .actions
        .iter()
        .rev()
        .find(|action| action.verb == Verb::Match);
    match input.message.matched_by {
        Some(MatchedBy::Recipient) => lines.push(
            "Matched by recipient: the reports name no id that was known, and by account, recipient and kind they fitted only this one of the messages without an id handed over in the 15 minutes before. That is likely, not certain."
                .to_owned(),
        ),
        Some(MatchedBy::Operator) => lines.push(matched.map_or_else(
            || "An operator decided that unmatched reports are about it.".to_owned(),
            |action| {
                format!(
                    "{} decided at {} that unmatched reports are about it.",
                    operator(input, action),
                    at(action.happened_at)
                )
            },
        )),
        None => {}
    }
    match input.correlation.merged {
        0 => {}
        1 => lines.push(
            "One message known only from callbacks turned out to be this one; its facts count here, and its id leads here."
                .to_owned(),
        ),
        merged => lines.push(format!(
            "{merged} messages known only from callbacks turned out to be this one; their facts count here, and their ids lead here."
        )),
    }
    for other in &input.correlation.conflicting {
        lines.push(format!(
            "Message {other} claims the same provider id. An id is never moved from one sent message to another, so reports on it count where it was first known."
        ));
    }
    for action in input.actions {
        let who = operator(input, action);
        let when = at(action.happened_at);
        match action.verb {
            Verb::Cancel => lines.push(format!("{who} withdrew it at {when}.")),
            Verb::MarkFailed => {
                let reason = action
                    .detail
                    .as_deref()
                    .map(|detail| format!(": {}", input.quote(detail).trim_end_matches('.')))
                    .unwrap_or_default();
                lines.push(format!(
                    "{who} gave it up at {when}{reason}; no report stands behind that."
                ));
            }
            Verb::Unmatch => lines.push(format!(
                "{who} undid its matches at {when}: what had been matched is read without it."
            )),
            _ => {}
        }
    }
    if let Some(again) = input.message.resent_as {
        lines.push(format!(
            "It was sent again as message {again}; this one keeps its own truth."
        ));
    }
    lines
}

fn operator(input: &ExplainInput<'_>, action: &Action) -> String {
    format!("An operator ({})", input.quote(&action.actor))
}
