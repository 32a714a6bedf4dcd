//! Sentences about reports that are unusual: unknown words, wrong times, other recipients.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::delivery_state::Stage;
use crate::domain::explanation::explain_input::ExplainInput;
use crate::domain::explanation::receipt_reasons::reported_stages;
use crate::domain::explanation::sentence_parts::format_instant;
use crate::domain::receipt::{
    Receipt, ReceiptEvent, SourceKind, TimeProblem, is_out_of_order, predates,
};

/// The most items that one sentence lists.
const LIST_LIMIT: usize = 3;

pub(super) fn anomalies(input: &ExplainInput<'_>) -> Vec<String> {
    let sentences = [
        unknown_words(input),
        notices(input),
        implausible_times(input),
        inconsistent_times(input),
        recipients(input),
    ];
    sentences.into_iter().flatten().collect()
}

fn unknown_words(input: &ExplainInput<'_>) -> Option<String> {
    let words = input
        .receipts
        .iter()
        .filter_map(|receipt| match &receipt.event {
            ReceiptEvent::Other(word) => Some(format!("`{}`", input.quote(word))),
            ReceiptEvent::Stage(_) | ReceiptEvent::Failure(_) | ReceiptEvent::Notice(_) => None,
        });
    Some(format!(
        "Status words without effect: {}.",
        list(words, usize::MAX)?
    ))
}

fn notices(input: &ExplainInput<'_>) -> Option<String> {
    let texts = input
        .receipts
        .iter()
        .filter_map(|receipt| match &receipt.event {
            ReceiptEvent::Notice(text) => Some(format!("`{}`", input.quote(text))),
            _ => None,
        });
    Some(format!(
        "Events that are not about its delivery, without effect on the state: {}.",
        list(texts, LIST_LIMIT)?
    ))
}

fn implausible_times(input: &ExplainInput<'_>) -> Option<String> {
    let times = input
        .receipts
        .iter()
        .filter(|receipt| receipt.plausible_time().is_none())
        .filter_map(|receipt| receipt.occurred_at)
        .map(format_instant);
    let ahead = input
        .receipts
        .iter()
        .filter_map(Receipt::time_problem)
        .filter(|problem| matches!(problem, TimeProblem::Ahead { .. }));
    let ahead = list(ahead.map(|problem| problem.to_string()), 1);
    let ahead = ahead.map_or(String::new(), |ahead| format!("; {ahead}"));
    Some(format!(
        "Times before 2009 or more than five minutes after the callback are ignored: {}{ahead}{}",
        list(times, LIST_LIMIT)?,
        if ahead.ends_with('?') { "" } else { "." }
    ))
}

/// Plausible times that contradict our clock or each other.
fn inconsistent_times(input: &ExplainInput<'_>) -> Option<String> {
    let accepted = input.message.queued_at();
    let before_acceptance = |time| accepted.is_some_and(|accepted| predates(time, accepted));
    let mut inconsistent = Vec::new();
    let mut below: Option<(Stage, DateTime<Utc>)> = None;
    for (stage, reached) in reported_stages(input).filter(|(_, it)| !it.implied && !it.inferred) {
        let reported = format!("`{}` at {}", stage.as_str(), format_instant(reached.at));
        if before_acceptance(reached.at) {
            inconsistent.push(format!("{reported}, before the message was accepted"));
        } else if let Some((lower, _)) =
            below.filter(|(lower, time)| is_out_of_order(*lower, *time, reached.at))
        {
            inconsistent.push(format!("{reported}, before `{}`", lower.as_str()));
        }
        below = Some((stage, reached.at));
    }
    let failure = input.delivery.failure.as_ref();
    if let Some(failed) = failure.filter(|it| !it.inferred && before_acceptance(it.at)) {
        let when = format_instant(failed.at);
        inconsistent.push(format!(
            "`failed` at {when}, before the message was accepted"
        ));
    }
    (!inconsistent.is_empty()).then(|| {
        format!(
            "Reported times inconsistent with our clock: {}.",
            inconsistent.join("; ")
        )
    })
}

/// Reports that name other recipients, or several in a group.
fn recipients(input: &ExplainInput<'_>) -> Option<String> {
    let others = input
        .receipts
        .iter()
        .filter(|receipt| input.names_other_recipient(receipt))
        .filter_map(|receipt| receipt.recipient.as_deref())
        .map(|named| input.quote(named));
    if let Some(others) = list(others, LIST_LIMIT) {
        let sent_to = input.quote(input.message.recipient.as_deref().unwrap_or_default());
        return Some(format!(
            "Reports name {others}, but it was sent to {sent_to}: the provider may write the number differently, or the reports are about another recipient. They count, because they have this message's id."
        ));
    }
    let named: BTreeSet<&str> = input
        .receipts
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .filter_map(|receipt| receipt.recipient.as_deref())
        .collect();
    (!input.message.origin.is_ours() && named.len() > 1).then(|| {
        format!(
            "Reports name {} recipients, as in a group; the highest stage of any of them counts.",
            named.len()
        )
    })
}

/// Distinct items, sorted; `None` without any.
fn list(items: impl Iterator<Item = String>, limit: usize) -> Option<String> {
    let distinct: BTreeSet<String> = items.collect();
    let more = if distinct.len() > limit { ", …" } else { "" };
    let shown: Vec<String> = distinct.into_iter().take(limit).collect();
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}
