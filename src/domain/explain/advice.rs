//! The sentence that stands first, and what happens or can be done next.

use crate::domain::delivery::{DeliveryState, QueueWord, SourceKind, Stage};
use crate::domain::dictionary;
use crate::domain::explain::{NOTHING_TO_RESEND, Story, at, span};
use crate::domain::message::Origin;
use crate::domain::provider::Mode;

/// What an operator's mark means, and what to do about it; no dictionary knows it.
pub(super) const GIVEN_UP: &str = "Whether it arrived is not known.";
pub(super) const AFTER_GIVING_UP: &str =
    "Nothing, or Resend: that makes a new message with the same content.";

/// What the mark means once a phone reported the message.
pub(super) const OVERTAKEN: &str = "The mark was overtaken by what was reported.";

/// The state in one or two sentences that stand alone.
pub(super) fn summary(story: &Story<'_>) -> String {
    let provider = story.provider();
    let overdue = story.message.is_overdue(story.now);
    let silent = if overdue {
        " Nothing more was heard for longer than is normal."
    } else {
        ""
    };
    let words = match story.delivery.state {
        DeliveryState::Queued if story.message.origin == Origin::DryRun => {
            "It is kept and never handed over: dry-run.".to_owned()
        }
        DeliveryState::Queued => {
            format!("It waits and has not been handed over to {provider} yet.")
        }
        DeliveryState::Sending => format!("It is being handed over to {provider} right now."),
        DeliveryState::Uncertain if story.message.queue == QueueWord::Done => {
            format!("{provider} reports on it in words that say nothing about delivery.")
        }
        DeliveryState::Uncertain => {
            format!(
                "It was handed over to {provider}, and nobody knows whether {provider} took it."
            )
        }
        DeliveryState::Submitted => {
            format!("{provider} has it; that WhatsApp took it is not reported.{silent}")
        }
        DeliveryState::Sent => {
            format!("WhatsApp has it; that it reached the phone is not reported.{silent}")
        }
        DeliveryState::Delivered => "It is on the customer's phone.".to_owned(),
        DeliveryState::Read => "The customer has opened it.".to_owned(),
        DeliveryState::Played => "The customer has played it.".to_owned(),
        DeliveryState::Failed => failed_summary(story),
        DeliveryState::Cancelled => {
            "It was withdrawn before it was handed over; the customer gets nothing.".to_owned()
        }
    };
    match story.delivery.conflict {
        true if is_mark(story) => {
            format!("{words} An operator had marked it as failed. {OVERTAKEN}")
        }
        true => format!("{words} A report also says that it failed."),
        false => words,
    }
}

fn failed_summary(story: &Story<'_>) -> String {
    let Some(failed) = &story.delivery.failure else {
        return "It will not arrive.".to_owned();
    };
    if is_mark(story) {
        return format!(
            "Given up by {} at {}. {GIVEN_UP}",
            story.giver_up(),
            at(failed.at)
        );
    }
    let known = dictionary::explain(story.message.provider, &failed.failure);
    format!("It will not arrive. {}", known.meaning)
}

/// Whether the failure that is shown is an operator's mark.
pub(super) fn is_mark(story: &Story<'_>) -> bool {
    let failed = story.delivery.failure.as_ref();
    failed.is_some_and(|failed| failed.failure.is_mark())
}

/// What happens by itself, and what a person can do.
pub(super) fn what_next(story: &Story<'_>) -> Vec<String> {
    if story.message.origin == Origin::Provisional {
        return unmatched(story);
    }
    let mut lines = match story.delivery.state {
        DeliveryState::Queued => queued(story),
        DeliveryState::Sending => vec![
            "The answer is awaited; if the program dies before it is recorded, the message becomes uncertain and is not repeated."
                .to_owned(),
        ],
        DeliveryState::Uncertain => uncertain(story),
        DeliveryState::Submitted | DeliveryState::Sent => awaited(story),
        DeliveryState::Failed => failed(story),
        DeliveryState::Cancelled if story.message.resent_as.is_none() => {
            vec!["Resend makes a new message with the same content.".to_owned()]
        }
        DeliveryState::Delivered
        | DeliveryState::Read
        | DeliveryState::Played
        | DeliveryState::Cancelled => Vec::new(),
    };
    if story.delivery.conflict && is_mark(story) {
        lines.push(NOTHING_TO_RESEND.to_owned());
    } else if story.delivery.conflict {
        lines.push(format!(
            "{NOTHING_TO_RESEND} If the customer says that it is missing, compare the raw callbacks in the timeline."
        ));
    }
    if story.message.matched_by.is_some() {
        lines.push(
            "If you know that the matched reports are about another message, undo the match."
                .to_owned(),
        );
    }
    lines
}

fn unmatched(story: &Story<'_>) -> Vec<String> {
    let wait = story.account.adopt_after.map_or_else(
        || "It stays among the unmatched reports until a person decides: adoption is off for its account.".to_owned(),
        |wait| format!("Unless a message turns out to hold its id, it becomes one \"sent elsewhere\" {} after the first report.", span(wait)),
    );
    vec![
        wait,
        "If you know which message it is about, match it on its page or with POST /orphans/{id}/match."
            .to_owned(),
    ]
}

fn queued(story: &Story<'_>) -> Vec<String> {
    if story.message.origin == Origin::DryRun {
        return vec![
            "To send for real, set the account's mode to live and send a new message.".to_owned(),
        ];
    }
    let mut lines = Vec::new();
    if story.account.pause.is_some() {
        lines.push(
            "Mend what the provider complains about, then resume the account; waiting messages go out then."
                .to_owned(),
        );
    } else if story.account.mode.is_none() {
        lines.push("Put the account back into the configuration.".to_owned());
    } else if story.account.mode == Some(Mode::DryRun) {
        lines.push("Set the account's mode to live.".to_owned());
    } else {
        lines.push("It is handed over by itself.".to_owned());
    }
    lines.push("Until then it can be cancelled.".to_owned());
    lines
}

fn uncertain(story: &Story<'_>) -> Vec<String> {
    if let Some(again) = story.message.resent_as {
        return vec![format!(
            "It was sent again as {again}. If a report on this one still comes, its state follows it."
        )];
    }
    if story.message.queue == QueueWord::Done {
        return vec![
            "Read the raw callbacks in the timeline; a report that we understand moves the state."
                .to_owned(),
        ];
    }
    vec![
        "If it was taken after all, a report will say so, and the state follows it.".to_owned(),
        format!(
            "Look for it in {}'s console. If it is not there, Resend makes a new message; if you give it up, Mark as failed.",
            story.provider()
        ),
    ]
}

fn awaited(story: &Story<'_>) -> Vec<String> {
    if !story.ties.keepers.is_empty()
        && !story
            .receipts
            .iter()
            .any(|receipt| receipt.source_kind == SourceKind::Callback)
    {
        let keepers: Vec<String> = story.ties.keepers.iter().map(ToString::to_string).collect();
        return vec![format!(
            "No report can be told to be about it: they count at {}, which holds the same id. Compare both messages; this one may have arrived all the same. Tell the provider.",
            keepers.join(" and ")
        )];
    }
    if !story.message.is_overdue(story.now) {
        return story
            .message
            .due_at
            .map(|due| {
                format!(
                    "Reports are awaited; without any by {} it counts as overdue.",
                    at(due)
                )
            })
            .into_iter()
            .collect();
    }
    let phone = if story.delivery.highest() >= Some(Stage::Sent) {
        "The customer's phone may be off or without a connection; WhatsApp keeps a message for up to 30 days."
    } else {
        "Check on the accounts page whether this account's callbacks arrive, and look for the message in the provider's console."
    };
    vec![
        phone.to_owned(),
        "It is not sent again by itself. If you give it up, Mark as failed; after that Resend is possible."
            .to_owned(),
    ]
}

fn failed(story: &Story<'_>) -> Vec<String> {
    if let Some(again) = story.message.resent_as {
        return vec![format!("It was sent again as {again}; look there.")];
    }
    let Some(failed) = &story.delivery.failure else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if is_mark(story) {
        lines.push(
            "If it arrives after all, a report will say so, and the state follows it.".to_owned(),
        );
        lines.push("Resend makes a new message with the same content.".to_owned());
    } else {
        lines.push(
            dictionary::explain(story.message.provider, &failed.failure)
                .action
                .to_owned(),
        );
    }
    if story.account.pause.is_some() {
        lines.push("The account is paused now: resume it once that is mended.".to_owned());
    }
    lines
}
