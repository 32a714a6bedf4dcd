//! The timeline of one message: facts, attempts and decisions in the order of our clock, both clocks shown.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::access::{Action, Verb, Visibility};
use crate::domain::delivery::{DeliveryState, Fact, Receipt, SourceKind, predates};
use crate::domain::dictionary::EXPIRED;
use crate::domain::failure::{Failure, UNREACHABLE};
use crate::domain::message::{MatchedBy, Message};
use crate::store::attempts::Attempt;
use crate::web::dashboard::figure::{counted, span};
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::pill::Mark;
use crate::web::dashboard::text::visible_line;

/// One line of the timeline.
#[derive(Clone, Debug)]
pub struct TimelineEntry {
    order: DateTime<Utc>,
    pub(super) mark: Option<Mark>,
    pub(super) tone: &'static str,
    pub(super) title: String,
    pub(super) detail: Option<String>,
    /// Our clock.
    pub(super) ours: Moment,
    /// The provider's clock.
    pub(super) theirs: Option<Moment>,
    /// How far the provider's clock is from ours, where that is odd.
    pub(super) lag: Option<String>,
    pub(super) repeats: Option<String>,
    pub(super) source: &'static str,
    pub(super) link: Option<String>,
}

/// Every entry, oldest first.
pub fn timeline(
    message: &Message,
    receipts: &[Receipt],
    attempts: &[Attempt],
    actions: &[Action],
    viewer: Visibility,
) -> Vec<TimelineEntry> {
    // A decision that is itself a fact is told once, as the decision.
    let told: Vec<&Receipt> = receipts
        .iter()
        .filter(|receipt| {
            actions
                .iter()
                .all(|action| action.id.uuid() != receipt.source)
        })
        .collect();
    let accepted_at = message.queued_at();
    let mut entries: Vec<TimelineEntry> = accepted_at
        .map(accepted)
        .into_iter()
        .chain(matched(message, &told))
        .chain(attempts.iter().map(|attempt| handed_over(attempt, viewer)))
        .chain(actions.iter().map(|action| decided(action, viewer)))
        .chain(
            gather(&told)
                .iter()
                .map(|said| reported(said, accepted_at, viewer)),
        )
        .collect();
    // Stable: what shares an instant keeps the order above.
    entries.sort_by_key(|entry| entry.order);
    entries
}

fn accepted(at: DateTime<Utc>) -> TimelineEntry {
    TimelineEntry {
        order: at,
        mark: None,
        tone: "queued",
        title: "Accepted and queued".to_owned(),
        detail: None,
        ours: Moment::new(at),
        theirs: None,
        lag: None,
        repeats: None,
        source: "Bluetick",
        link: None,
    }
}

/// A match by recipient is nobody's decision and no fact of its own: it stands before the first report that it brought.
fn matched(message: &Message, told: &[&Receipt]) -> Option<TimelineEntry> {
    if message.matched_by != Some(MatchedBy::Recipient) {
        return None;
    }
    let at = told
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .map(|receipt| receipt.received_at)
        .min()?;
    Some(TimelineEntry {
        tone: "plain",
        title: "Reports matched by recipient".to_owned(),
        detail: Some("Their id was not known; account, recipient and kind fitted.".to_owned()),
        ..accepted(at)
    })
}

fn handed_over(attempt: &Attempt, viewer: Visibility) -> TimelineEntry {
    let status = attempt
        .http_status
        .map(|status| format!(", HTTP {status}"))
        .unwrap_or_default();
    TimelineEntry {
        order: attempt.started_at,
        mark: None,
        tone: "sending",
        title: format!(
            "Attempt {}: {}{status}",
            attempt.number,
            attempt.outcome.as_str()
        ),
        detail: attempt.detail.as_deref().map(|text| viewer.quoted(text)),
        ours: Moment::new(attempt.started_at),
        theirs: None,
        lag: None,
        repeats: None,
        source: "attempt",
        link: Some(format!("#attempt-{}", attempt.number)),
    }
}

fn decided(action: &Action, viewer: Visibility) -> TimelineEntry {
    let failed = action.verb == Verb::MarkFailed;
    TimelineEntry {
        order: action.happened_at,
        mark: failed.then(|| Mark::of(DeliveryState::Failed)),
        tone: if failed { "failed" } else { "plain" },
        title: format!(
            "{} by {}",
            decision_words(action.verb),
            visible_line(&action.actor)
        ),
        detail: action.detail.as_deref().map(|text| viewer.quoted(text)),
        ours: Moment::new(action.happened_at),
        theirs: None,
        lag: None,
        repeats: None,
        source: "operator",
        link: None,
    }
}

fn decision_words(verb: Verb) -> &'static str {
    match verb {
        Verb::Cancel => "Cancelled",
        Verb::Resend => "Sent again",
        Verb::MarkFailed => "Marked as failed",
        Verb::Match => "Matched",
        Verb::Unmatch => "Match undone",
        Verb::PutAside => "Seen and put aside",
        other => other.as_str(),
    }
}

/// Receipts that say the same of the same instant, the first of them heard.
struct Said<'a> {
    first: &'a Receipt,
    count: u64,
}

fn gather<'a>(receipts: &[&'a Receipt]) -> Vec<Said<'a>> {
    let mut heard = receipts.to_vec();
    heard.sort_by_key(|receipt| (receipt.received_at, receipt.source, receipt.part));
    let mut gathered: Vec<Said<'_>> = Vec::new();
    for receipt in heard {
        let same = gathered.iter_mut().find(|said| {
            said.first.fact == receipt.fact
                && said.first.occurred_at == receipt.occurred_at
                && said.first.recipient == receipt.recipient
                && said.first.source_kind == receipt.source_kind
        });
        match same {
            Some(said) => said.count += 1,
            None => gathered.push(Said {
                first: receipt,
                count: 1,
            }),
        }
    }
    gathered
}

fn reported(
    said: &Said<'_>,
    accepted_at: Option<DateTime<Utc>>,
    viewer: Visibility,
) -> TimelineEntry {
    let receipt = said.first;
    let (mark, tone, title, detail) = fact_words(receipt, viewer);
    let (source, link) = source_words(receipt);
    let theirs = receipt.told_time();
    TimelineEntry {
        order: receipt.received_at,
        mark,
        tone,
        title,
        detail: detail.or_else(|| pricing_words(receipt)),
        ours: Moment::new(receipt.received_at),
        theirs: theirs.map(Moment::new),
        lag: theirs.and_then(|at| lag_words(receipt, at, accepted_at)),
        repeats: (said.count > 1).then(|| format!("×{}", said.count)),
        source,
        link,
    }
}

fn fact_words(
    receipt: &Receipt,
    viewer: Visibility,
) -> (Option<Mark>, &'static str, String, Option<String>) {
    match &receipt.fact {
        Fact::Stage(stage) => (
            Some(Mark::of_stage(*stage)),
            stage.as_str(),
            match receipt.source_kind {
                SourceKind::Callback => format!("Reported {}", stage.as_str()),
                SourceKind::Attempt => format!("Answered: {}", stage.as_str()),
                SourceKind::Action => format!("Registered as {}", stage.as_str()),
            },
            None,
        ),
        Fact::Failure(failure) => (
            Some(Mark::of(DeliveryState::Failed)),
            "failed",
            failure_title(receipt, failure, viewer),
            failure_detail(failure, viewer),
        ),
        Fact::Other(word) => (
            None,
            "plain",
            format!("Reported “{}”, which changes nothing", viewer.quoted(word)),
            None,
        ),
    }
}

fn failure_title(receipt: &Receipt, failure: &Failure, viewer: Visibility) -> String {
    let words = match receipt.source_kind {
        SourceKind::Callback => "Reported failed",
        SourceKind::Attempt if failure.code.as_deref() == Some(UNREACHABLE) => {
            return "Given up: the provider was never reached".to_owned();
        }
        SourceKind::Attempt => "Answered: refused",
        SourceKind::Action if is_expiry(receipt) => {
            return "Expired in the queue, never handed over".to_owned();
        }
        SourceKind::Action => "Marked as failed",
    };
    match &failure.code {
        Some(code) => format!("{words}, code {}", viewer.failure_code(code)),
        None => words.to_owned(),
    }
}

/// Whether this is the queue's own decision that a message waited too long.
fn is_expiry(receipt: &Receipt) -> bool {
    receipt.source_kind == SourceKind::Action
        && matches!(&receipt.fact, Fact::Failure(failure) if failure.code.as_deref() == Some(EXPIRED))
}

fn failure_detail(failure: &Failure, viewer: Visibility) -> Option<String> {
    let words = failure.words();
    (!words.is_empty()).then(|| viewer.quoted(&words))
}

fn pricing_words(receipt: &Receipt) -> Option<String> {
    let pricing = &receipt.pricing;
    let billable = pricing
        .billable
        .map(|charged| if charged { "billable" } else { "not billable" });
    let words: Vec<String> = [
        billable.map(str::to_owned),
        pricing.category.as_deref().map(visible_line),
        pricing.price.as_deref().map(visible_line),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn source_words(receipt: &Receipt) -> (&'static str, Option<String>) {
    match receipt.source_kind {
        SourceKind::Callback => ("callback", Some(format!("/callbacks/{}", receipt.source))),
        SourceKind::Attempt => ("reply to our call", Some("#attempts".to_owned())),
        SourceKind::Action if is_expiry(receipt) => ("Bluetick", None),
        SourceKind::Action => ("operator", None),
    }
}

/// A second either way is nothing; an unbelievable clock is said to be one.
fn lag_words(
    receipt: &Receipt,
    theirs: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
) -> Option<String> {
    if receipt.believable_time().is_none() {
        return Some("not believable, ours counts".to_owned());
    }
    if accepted_at.is_some_and(|accepted| predates(theirs, accepted)) {
        return Some("before we accepted it: cannot be right by our clock".to_owned());
    }
    let lag = receipt.received_at - theirs;
    if lag > TimeDelta::seconds(2) {
        Some(format!("heard {} later", span(lag)))
    } else if lag < -TimeDelta::seconds(2) {
        Some(format!("their clock is {} ahead", span(-lag)))
    } else {
        None
    }
}

/// `3 attempts`, for headings.
pub(super) fn attempts_words(attempts: &[Attempt]) -> String {
    let number = u64::try_from(attempts.len()).unwrap_or(u64::MAX);
    counted(number, "attempt", "attempts")
}
