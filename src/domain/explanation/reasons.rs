//! Sentences about everything but receipts: origin, queue, attempts, correlation, operator actions.

use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::audit_action::ActionKind;
use crate::domain::delivery_state::QueueState;
use crate::domain::explanation::explain_input::{AttemptSummary, ExplainInput};
use crate::domain::explanation::sentence_parts::{count_noun, format_instant};
use crate::domain::failure::{UNCLEAR_TITLE, UNREACHABLE_TITLE};
use crate::domain::message::{MatchedBy, Origin};
use crate::domain::provider_account::AccountMode;

/// Older attempts are only counted.
const ATTEMPTS_SHOWN: usize = 6;

/// How the message became known, and why it is queued.
pub(super) fn origin(input: &ExplainInput<'_>) -> Vec<String> {
    let message = input.message;
    let since = format_instant(message.created_at);
    let provider = input.provider();
    let mut lines = vec![match message.origin {
        Origin::Api => format!("Accepted at {since}."),
        Origin::DryRun => format!(
            "Accepted at {since} while the account was in dry-run: validated and stored, but never submitted."
        ),
        Origin::Observed if input.correlation.registered => {
            format!("Sent by other means and registered here; its time is {since}.")
        }
        Origin::Observed => format!(
            "Sent elsewhere: {provider} first reported it at {since}, no message matched, and it was adopted as a new one."
        ),
        Origin::Orphan => {
            format!("{provider} first reported it at {since}, and no message has its id.")
        }
    }];
    lines.extend(
        message
            .resend_of
            .map(|first| format!("Resend of message {first}.")),
    );
    if message.queue == QueueState::Queued && message.origin == Origin::Api {
        lines.push(queued(input));
        lines.extend(input.queue.send_before.map(|limit| {
            format!(
                "It expires unless it is submitted by {}.",
                format_instant(limit)
            )
        }));
    }
    if message.queue == QueueState::Uncertain
        && let Some(reason) = &message.hold
    {
        lines.push(format!("Uncertain{}.", input.suffix(reason)));
    }
    lines
}

fn queued(input: &ExplainInput<'_>) -> String {
    let (account, id) = (input.account, &input.message.account);
    let next_attempt = input.queue.next_attempt_at.filter(|next| *next > input.now);
    if let Some((reason, since)) = &account.pause {
        let reason = input.suffix(reason);
        return format!(
            "Queued because account {id} is paused since {}{reason}.",
            format_instant(*since)
        );
    }
    if let Some((reason, since)) = &account.trip {
        let reason = input.suffix(reason);
        return format!(
            "Queued because account {id} sends only single messages as a test since {}{reason}.",
            format_instant(*since)
        );
    }
    match (account.mode, next_attempt, account.rate) {
        (None, ..) => format!("Queued because account {id} is no longer configured."),
        (Some(AccountMode::DryRun), ..) => {
            format!("Queued because account {id} was switched to dry-run.")
        }
        (_, Some(next), _) => format!(
            "Queued for another attempt at {} after the last one{}.",
            format_instant(next),
            input.suffix(input.message.hold.as_deref().unwrap_or_default())
        ),
        (_, None, Some(rate)) => {
            format!("Queued: account {id} sends at most {rate} messages per second.")
        }
        (_, None, None) => "Queued: nothing stops the account from sending.".to_owned(),
    }
}

pub(super) fn attempts(input: &ExplainInput<'_>) -> Vec<String> {
    let omitted = input.attempts.len().saturating_sub(ATTEMPTS_SHOWN);
    let mut lines = Vec::new();
    if omitted > 0 {
        lines.push(format!("{omitted} earlier attempts failed."));
    }
    for (index, attempt) in input.attempts.iter().enumerate().skip(omitted) {
        let outcome = attempt_outcome(input, attempt);
        lines.push(format!(
            "Attempt {} at {}: {outcome}.",
            index + 1,
            format_instant(attempt.at)
        ));
    }
    lines
}

fn attempt_outcome(input: &ExplainInput<'_>, attempt: &AttemptSummary) -> String {
    let provider = input.provider();
    let status = attempt
        .http_status
        .map_or_else(String::new, |status| format!(" (HTTP {status})"));
    let detail = attempt.detail.as_deref().unwrap_or_default();
    let detail = detail.strip_prefix("unreachable: ").unwrap_or(detail);
    let unreached = detail.strip_prefix(UNREACHABLE_TITLE);
    // The sentences below already say what these titles say.
    let detail = unreached
        .or(detail.strip_prefix(UNCLEAR_TITLE))
        .unwrap_or(detail);
    let detail = input.suffix(detail.trim_start_matches([':', ' ']));
    match attempt.outcome {
        AttemptOutcome::Started => "no reply yet".to_owned(),
        AttemptOutcome::Accepted => format!("accepted by {provider}{status}{detail}"),
        AttemptOutcome::Postponed | AttemptOutcome::Refused if unreached.is_some() => {
            format!("{provider} was not reached and nothing was sent{detail}")
        }
        AttemptOutcome::Refused => format!("rejected by {provider}{status}{detail}"),
        AttemptOutcome::Postponed => format!("not accepted, so a retry is safe{status}{detail}"),
        AttemptOutcome::Unclear => {
            format!("no clear reply, so {provider} may have accepted it{status}{detail}")
        }
    }
}

/// Matches, merged orphans and id conflicts.
pub(super) fn correlation(input: &ExplainInput<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    match input.message.matched_by {
        Some(MatchedBy::Recipient) => lines.push(
            "Matched by recipient: the reports have no known id, and account, recipient and kind fit only this message among those submitted without an id in the 15 minutes before. This is likely, but not certain."
                .to_owned(),
        ),
        Some(MatchedBy::Operator) => lines.push(input.last_action(ActionKind::Match).map_or_else(
            || "An operator matched reports to it.".to_owned(),
            |action| {
                let when = format_instant(action.happened_at);
                format!("An {} matched reports to it at {when}.", input.operator(action))
            },
        )),
        None => {}
    }
    if input.correlation.merged > 0 {
        lines.push(format!(
            "Merged with {} known only from callbacks: all receipts count here, and the other ids redirect here.",
            count_noun(input.correlation.merged, "message")
        ));
    }
    lines.extend(input.correlation.conflicting.iter().map(|other| {
        format!(
            "Message {other} claims the same provider id. Ids are never moved between sent messages, so reports with it count for the message that had it first."
        )
    }));
    lines
}

pub(super) fn actions(input: &ExplainInput<'_>) -> Vec<String> {
    let sentence = |action| {
        let (who, when) = (input.operator(action), format_instant(action.happened_at));
        match action.kind {
            ActionKind::Cancel => Some(format!("An {who} cancelled it at {when}.")),
            ActionKind::MarkFailed => Some(format!(
                "An {who} marked it as failed at {when}, without a report{}.",
                input.suffix(action.detail.as_deref().unwrap_or_default())
            )),
            ActionKind::Unmatch => Some(format!(
                "An {who} undid its matches at {when}; the matched callbacks were reprocessed."
            )),
            ActionKind::ErasePerson => Some(format!(
                "An {who} erased the personal data of its recipient at {when}: content, ids and callbacks are gone, state and times stay."
            )),
            _ => None,
        }
    };
    let mut lines: Vec<String> = input.actions.iter().filter_map(sentence).collect();
    lines.extend(
        input
            .message
            .resent_as
            .map(|again| format!("Resent as message {again}; this message keeps its own state.")),
    );
    lines
}
