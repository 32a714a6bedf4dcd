//! How the message began, and what happened at the provider's door.

use crate::domain::delivery_state::QueueState;
use crate::domain::explanation::{AttemptEnd, AttemptSummary, ExplainInput, at};
use crate::domain::failure::{UNCLEAR_TITLE, UNREACHABLE_TITLE};
use crate::domain::message::Origin;
use crate::domain::provider_account::AccountMode;

/// Exchanges that are told one by one; of more only the last ones.
const EXCHANGES_TOLD: usize = 6;

/// How we came to know the message, and why it still waits if it does.
pub(super) fn beginnings(input: &ExplainInput<'_>) -> Vec<String> {
    let message = input.message;
    let since = at(message.created_at);
    let mut lines = Vec::new();
    lines.push(match message.origin {
        Origin::Api => format!("We accepted it at {since}."),
        Origin::DryRun => format!(
            "We accepted it at {since} while the account was in dry-run: it was checked and kept, and is never handed over."
        ),
        Origin::Observed if input.correlation.registered => {
            format!("It was sent by other means and registered here; its time is {since}.")
        }
        Origin::Observed => format!(
            "It was sent elsewhere: {} reported on it first at {since}, no message of ours fitted, so it became one of its own.",
            input.provider()
        ),
        Origin::Orphan => format!(
            "{} reported on it first at {since}, and no message of ours holds its id.",
            input.provider()
        ),
    });
    if let Some(first) = message.resend_of {
        lines.push(format!(
            "It repeats message {first}, by an operator's decision."
        ));
    }
    if message.queue == QueueState::Queued && message.origin == Origin::Api {
        lines.extend(waiting(input));
    }
    lines
}

fn waiting(input: &ExplainInput<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let account = &input.message.account;
    let due = input.queue.next_attempt_at.filter(|next| *next > input.now);
    if let Some((reason, since)) = &input.account.pause {
        lines.push(format!(
            "It waits because account {account} is paused since {}: {}.",
            at(*since),
            input.quote(reason).trim_end_matches('.')
        ));
    } else if input.account.mode.is_none() {
        lines.push(format!(
            "It waits because account {account} is not in the configuration any more."
        ));
    } else if input.account.mode == Some(AccountMode::DryRun) {
        lines.push(format!(
            "It waits because account {account} was switched to dry-run after it was accepted."
        ));
    } else if let Some(next) = due {
        let reason = input.message.hold.as_deref().map_or_else(
            || "the last attempt asked for it".to_owned(),
            |hold| input.quote(hold),
        );
        lines.push(format!(
            "It is tried again at {} because of the last attempt: {}.",
            at(next),
            reason.trim_end_matches('.')
        ));
    } else if let Some(rate) = input.account.rate {
        lines.push(format!(
            "It waits for its turn: account {account} sends at most {rate} messages a second."
        ));
    } else {
        lines.push("It waits for its turn; nothing holds the account up.".to_owned());
    }
    if let Some(limit) = input.queue.send_before {
        lines.push(format!(
            "If it is not handed over by {}, it fails as expired.",
            at(limit)
        ));
    }
    lines
}

/// What the provider answered, attempt by attempt.
pub(super) fn exchanges(input: &ExplainInput<'_>) -> Vec<String> {
    let all = input.attempts;
    let left_out = all.len().saturating_sub(EXCHANGES_TOLD);
    let mut lines = Vec::new();
    if left_out > 0 {
        lines.push(format!("{left_out} earlier attempts came to nothing."));
    }
    for (number, exchange) in all.iter().enumerate().skip(left_out) {
        lines.push(one(input, number + 1, exchange));
    }
    lines
}

fn one(input: &ExplainInput<'_>, number: usize, exchange: &AttemptSummary) -> String {
    let provider = input.provider();
    let status = exchange
        .http_status
        .map(|status| format!(" (HTTP {status})"))
        .unwrap_or_default();
    let detail = exchange.detail.as_deref().unwrap_or_default();
    let detail = detail.strip_prefix("unreachable: ").unwrap_or(detail);
    let unreached = detail.starts_with(UNREACHABLE_TITLE);
    // What the sentence says itself is not said again.
    let detail = [UNREACHABLE_TITLE, UNCLEAR_TITLE]
        .into_iter()
        .find_map(|said| detail.strip_prefix(said))
        .map_or(detail, |rest| rest.trim_start_matches([':', ' ']));
    let words = if detail.is_empty() {
        String::new()
    } else {
        format!(": {}", input.quote(detail).trim_end_matches('.'))
    };
    let begun = format!("Attempt {number} at {}", at(exchange.at));
    match exchange.end {
        AttemptEnd::Running => format!("{begun} has no answer yet."),
        AttemptEnd::Accepted => format!("{begun}: {provider} took it{status}{words}."),
        AttemptEnd::Postponed | AttemptEnd::Refused if unreached => format!(
            "{begun} did not reach {provider}{words}. Nothing left this machine, so it may be repeated."
        ),
        AttemptEnd::Refused => format!("{begun}: {provider} refused it{status}{words}."),
        AttemptEnd::Postponed => {
            format!("{begun} came to nothing for certain, so it may be repeated{status}{words}.")
        }
        AttemptEnd::Unclear => format!(
            "{begun} ended without a clear answer{status}{words}. {provider} may have taken it."
        ),
    }
}
