//! What the reports say, stage by stage, and which rule of the fold made one state of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::audit_action::Verb;
use crate::domain::delivery::{DeliveryFailure, ReachedStage};
use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::explanation::next_steps::is_operator_mark;
use crate::domain::explanation::{ExplainInput, at, times};
use crate::domain::failure::{Failure, UNREACHABLE};
use crate::domain::failure_codes;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind, out_of_order, predates};

/// Failures beside the shown one that are told one by one.
const FAILURES_TOLD: usize = 5;
/// Odd times, or strangers, that one sentence names.
const TIMES_TOLD: usize = 3;

/// One sentence for each stage that counts as reached.
pub(super) fn stages(input: &ExplainInput<'_>) -> Vec<String> {
    Stage::ALL
        .into_iter()
        .filter(|stage| *stage != Stage::Queued)
        .filter_map(|stage| Some((stage, input.delivery.stage(stage)?)))
        .map(|(stage, reached)| sentence(input, stage, reached))
        .collect()
}

fn sentence(input: &ExplainInput<'_>, stage: Stage, reached: ReachedStage) -> String {
    let word = stage.as_str();
    if reached.implied {
        let above = Stage::ALL
            .into_iter()
            .filter(|above| *above > stage)
            .find(|above| input.delivery.stage(*above).is_some_and(|r| !r.implied));
        let above = above.map_or("a later stage", Stage::as_str);
        return format!("`{word}` was never reported; `{above}` implies it.");
    }
    let says = |receipt: &&Receipt| receipt.event == ReceiptEvent::Stage(stage);
    let by_reply = input
        .receipts
        .iter()
        .filter(says)
        .all(|receipt| receipt.source_kind == SourceKind::Attempt);
    if by_reply {
        return format!(
            "`{word}`: {}'s answer accepted it at {}{}.",
            input.provider(),
            at(reached.at),
            times(reached.count)
        );
    }
    let by_caller = input
        .receipts
        .iter()
        .filter(says)
        .all(|receipt| receipt.source_kind == SourceKind::Action);
    if by_caller && reached.inferred {
        return format!(
            "`{word}`: it was registered here without the time it was sent, so {} is when we were told.",
            at(reached.at)
        );
    }
    if by_caller {
        return format!(
            "`{word}`: whoever registered it says that {} had it at {}.",
            input.provider(),
            at(reached.at)
        );
    }
    let when = if reached.inferred {
        format!(
            "; no believable time was given, so {} is when we heard",
            at(reached.at)
        )
    } else {
        format!(" at {}", at(reached.at))
    };
    format!(
        "{} reported `{word}`{}{when}.",
        input.provider(),
        times(reached.count)
    )
}

/// What was reported as failed, by whom, and why this one of several is shown.
pub(super) fn failures(input: &ExplainInput<'_>) -> Vec<String> {
    let Some(failed) = &input.delivery.failure else {
        return Vec::new();
    };
    let told: Vec<&Receipt> = input
        .receipts
        .iter()
        .filter(|receipt| matches!(receipt.event, ReceiptEvent::Failure(_)))
        .collect();
    let shown = told.iter().find(
        |receipt| matches!(&receipt.event, ReceiptEvent::Failure(failure) if *failure == failed.failure),
    );
    // An operator's mark is told as what the operator did, if that is on record.
    let decided = input
        .actions
        .iter()
        .any(|action| action.verb == Verb::MarkFailed);
    let is_told = |receipt: &Receipt| {
        let is_expiry = matches!(&receipt.event, ReceiptEvent::Failure(failure) if failure.code.as_deref() == Some(failure_codes::EXPIRED));
        decided && receipt.source_kind == SourceKind::Action && !is_expiry
    };
    let mut lines = Vec::new();
    if !shown.is_some_and(|receipt| is_told(receipt)) {
        lines.push(shown_failure(input, failed, shown.copied()));
    }
    let mut others: Vec<(&Receipt, &Failure, u32)> = Vec::new();
    for receipt in told.iter().filter(|receipt| !is_told(receipt)) {
        let ReceiptEvent::Failure(failure) = &receipt.event else {
            continue;
        };
        if *failure == failed.failure {
            continue;
        }
        match others.iter_mut().find(|(_, known, _)| *known == failure) {
            Some((_, _, count)) => *count += 1,
            None => others.push((receipt, failure, 1)),
        }
    }
    let left_out = others.len().saturating_sub(FAILURES_TOLD);
    for (receipt, failure, count) in others.iter().take(FAILURES_TOLD) {
        lines.push(other_failure(input, receipt, failure, *count));
    }
    if left_out > 0 {
        lines.push(format!(
            "{left_out} more reports of failure differ from these."
        ));
    }
    if told.iter().any(
        |receipt| matches!(&receipt.event, ReceiptEvent::Failure(failure) if *failure != failed.failure),
    ) {
        lines.push(which_is_shown(failed, &others));
    }
    lines
}

/// Why this one of several failures is shown.
fn which_is_shown(failed: &DeliveryFailure, others: &[(&Receipt, &Failure, u32)]) -> String {
    let coded = failed.failure.code.is_some();
    let tied = others.iter().any(|(receipt, failure, _)| {
        let time = receipt.plausible_time().unwrap_or(receipt.received_at);
        failure.code.is_some() == coded && time == failed.at
    });
    let rule = if coded {
        "Of several failures the one shown is the latest of those with a provider's code"
    } else {
        "Of several failures without a code the one shown is the latest"
    };
    let tie = if tied {
        "; of equal times, the one that comes last in the order of code and words"
    } else {
        ""
    };
    format!("{rule}{tie}.")
}

fn other_failure(
    input: &ExplainInput<'_>,
    receipt: &Receipt,
    failure: &Failure,
    count: u32,
) -> String {
    let with = failure.code.as_deref().map_or_else(
        || "without a code".to_owned(),
        |code| format!("with {}", input.code(code)),
    );
    let words = failure.text();
    let words = if words.is_empty() {
        String::new()
    } else {
        format!(": {}", input.quote(&words).trim_end_matches('.'))
    };
    let when = receipt.plausible_time().map_or_else(
        || format!(", which we heard at {}", at(receipt.received_at)),
        |time| format!(" at {}", at(time)),
    );
    let times = times(count);
    match receipt.source_kind {
        SourceKind::Callback => format!(
            "{} also reported it as failed {with}{times}{when}{words}.",
            input.provider()
        ),
        SourceKind::Attempt => format!(
            "{}'s answer also refused it {with}{times}{when}{words}.",
            input.provider()
        ),
        SourceKind::Action => format!("It was also given up{when}{words}."),
    }
}

fn shown_failure(
    input: &ExplainInput<'_>,
    failed: &DeliveryFailure,
    source: Option<&Receipt>,
) -> String {
    let code = failed.failure.code.as_deref();
    if code == Some(failure_codes::EXPIRED) {
        let limit = input.queue.send_before.map_or_else(
            || "longer than the account allows".to_owned(),
            |limit| format!("and it was to be handed over by {}", at(limit)),
        );
        return format!(
            "It waited in the queue until {}, {limit}: Bluetick let it expire, and it was never handed over.",
            at(failed.at)
        );
    }
    if code == Some(UNREACHABLE) {
        return format!(
            "{} was not reached by {}, and it is not tried again.",
            input.provider(),
            at(failed.at)
        );
    }
    let kind = source.map(|receipt| receipt.source_kind);
    if kind == Some(SourceKind::Action) {
        return format!(
            "An operator gave it up at {}; no report stands behind that.",
            at(failed.at)
        );
    }
    let with = code.map_or_else(
        || "without a code".to_owned(),
        |code| format!("with {}", input.code(code)),
    );
    let when = if failed.inferred {
        format!(", which we heard at {}", at(failed.at))
    } else {
        format!(" at {}", at(failed.at))
    };
    let provider = input.provider();
    if kind == Some(SourceKind::Attempt) {
        return format!("{provider}'s answer refused it {with}{when}.");
    }
    let count = input
        .receipts
        .iter()
        .filter(
            |receipt| matches!(&receipt.event, ReceiptEvent::Failure(failure) if *failure == failed.failure),
        )
        .count();
    format!(
        "{provider} reported it as failed {with}{}{when}.",
        times(u32::try_from(count).unwrap_or(u32::MAX))
    )
}

/// Facts that change nothing and yet explain something.
pub(super) fn rest(input: &ExplainInput<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let words: BTreeSet<String> = input
        .receipts
        .iter()
        .filter_map(|receipt| match &receipt.event {
            ReceiptEvent::Other(word) => Some(format!("`{}`", input.quote(word))),
            ReceiptEvent::Stage(_) | ReceiptEvent::Failure(_) => None,
        })
        .collect();
    if !words.is_empty() {
        let list: Vec<String> = words.into_iter().collect();
        lines.push(format!(
            "Reports with words that say nothing about delivery change nothing: {}.",
            list.join(", ")
        ));
    }
    lines.extend(unbelievable(input));
    lines.extend(impossible(input));
    lines.extend(recipients(input));
    lines
}

/// Times so far off that they count as absent.
fn unbelievable(input: &ExplainInput<'_>) -> Option<String> {
    let named: BTreeSet<DateTime<Utc>> = input
        .receipts
        .iter()
        .filter(|receipt| receipt.plausible_time().is_none())
        .filter_map(|receipt| receipt.occurred_at)
        .collect();
    if named.is_empty() {
        return None;
    }
    let mut list: Vec<String> = named
        .iter()
        .take(TIMES_TOLD)
        .map(|time| at(*time))
        .collect();
    if named.len() > TIMES_TOLD {
        list.push("others".to_owned());
    }
    Some(format!(
        "Reports name the time {}: a time before 2009 or more than a day after we heard counts as absent.",
        list.join(", ")
    ))
}

/// Times that count, and yet contradict our clock or each other.
fn impossible(input: &ExplainInput<'_>) -> Option<String> {
    let accepted = input.message.queued_at();
    let reported = |stage: Stage| {
        input
            .delivery
            .stage(stage)
            .filter(|reached| !reached.implied && !reached.inferred)
    };
    let mut odd = Vec::new();
    let mut below: Option<(Stage, DateTime<Utc>)> = None;
    for stage in Stage::ALL
        .into_iter()
        .filter(|stage| *stage != Stage::Queued)
    {
        let Some(reached) = reported(stage) else {
            continue;
        };
        let word = stage.as_str();
        if accepted.is_some_and(|accepted| predates(reached.at, accepted)) {
            odd.push(format!(
                "`{word}` at {}, before we accepted it",
                at(reached.at)
            ));
        } else if let Some((lower, _)) =
            below.filter(|(lower, time)| out_of_order(*lower, *time, reached.at))
        {
            odd.push(format!(
                "`{word}` at {}, before `{}`",
                at(reached.at),
                lower.as_str()
            ));
        }
        below = Some((stage, reached.at));
    }
    if let Some((failed, accepted)) = input.delivery.failure.as_ref().zip(accepted)
        && !failed.inferred
        && predates(failed.at, accepted)
    {
        odd.push(format!(
            "`failed` at {}, before we accepted it",
            at(failed.at)
        ));
    }
    (!odd.is_empty()).then(|| {
        format!(
            "{} names times that cannot be right by our clock: {}.",
            input.provider(),
            odd.join("; ")
        )
    })
}

/// Reports that name others than the one it was sent to, or several people where that is not known.
fn recipients(input: &ExplainInput<'_>) -> Option<String> {
    let strangers: BTreeSet<String> = input
        .receipts
        .iter()
        .filter(|receipt| input.names_another(receipt))
        .filter_map(|receipt| receipt.recipient.as_deref())
        .map(|named| input.quote(named))
        .collect();
    if !strangers.is_empty() {
        let list: Vec<String> = strangers.into_iter().take(TIMES_TOLD).collect();
        return Some(format!(
            "Reports name {}, and it was sent to {}: either the provider writes the number in another way, or they are about somebody else. They count, because they came with this message's id.",
            list.join(", "),
            input.quote(input.message.recipient.as_deref().unwrap_or_default())
        ));
    }
    if input.message.origin.is_ours() {
        return None;
    }
    let people: BTreeSet<&str> = input
        .receipts
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .filter_map(|receipt| receipt.recipient.as_deref())
        .collect();
    (people.len() > 1).then(|| {
        format!(
            "Reports name {} recipients, as in a group; the message counts as far as any of them got.",
            people.len()
        )
    })
}

/// The rule of the fold that decided.
pub(super) fn rule(input: &ExplainInput<'_>) -> Option<String> {
    let delivery = input.delivery;
    let rule = match delivery.state {
        _ if delivery.conflict && is_operator_mark(input) => format!(
            "An operator marked it as failed, and it was reported as {}: on the phone counts more than a mark, because only a phone can report that. It is listed as a conflict, and there is nothing to do.",
            delivery.highest().map_or("delivered", Stage::as_str)
        ),
        _ if delivery.conflict => {
            let code = delivery
                .failure
                .as_ref()
                .and_then(|failed| failed.failure.code.as_deref())
                .map(|code| format!(" with {}", input.code(code)))
                .unwrap_or_default();
            let arrived = delivery.highest().map_or("delivered", Stage::as_str);
            let strange = input.receipts.iter().any(|receipt| {
                matches!(receipt.event, ReceiptEvent::Failure(_)) && input.names_another(receipt)
            });
            let while_what = if strange {
                "and the failure names another number than it was sent to"
            } else {
                "while a failure may be about another of the customer's devices"
            };
            format!(
                "It was reported as failed{code} and as {arrived}, whichever came first: on the phone counts, because only a phone can report that, {while_what}. It is marked as a conflict."
            )
        }
        DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Played => {
            "The highest stage that was reported counts; the order in which reports came does not."
                .to_owned()
        }
        DeliveryState::Failed => match delivery.highest() {
            Some(stage @ (Stage::Sent | Stage::Submitted)) => format!(
                "A failure counts more than `{}`: it had come that far and was then given up.",
                stage.as_str()
            ),
            _ => "A failure counts where nothing says that it reached the phone.".to_owned(),
        },
        DeliveryState::Sent | DeliveryState::Submitted => {
            return silence(input);
        }
        DeliveryState::Uncertain if input.message.queue == QueueState::Done => {
            "Nothing but words that we do not know was reported: somebody has it, and nobody says what became of it."
                .to_owned()
        }
        DeliveryState::Uncertain => {
            "A message that may have been taken is never repeated by itself: the customer could get it twice, and it would be charged twice."
                .to_owned()
        }
        DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Cancelled => return None,
    };
    Some(rule)
}

/// Whether the provider has been silent for too long.
fn silence(input: &ExplainInput<'_>) -> Option<String> {
    let due = input.message.due_at?;
    let deadline = input
        .account
        .deadline
        .map_or_else(String::new, |length| format!(" of {}", super::span(length)));
    Some(if due <= input.now {
        format!(
            "It is overdue: the account's deadline{deadline} without news ran out at {}.",
            at(due)
        )
    } else {
        format!(
            "It is not overdue: the account's deadline{deadline} without news runs out at {}.",
            at(due)
        )
    })
}
