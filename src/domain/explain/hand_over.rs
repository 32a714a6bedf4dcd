//! How the message began, and what happened at the provider's door.

use crate::domain::delivery::QueueWord;
use crate::domain::explain::{Exchange, ExchangeEnd, Story, at};
use crate::domain::failure::{UNCLEAR_WORDS, UNREACHABLE_WORDS};
use crate::domain::message::Origin;
use crate::domain::provider::Mode;

/// Exchanges that are told one by one; of more only the last ones.
const EXCHANGES_TOLD: usize = 6;

/// How we came to know the message, and why it still waits if it does.
pub(super) fn beginnings(story: &Story<'_>) -> Vec<String> {
    let message = story.message;
    let since = at(message.created_at);
    let mut lines = Vec::new();
    lines.push(match message.origin {
        Origin::Api => format!("We accepted it at {since}."),
        Origin::DryRun => format!(
            "We accepted it at {since} while the account was in dry-run: it was checked and kept, and is never handed over."
        ),
        Origin::Observed if story.ties.registered => {
            format!("It was sent by other means and registered here; its time is {since}.")
        }
        Origin::Observed => format!(
            "It was sent elsewhere: {} reported on it first at {since}, no message of ours fitted, so it became one of its own.",
            story.provider()
        ),
        Origin::Provisional => format!(
            "{} reported on it first at {since}, and no message of ours holds its id.",
            story.provider()
        ),
    });
    if let Some(first) = message.resend_of {
        lines.push(format!(
            "It repeats message {first}, by an operator's decision."
        ));
    }
    if message.queue == QueueWord::Queued && message.origin == Origin::Api {
        lines.extend(waiting(story));
    }
    lines
}

fn waiting(story: &Story<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let account = &story.message.account;
    let due = story.queue.next_attempt_at.filter(|next| *next > story.now);
    if let Some((reason, since)) = &story.account.pause {
        lines.push(format!(
            "It waits because account {account} is paused since {}: {}.",
            at(*since),
            story.quote(reason).trim_end_matches('.')
        ));
    } else if story.account.mode.is_none() {
        lines.push(format!(
            "It waits because account {account} is not in the configuration any more."
        ));
    } else if story.account.mode == Some(Mode::DryRun) {
        lines.push(format!(
            "It waits because account {account} was switched to dry-run after it was accepted."
        ));
    } else if let Some(next) = due {
        let reason = story.message.hold.as_deref().map_or_else(
            || "the last attempt asked for it".to_owned(),
            |hold| story.quote(hold),
        );
        lines.push(format!(
            "It is tried again at {} because of the last attempt: {}.",
            at(next),
            reason.trim_end_matches('.')
        ));
    } else if let Some(rate) = story.account.rate {
        lines.push(format!(
            "It waits for its turn: account {account} sends at most {rate} messages a second."
        ));
    } else {
        lines.push("It waits for its turn; nothing holds the account up.".to_owned());
    }
    if let Some(limit) = story.queue.send_before {
        lines.push(format!(
            "If it is not handed over by {}, it fails as expired.",
            at(limit)
        ));
    }
    lines
}

/// What the provider answered, attempt by attempt.
pub(super) fn exchanges(story: &Story<'_>) -> Vec<String> {
    let all = story.exchanges;
    let left_out = all.len().saturating_sub(EXCHANGES_TOLD);
    let mut lines = Vec::new();
    if left_out > 0 {
        lines.push(format!("{left_out} earlier attempts came to nothing."));
    }
    for (number, exchange) in all.iter().enumerate().skip(left_out) {
        lines.push(one(story, number + 1, exchange));
    }
    lines
}

fn one(story: &Story<'_>, number: usize, exchange: &Exchange) -> String {
    let provider = story.provider();
    let status = exchange
        .http_status
        .map(|status| format!(" (HTTP {status})"))
        .unwrap_or_default();
    let detail = exchange.detail.as_deref().unwrap_or_default();
    let detail = detail.strip_prefix("unreachable: ").unwrap_or(detail);
    let unreached = detail.starts_with(UNREACHABLE_WORDS);
    // What the sentence says itself is not said again.
    let detail = [UNREACHABLE_WORDS, UNCLEAR_WORDS]
        .into_iter()
        .find_map(|said| detail.strip_prefix(said))
        .map_or(detail, |rest| rest.trim_start_matches([':', ' ']));
    let words = if detail.is_empty() {
        String::new()
    } else {
        format!(": {}", story.quote(detail).trim_end_matches('.'))
    };
    let begun = format!("Attempt {number} at {}", at(exchange.at));
    match exchange.end {
        ExchangeEnd::Running => format!("{begun} has no answer yet."),
        ExchangeEnd::Accepted => format!("{begun}: {provider} took it{status}{words}."),
        ExchangeEnd::Postponed | ExchangeEnd::Refused if unreached => format!(
            "{begun} did not reach {provider}{words}. Nothing left this machine, so it may be repeated."
        ),
        ExchangeEnd::Refused => format!("{begun}: {provider} refused it{status}{words}."),
        ExchangeEnd::Postponed => {
            format!("{begun} came to nothing for certain, so it may be repeated{status}{words}.")
        }
        ExchangeEnd::Unclear => format!(
            "{begun} ended without a clear answer{status}{words}. {provider} may have taken it."
        ),
    }
}
