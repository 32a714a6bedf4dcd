//! One entry of the timeline on a message page, as text.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::{Failure, UNREACHABLE};
use crate::domain::failure_codes::{EXPIRED, UNSENDABLE};
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind, TimeProblem, predates};
use crate::domain::scope::Visibility;
use crate::reporting::number_format::span;
use crate::store::attempts::Attempt;
use crate::web::dashboard::state_pill::StateIcon;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;

#[derive(Clone, Debug)]
pub(super) struct TimelineEntry {
    pub(super) icon: Option<StateIcon>,
    /// CSS class.
    pub(super) tone: &'static str,
    pub(super) title: String,
    pub(super) detail: Option<String>,
    /// The time by our clock.
    pub(super) ours: TimeElement,
    /// The time by the provider's clock.
    pub(super) theirs: Option<TimeElement>,
    /// How the two times differ, if by more than two seconds, or why the provider's is not used.
    pub(super) time_note: Option<String>,
    /// `×3` if several equal receipts are shown as one.
    pub(super) repeats: Option<String>,
    /// Text of the source link.
    pub(super) source: &'static str,
    /// Where `source` links to.
    pub(super) link: Option<String>,
}

pub(super) fn accepted_entry(at: DateTime<Utc>) -> TimelineEntry {
    TimelineEntry {
        icon: None,
        tone: "queued",
        title: "Accepted and queued".to_owned(),
        detail: None,
        ours: TimeElement::new(at),
        theirs: None,
        time_note: None,
        repeats: None,
        source: "Bluetick",
        link: None,
    }
}

pub(super) fn attempt_entry(attempt: &Attempt, viewer: Visibility) -> TimelineEntry {
    let status = attempt
        .http_status
        .map(|status| format!(", HTTP {status}"))
        .unwrap_or_default();
    TimelineEntry {
        icon: None,
        tone: "sending",
        title: format!(
            "Attempt {}: {}{status}",
            attempt.number,
            attempt.outcome.as_str()
        ),
        detail: attempt.detail.as_deref().map(|text| viewer.quoted(text)),
        ours: TimeElement::new(attempt.started_at),
        theirs: None,
        time_note: None,
        repeats: None,
        source: "attempt",
        link: Some(format!("#attempt-{}", attempt.number)),
    }
}

pub(super) fn action_entry(action: &Action, viewer: Visibility) -> TimelineEntry {
    let failed = action.kind == ActionKind::MarkFailed;
    TimelineEntry {
        icon: failed.then(|| StateIcon::of(DeliveryState::Failed)),
        tone: if failed { "failed" } else { "plain" },
        title: format!(
            "{} by {}",
            action_title(action.kind),
            visible_line(&action.actor)
        ),
        detail: action.detail.as_deref().map(|text| viewer.quoted(text)),
        ours: TimeElement::new(action.happened_at),
        theirs: None,
        time_note: None,
        repeats: None,
        source: "operator",
        link: None,
    }
}

fn action_title(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Send => "Sent manually",
        ActionKind::Cancel => "Cancelled",
        ActionKind::Resend => "Resent",
        ActionKind::MarkFailed => "Marked as failed",
        ActionKind::Match => "Matched",
        ActionKind::Unmatch => "Match undone",
        ActionKind::Dismiss => "Dismissed",
        ActionKind::ErasePerson => "Personal data erased",
        other => other.as_str(),
    }
}

pub(super) fn receipt_entry(
    receipt: &Receipt,
    count: u64,
    accepted_at: Option<DateTime<Utc>>,
    viewer: Visibility,
) -> TimelineEntry {
    let (icon, tone, title, detail) = receipt_text(receipt, viewer);
    let (source, link) = source_text(receipt);
    let theirs = receipt.reported_time();
    TimelineEntry {
        icon,
        tone,
        title,
        detail: detail.or_else(|| pricing_text(receipt)),
        ours: TimeElement::new(receipt.received_at),
        theirs: theirs.map(TimeElement::new),
        time_note: theirs.and_then(|at| time_note_text(receipt, at, accepted_at)),
        repeats: (count > 1).then(|| format!("×{count}")),
        source,
        link,
    }
}

fn receipt_text(
    receipt: &Receipt,
    viewer: Visibility,
) -> (Option<StateIcon>, &'static str, String, Option<String>) {
    match &receipt.event {
        ReceiptEvent::Stage(stage) => (
            Some(StateIcon::of_stage(*stage)),
            stage.as_str(),
            match receipt.source_kind {
                SourceKind::Callback => format!("Reported {}", stage.as_str()),
                SourceKind::Attempt => format!("Reply: {}", stage.as_str()),
                SourceKind::Action => format!("Registered as sent elsewhere: {}", stage.as_str()),
            },
            None,
        ),
        ReceiptEvent::Failure(failure) => (
            Some(StateIcon::of(DeliveryState::Failed)),
            "failed",
            failure_title(receipt, failure, viewer),
            failure_detail(failure, viewer),
        ),
        ReceiptEvent::Other(word) => (
            None,
            "plain",
            match receipt.source_kind {
                SourceKind::Attempt => format!("Reply: “{}”", viewer.quoted(word)),
                _ => format!("Reported “{}”, no effect on the state", viewer.quoted(word)),
            },
            None,
        ),
        ReceiptEvent::Notice(text) => (
            None,
            "plain",
            format!("Notice: {}", viewer.quoted(text)),
            Some("Not about the delivery: no effect on the state".to_owned()),
        ),
    }
}

fn failure_title(receipt: &Receipt, failure: &Failure, viewer: Visibility) -> String {
    let text = match receipt.source_kind {
        SourceKind::Callback => "Reported failed",
        SourceKind::Attempt if failure.code.as_deref() == Some(UNREACHABLE) => {
            return "Failed: the provider could not be reached".to_owned();
        }
        SourceKind::Attempt => "Reply: refused",
        SourceKind::Action if failure.code.as_deref() == Some(EXPIRED) => {
            return "Expired in the queue, never submitted".to_owned();
        }
        SourceKind::Action if failure.code.as_deref() == Some(UNSENDABLE) => {
            return "Failed in the queue, never submitted".to_owned();
        }
        SourceKind::Action => "Marked as failed",
    };
    match &failure.code {
        Some(code) => format!("{text}, code {}", viewer.failure_code(code)),
        None => text.to_owned(),
    }
}

fn failure_detail(failure: &Failure, viewer: Visibility) -> Option<String> {
    let text = failure.text();
    (!text.is_empty()).then(|| viewer.quoted(&text))
}

fn pricing_text(receipt: &Receipt) -> Option<String> {
    let pricing = &receipt.pricing;
    let billable = pricing
        .billable
        .map(|billable| if billable { "billable" } else { "not billable" });
    let texts: Vec<String> = [
        billable.map(str::to_owned),
        pricing.category.as_deref().map(visible_line),
        pricing.kind.as_deref().map(visible_line),
        pricing.price.as_deref().map(visible_line),
        pricing.currency.as_deref().map(visible_line),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn source_text(receipt: &Receipt) -> (&'static str, Option<String>) {
    match receipt.source_kind {
        SourceKind::Callback => ("callback", Some(format!("/callbacks/{}", receipt.source))),
        SourceKind::Attempt => ("reply", Some("#attempts".to_owned())),
        SourceKind::Action if receipt.is_queue_failure() => ("Bluetick", None),
        SourceKind::Action => ("operator", None),
    }
}

/// How the provider's time differs from ours, or why it is not used. A difference of up to two
/// seconds is not shown.
fn time_note_text(
    receipt: &Receipt,
    theirs: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
) -> Option<String> {
    if let Some(problem) = receipt.time_problem() {
        return Some(match problem {
            TimeProblem::Ahead { .. } => format!("not used: {problem}"),
            TimeProblem::TooOld => "implausible; our clock is used".to_owned(),
        });
    }
    if accepted_at.is_some_and(|accepted| predates(theirs, accepted)) {
        return Some("before we accepted the message: inconsistent with our clock".to_owned());
    }
    let lag = receipt.received_at - theirs;
    if lag > TimeDelta::seconds(2) {
        Some(format!("received {} later", span(lag)))
    } else if lag < -TimeDelta::seconds(2) {
        Some(format!("provider's clock is {} ahead", span(-lag)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::failure_codes::QUEUE_CODES;

    #[test]
    fn a_failure_in_the_queue_was_recorded_by_bluetick_and_a_mark_by_an_operator() {
        let now = DateTime::UNIX_EPOCH;
        let source = |kind, code: Option<&str>| {
            let failure = Failure {
                code: code.map(str::to_owned),
                ..Failure::default()
            };
            let event = ReceiptEvent::Failure(failure);
            let receipt = Receipt::ours(kind, Uuid::nil(), event, now);
            receipt_entry(&receipt, 1, None, Visibility::Full).source
        };
        for code in QUEUE_CODES {
            assert_eq!(source(SourceKind::Action, Some(code)), "Bluetick", "{code}");
            assert_eq!(source(SourceKind::Attempt, Some(code)), "reply", "{code}");
        }
        assert_eq!(source(SourceKind::Action, None), "operator");
        assert_eq!(source(SourceKind::Action, Some("131047")), "operator");
    }
}
