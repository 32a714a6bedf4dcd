//! Sentences about the reported stages and failures.

use chrono::{DateTime, Utc};

use crate::domain::audit_action::ActionKind;
use crate::domain::delivery::{DeliveryFailure, ReachedStage};
use crate::domain::delivery_state::Stage;
use crate::domain::explanation::explain_input::ExplainInput;
use crate::domain::explanation::sentence_parts::format_instant;
use crate::domain::failure::{Failure, UNREACHABLE};
use crate::domain::failure_codes::EXPIRED;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};

/// Failures other than the shown one that get a sentence each.
const FAILURES_SHOWN: usize = 5;

/// One sentence per stage and failure.
pub(super) fn receipts(input: &ExplainInput<'_>) -> Vec<String> {
    let mut lines: Vec<String> = reported_stages(input)
        .map(|(stage, reached)| stage_sentence(input, stage, reached))
        .collect();
    lines.extend(failures(input));
    lines
}

pub(super) fn reported_stages(
    input: &ExplainInput<'_>,
) -> impl Iterator<Item = (Stage, ReachedStage)> {
    Stage::ALL
        .into_iter()
        .filter(|stage| *stage != Stage::Queued)
        .filter_map(|stage| Some((stage, input.delivery.stage(stage)?)))
}

fn stage_sentence(input: &ExplainInput<'_>, stage: Stage, reached: ReachedStage) -> String {
    let word = stage.as_str();
    if reached.implied {
        let above = reported_stages(input).find(|(above, it)| *above > stage && !it.implied);
        let above = above.map_or("a later stage", |(above, _)| above.as_str());
        return format!("`{word}` was not reported, but is implied by `{above}`.");
    }
    let mut kinds = input
        .receipts
        .iter()
        .filter(|receipt| receipt.event == ReceiptEvent::Stage(stage))
        .map(|receipt| receipt.source_kind);
    let first = kinds.next();
    let by = match first {
        Some(SourceKind::Attempt) if kinds.all(|kind| Some(kind) == first) => {
            format!("accepted in {}'s reply", input.provider())
        }
        Some(SourceKind::Action) if kinds.all(|kind| Some(kind) == first) => {
            "registered by the caller".to_owned()
        }
        _ => format!("reported by {}", input.provider()),
    };
    let when = when(reached.at, reached.inferred);
    format!("`{word}`{}: {by}{when}.", times(reached.count))
}

/// The shown failure, the others, and why that one is shown.
fn failures(input: &ExplainInput<'_>) -> Vec<String> {
    let Some(shown) = &input.delivery.failure else {
        return Vec::new();
    };
    // A recorded operator's mark already has a sentence among the actions.
    let is_mark_recorded = input.last_action(ActionKind::MarkFailed).is_some();
    let mut distinct: Vec<(&Receipt, &Failure, u32)> = Vec::new();
    for receipt in input.receipts {
        let ReceiptEvent::Failure(failure) = &receipt.event else {
            continue;
        };
        match distinct
            .iter_mut()
            .find(|(_, listed, _)| *listed == failure)
        {
            Some((.., count)) => *count += 1,
            None => distinct.push((receipt, failure, 1)),
        }
    }
    let differ = distinct.len() > 1;
    distinct.retain(|(receipt, failure, _)| {
        !(is_mark_recorded && receipt.source_kind == SourceKind::Action && failure.code.is_none())
    });
    // The shown one first; the sort is stable.
    distinct.sort_by_key(|(_, failure, _)| **failure != shown.failure);
    let others = distinct
        .iter()
        .filter(|(_, failure, _)| **failure != shown.failure);
    let omitted = others.clone().count().saturating_sub(FAILURES_SHOWN);
    let sentences = distinct.iter().take(distinct.len() - omitted);
    let mut lines: Vec<String> = sentences
        .map(|(receipt, failure, count)| failure_sentence(input, shown, receipt, failure, *count))
        .collect();
    if omitted > 0 {
        lines.push(format!("{omitted} other failures were reported."));
    }
    if differ {
        let coded = shown.failure.code.is_some();
        let tied = others.clone().any(|(receipt, failure, _)| {
            failure.code.is_some() == coded && receipt.time().at == shown.at
        });
        lines.push(format!(
            "The shown failure is the latest one {} a code{}.",
            if coded { "with" } else { "without" },
            if tied {
                "; at equal times, the last one by code and text"
            } else {
                ""
            }
        ));
    }
    lines
}

fn failure_sentence(
    input: &ExplainInput<'_>,
    shown: &DeliveryFailure,
    receipt: &Receipt,
    failure: &Failure,
    count: u32,
) -> String {
    let is_shown = *failure == shown.failure;
    let (time, inferred) = if is_shown {
        (shown.at, shown.inferred)
    } else {
        (receipt.time().at, receipt.time().inferred)
    };
    let provider = input.provider();
    let by = match (receipt.source_kind, failure.code.as_deref()) {
        (SourceKind::Callback, _) => format!("reported by {provider}"),
        (SourceKind::Attempt, Some(UNREACHABLE)) => "recorded after the last attempt".to_owned(),
        (SourceKind::Attempt, _) => format!("in {provider}'s reply"),
        (SourceKind::Action, _) if receipt.is_queue_failure() => "recorded by Bluetick".to_owned(),
        (SourceKind::Action, _) => "recorded by an operator".to_owned(),
    };
    let limit = input
        .queue
        .send_before
        .filter(|_| failure.code.as_deref() == Some(EXPIRED));
    let limit = limit.map_or_else(String::new, |limit| {
        format!("; it had to be submitted by {}", format_instant(limit))
    });
    // The text of the shown failure has its own section.
    let text = if is_shown {
        String::new()
    } else {
        input.suffix(&failure.text())
    };
    let (code, times, when) = (input.with_code(failure), times(count), when(time, inferred));
    format!("`failed`{code}{times}: {by}{when}{limit}{text}.")
}

/// ` at T`, or the receive time if none was reported.
fn when(time: DateTime<Utc>, inferred: bool) -> String {
    if inferred {
        format!(
            ", received at {} without a plausible time",
            format_instant(time)
        )
    } else {
        format!(" at {}", format_instant(time))
    }
}

/// ` (×3)` from two on.
fn times(count: u32) -> String {
    if count > 1 {
        format!(" (×{count})")
    } else {
        String::new()
    }
}
