//! The sentence that stands first, and what happens or can be done next.

use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::explanation::{ExplainInput, NOTHING_TO_RESEND, at, span};
use crate::domain::failure_codes;
use crate::domain::message::Origin;
use crate::domain::provider_account::AccountMode;
use crate::domain::receipt::SourceKind;

/// What an operator's mark means, and what to do about it; no dictionary knows it.
pub(super) const GIVEN_UP: &str = "Whether it arrived is not known.";
pub(super) const AFTER_GIVING_UP: &str =
    "Nothing, or Resend: that makes a new message with the same content.";

/// What the mark means once a phone reported the message.
pub(super) const OVERTAKEN: &str = "The mark was overtaken by what was reported.";

/// The state in one or two sentences that stand alone.
pub(super) fn summary(input: &ExplainInput<'_>) -> String {
    let provider = input.provider();
    let overdue = input.message.is_overdue(input.now);
    let silent = if overdue {
        " Nothing more was heard for longer than is normal."
    } else {
        ""
    };
    let words = match input.delivery.state {
        DeliveryState::Queued if input.message.origin == Origin::DryRun => {
            "It is kept and never handed over: dry-run.".to_owned()
        }
        DeliveryState::Queued => {
            format!("It waits and has not been handed over to {provider} yet.")
        }
        DeliveryState::Sending => format!("It is being handed over to {provider} right now."),
        DeliveryState::Uncertain if input.message.queue == QueueState::Done => {
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
        DeliveryState::Failed => failed_summary(input),
        DeliveryState::Cancelled => {
            "It was withdrawn before it was handed over; the customer gets nothing.".to_owned()
        }
    };
    match input.delivery.conflict {
        true if is_operator_mark(input) => {
            format!("{words} An operator had marked it as failed. {OVERTAKEN}")
        }
        true => format!("{words} A report also says that it failed."),
        false => words,
    }
}

fn failed_summary(input: &ExplainInput<'_>) -> String {
    let Some(failed) = &input.delivery.failure else {
        return "It will not arrive.".to_owned();
    };
    if is_operator_mark(input) {
        return format!(
            "Given up by {} at {}. {GIVEN_UP}",
            input.giver_up(),
            at(failed.at)
        );
    }
    let known = failure_codes::describe(input.message.provider, &failed.failure);
    format!("It will not arrive. {}", known.meaning)
}

/// Whether the failure that is shown is an operator's mark.
pub(super) fn is_operator_mark(input: &ExplainInput<'_>) -> bool {
    let failed = input.delivery.failure.as_ref();
    failed.is_some_and(|failed| failed.failure.is_operator_mark())
}

/// What happens by itself, and what a person can do.
pub(super) fn what_next(input: &ExplainInput<'_>) -> Vec<String> {
    if input.message.origin == Origin::Orphan {
        return unmatched(input);
    }
    let mut lines = match input.delivery.state {
        DeliveryState::Queued => queued(input),
        DeliveryState::Sending => vec![
            "The answer is awaited; if the program dies before it is recorded, the message becomes uncertain and is not repeated."
                .to_owned(),
        ],
        DeliveryState::Uncertain => uncertain(input),
        DeliveryState::Submitted | DeliveryState::Sent => awaited(input),
        DeliveryState::Failed => failed(input),
        DeliveryState::Cancelled if input.message.resent_as.is_none() => {
            vec!["Resend makes a new message with the same content.".to_owned()]
        }
        DeliveryState::Delivered
        | DeliveryState::Read
        | DeliveryState::Played
        | DeliveryState::Cancelled => Vec::new(),
    };
    if input.delivery.conflict && is_operator_mark(input) {
        lines.push(NOTHING_TO_RESEND.to_owned());
    } else if input.delivery.conflict {
        lines.push(format!(
            "{NOTHING_TO_RESEND} If the customer says that it is missing, compare the raw callbacks in the timeline."
        ));
    }
    if input.message.matched_by.is_some() {
        lines.push(
            "If you know that the matched reports are about another message, undo the match."
                .to_owned(),
        );
    }
    lines
}

fn unmatched(input: &ExplainInput<'_>) -> Vec<String> {
    let wait = input.account.adopt_after.map_or_else(
        || "It stays among the unmatched reports until a person decides: adoption is off for its account.".to_owned(),
        |wait| format!("Unless a message turns out to hold its id, it becomes one \"sent elsewhere\" {} after the first report.", span(wait)),
    );
    vec![
        wait,
        "If you know which message it is about, match it on its page or with POST /orphans/{id}/match."
            .to_owned(),
    ]
}

fn queued(input: &ExplainInput<'_>) -> Vec<String> {
    if input.message.origin == Origin::DryRun {
        return vec![
            "To send for real, set the account's mode to live and send a new message.".to_owned(),
        ];
    }
    let mut lines = Vec::new();
    if input.account.pause.is_some() {
        lines.push(
            "Mend what the provider complains about, then resume the account; waiting messages go out then."
                .to_owned(),
        );
    } else if input.account.mode.is_none() {
        lines.push("Put the account back into the configuration.".to_owned());
    } else if input.account.mode == Some(AccountMode::DryRun) {
        lines.push("Set the account's mode to live.".to_owned());
    } else {
        lines.push("It is handed over by itself.".to_owned());
    }
    lines.push("Until then it can be cancelled.".to_owned());
    lines
}

fn uncertain(input: &ExplainInput<'_>) -> Vec<String> {
    if let Some(again) = input.message.resent_as {
        return vec![format!(
            "It was sent again as {again}. If a report on this one still comes, its state follows it."
        )];
    }
    if input.message.queue == QueueState::Done {
        return vec![
            "Read the raw callbacks in the timeline; a report that we understand moves the state."
                .to_owned(),
        ];
    }
    vec![
        "If it was taken after all, a report will say so, and the state follows it.".to_owned(),
        format!(
            "Look for it in {}'s console. If it is not there, Resend makes a new message; if you give it up, Mark as failed.",
            input.provider()
        ),
    ]
}

fn awaited(input: &ExplainInput<'_>) -> Vec<String> {
    if !input.correlation.id_holders.is_empty()
        && !input
            .receipts
            .iter()
            .any(|receipt| receipt.source_kind == SourceKind::Callback)
    {
        let id_holders: Vec<String> = input
            .correlation
            .id_holders
            .iter()
            .map(ToString::to_string)
            .collect();
        return vec![format!(
            "No report can be told to be about it: they count at {}, which holds the same id. Compare both messages; this one may have arrived all the same. Tell the provider.",
            id_holders.join(" and ")
        )];
    }
    if !input.message.is_overdue(input.now) {
        return input
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
    let phone = if input.delivery.highest() >= Some(Stage::Sent) {
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

fn failed(input: &ExplainInput<'_>) -> Vec<String> {
    if let Some(again) = input.message.resent_as {
        return vec![format!("It was sent again as {again}; look there.")];
    }
    let Some(failed) = &input.delivery.failure else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if is_operator_mark(input) {
        lines.push(
            "If it arrives after all, a report will say so, and the state follows it.".to_owned(),
        );
        lines.push("Resend makes a new message with the same content.".to_owned());
    } else {
        lines.push(
            failure_codes::describe(input.message.provider, &failed.failure)
                .action
                .to_owned(),
        );
    }
    if input.account.pause.is_some() {
        lines.push("The account is paused now: resume it once that is mended.".to_owned());
    }
    lines
}
