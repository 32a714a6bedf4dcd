//! The summary, and what happens or can be done next.

use crate::domain::audit_action::ActionKind;
use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::explanation::explain_input::ExplainInput;
use crate::domain::explanation::sentence_parts::{
    ARRIVAL_UNKNOWN, NOTHING_TO_RESEND, REPORTS_OVERRIDE_MARK, RESEND, format_duration,
    format_instant,
};
use crate::domain::failure_codes;
use crate::domain::message::Origin;
use crate::domain::provider_account::AccountMode;
use crate::domain::receipt::SourceKind;

const LATER_REPORTS: &str = "A later report still updates the state.";

/// The state in one or two sentences that can be read alone.
pub(super) fn summary(input: &ExplainInput<'_>) -> String {
    let provider = input.provider();
    let overdue = if input.message.is_overdue(input.now) {
        " It is overdue."
    } else {
        ""
    };
    let text = match input.delivery.state {
        DeliveryState::Queued if input.message.origin == Origin::DryRun => {
            "Stored and never submitted: dry-run.".to_owned()
        }
        DeliveryState::Queued => format!("Waiting to be submitted to {provider}."),
        DeliveryState::Sending => format!("Being submitted to {provider}."),
        DeliveryState::Uncertain if input.message.queue == QueueState::Done => {
            format!("{provider} reported only unknown status words.")
        }
        DeliveryState::Uncertain => {
            format!("Submitted to {provider}, but whether {provider} accepted it is not known.")
        }
        DeliveryState::Submitted => {
            format!("{provider} accepted it; WhatsApp has not confirmed it.{overdue}")
        }
        DeliveryState::Sent => {
            format!("WhatsApp accepted it; a delivery has not been reported.{overdue}")
        }
        DeliveryState::Delivered => "It reached the customer's phone.".to_owned(),
        DeliveryState::Read => "The customer has read it.".to_owned(),
        DeliveryState::Played => "The customer has played it.".to_owned(),
        DeliveryState::Failed => failed_summary(input),
        DeliveryState::Cancelled => {
            "Cancelled before it was submitted; nothing was sent.".to_owned()
        }
    };
    match input.delivery.conflict {
        true if input.is_marked_as_failed() => {
            format!("{text} An operator had marked it as failed. {REPORTS_OVERRIDE_MARK}")
        }
        true => format!("{text} It was also reported as failed."),
        false => text,
    }
}

fn failed_summary(input: &ExplainInput<'_>) -> String {
    let Some(shown) = &input.delivery.failure else {
        return "It will not arrive.".to_owned();
    };
    if input.is_marked_as_failed() {
        let operator = input
            .last_action(ActionKind::MarkFailed)
            .map_or_else(|| "operator".to_owned(), |action| input.operator(action));
        let when = format_instant(shown.at);
        return format!("Marked as failed by an {operator} at {when}. {ARRIVAL_UNKNOWN}");
    }
    let described = failure_codes::describe(input.message.provider, &shown.failure);
    format!("It will not arrive. {}", described.meaning)
}

/// What happens automatically, and what an operator can do.
pub(super) fn what_next(input: &ExplainInput<'_>) -> Vec<String> {
    let message = input.message;
    if message.origin == Origin::Orphan {
        return orphan(input);
    }
    let mut lines = match input.delivery.state {
        DeliveryState::Queued => queued(input),
        DeliveryState::Sending => vec![
            "If the process stops before the reply is recorded, the message becomes uncertain and is not repeated."
                .to_owned(),
        ],
        DeliveryState::Uncertain => uncertain(input),
        DeliveryState::Submitted | DeliveryState::Sent => awaiting_reports(input),
        DeliveryState::Failed => failed(input),
        DeliveryState::Cancelled if message.resent_as.is_none() => vec![RESEND.to_owned()],
        DeliveryState::Delivered
        | DeliveryState::Read
        | DeliveryState::Played
        | DeliveryState::Cancelled => Vec::new(),
    };
    if input.delivery.conflict {
        let missing = if input.is_marked_as_failed() {
            ""
        } else {
            " If the customer reports it missing, compare the raw callbacks in the timeline."
        };
        lines.push(format!("{NOTHING_TO_RESEND}{missing}"));
    }
    if message.matched_by.is_some() {
        lines.push("If the matched reports are about another message, undo the match.".to_owned());
    }
    lines
}

fn orphan(input: &ExplainInput<'_>) -> Vec<String> {
    let adoption = input.account.adopt_after.map_or_else(
        || "It stays an unmatched report until an operator decides: adoption is off for its account.".to_owned(),
        |wait| format!("Unless a message turns out to have its id, it is adopted as \"sent elsewhere\" {} after the first report.", format_duration(wait)),
    );
    let matching =
        "If the message is known, match it on its page or with POST /orphans/{id}/match.";
    vec![adoption, matching.to_owned()]
}

fn queued(input: &ExplainInput<'_>) -> Vec<String> {
    let account = input.account;
    let step = if input.message.origin == Origin::DryRun {
        return vec![
            "To send it, set the account's mode to live and send a new message.".to_owned(),
        ];
    } else if account.pause.is_some() {
        "Fix what the provider reported, then resume the account; its queued messages are submitted then."
    } else if account.trip.is_some() {
        "None: it is submitted once the provider accepts messages again. To test that at once, resume the account."
    } else {
        match account.mode {
            None => "Add the account to the configuration again.",
            Some(AccountMode::DryRun) => "Set the account's mode to live.",
            Some(AccountMode::Live) => "It is submitted automatically.",
        }
    };
    vec![
        step.to_owned(),
        "Until then it can be cancelled.".to_owned(),
    ]
}

fn uncertain(input: &ExplainInput<'_>) -> Vec<String> {
    if let Some(again) = input.message.resent_as {
        return vec![format!("It was resent as {again}. {LATER_REPORTS}")];
    }
    if input.message.queue == QueueState::Done {
        return vec![format!(
            "See the raw callbacks in the timeline. {LATER_REPORTS}"
        )];
    }
    if let Some(advice) = input.resend_advice {
        return vec![
            advice.to_owned(),
            LATER_REPORTS.to_owned(),
            format!(
                "Look for it in {}'s console. If it is not there, use Mark as failed.",
                input.provider()
            ),
        ];
    }
    vec![
        LATER_REPORTS.to_owned(),
        format!(
            "Look for it in {}'s console. If it is not there, use Resend, which creates a new message, or Mark as failed.",
            input.provider()
        ),
    ]
}

fn awaiting_reports(input: &ExplainInput<'_>) -> Vec<String> {
    let id_holders = &input.correlation.id_holders;
    let is_reported = input
        .receipts
        .iter()
        .any(|receipt| receipt.source_kind == SourceKind::Callback);
    if !id_holders.is_empty() && !is_reported {
        let holders: Vec<String> = id_holders.iter().map(ToString::to_string).collect();
        return vec![format!(
            "Its reports count for {}, which has the same id, so they cannot be distinguished. Compare both messages and inform the provider; this one may have arrived.",
            holders.join(" and ")
        )];
    }
    if !input.message.is_overdue(input.now) {
        let due = input.message.due_at;
        return due
            .map(|due| {
                format!(
                    "Without a report by {} it becomes overdue.",
                    format_instant(due)
                )
            })
            .into_iter()
            .collect();
    }
    let check = if input.delivery.highest() >= Some(Stage::Sent) {
        "The customer's phone may be off or offline; WhatsApp keeps a message for up to 30 days."
    } else {
        "Check on the accounts page whether callbacks arrive for this account, and look for the message in the provider's console."
    };
    let close =
        "It is not resent automatically. Mark as failed closes it; then Resend is possible.";
    vec![check.to_owned(), close.to_owned()]
}

fn failed(input: &ExplainInput<'_>) -> Vec<String> {
    if let Some(again) = input.message.resent_as {
        return vec![format!("It was resent as {again}.")];
    }
    let Some(shown) = &input.delivery.failure else {
        return Vec::new();
    };
    let described = failure_codes::describe(input.message.provider, &shown.failure);
    let mut lines = match (input.resend_advice, input.is_marked_as_failed()) {
        (Some(advice), true) => vec![advice.to_owned(), LATER_REPORTS.to_owned()],
        (Some(advice), false) => vec![advice.to_owned()],
        (None, true) => vec![LATER_REPORTS.to_owned(), RESEND.to_owned()],
        (None, false) => vec![described.action.to_owned()],
    };
    let mentions_pause = |advice: &str| advice.contains("The account is paused");
    if input.account.pause.is_some() && !input.resend_advice.is_some_and(mentions_pause) {
        lines.push("The account is paused: resume it after the fix.".to_owned());
    }
    lines
}
