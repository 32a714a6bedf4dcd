//! The timeline of one message: facts, attempts and decisions in the order of our clock, both clocks shown.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::delivery::{Fact, Receipt, SourceKind};
use crate::domain::failure::Failure;
use crate::domain::ids::AttemptId;
use crate::web::dashboard::figure::{counted, span};
use crate::web::dashboard::masking::Visibility;
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::pill::Mark;
use crate::web::dashboard::text::visible_line;

/// One exchange with the provider's send API, redacted when it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// Its id; receipts from the reply name it as their source.
    pub id: AttemptId,
    /// Counted from 1.
    pub number: i32,
    /// Committed before the first byte left.
    pub started_at: DateTime<Utc>,
    /// How it ended: `started`, `accepted`, `refused` …
    pub outcome: String,
    /// HTTP status of the reply.
    pub http_status: Option<u16>,
    /// From first byte to last.
    pub duration_ms: Option<i64>,
    /// What was sent.
    pub request: String,
    /// What came back.
    pub reply: Option<String>,
    /// More words on the outcome.
    pub detail: Option<String>,
}

/// One decision of an operator, as the audit keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What: `cancel`, `resend`, `mark-failed` …
    pub verb: String,
    /// Why, where they said so.
    pub detail: Option<String>,
}

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

/// Every entry, oldest first. `accepted_at` is absent for messages that were sent elsewhere.
pub fn timeline(
    accepted_at: Option<DateTime<Utc>>,
    receipts: &[Receipt],
    exchanges: &[Exchange],
    decisions: &[Decision],
    viewer: Visibility,
) -> Vec<TimelineEntry> {
    let mut entries: Vec<TimelineEntry> = accepted_at
        .map(accepted)
        .into_iter()
        .chain(
            exchanges
                .iter()
                .map(|exchange| handed_over(exchange, viewer)),
        )
        .chain(decisions.iter().map(|decision| decided(decision, viewer)))
        .chain(gather(receipts).iter().map(|said| reported(said, viewer)))
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
        source: "us",
        link: None,
    }
}

fn handed_over(exchange: &Exchange, viewer: Visibility) -> TimelineEntry {
    let status = exchange
        .http_status
        .map(|status| format!(", HTTP {status}"))
        .unwrap_or_default();
    TimelineEntry {
        order: exchange.started_at,
        mark: None,
        tone: "sending",
        title: format!(
            "Attempt {}: {}{status}",
            exchange.number,
            visible_line(&exchange.outcome)
        ),
        detail: exchange.detail.as_deref().map(|text| viewer.quoted(text)),
        ours: Moment::new(exchange.started_at),
        theirs: None,
        lag: None,
        repeats: None,
        source: "attempt",
        link: Some(format!("#attempt-{}", exchange.number)),
    }
}

fn decided(decision: &Decision, viewer: Visibility) -> TimelineEntry {
    TimelineEntry {
        order: decision.at,
        mark: None,
        tone: "plain",
        title: format!(
            "{} by {}",
            visible_line(&decision.verb),
            visible_line(&decision.actor)
        ),
        detail: decision.detail.as_deref().map(|text| viewer.quoted(text)),
        ours: Moment::new(decision.at),
        theirs: None,
        lag: None,
        repeats: None,
        source: "operator",
        link: None,
    }
}

/// Receipts that say the same of the same instant, the first of them heard.
struct Said<'a> {
    first: &'a Receipt,
    count: u64,
}

fn gather(receipts: &[Receipt]) -> Vec<Said<'_>> {
    let mut heard: Vec<&Receipt> = receipts.iter().collect();
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

fn reported(said: &Said<'_>, viewer: Visibility) -> TimelineEntry {
    let receipt = said.first;
    let (mark, tone, title, detail) = fact_words(&receipt.fact, viewer);
    let (source, link) = source_words(receipt.source_kind, receipt.source);
    TimelineEntry {
        order: receipt.received_at,
        mark,
        tone,
        title,
        detail: detail.or_else(|| pricing_words(receipt)),
        ours: Moment::new(receipt.received_at),
        theirs: receipt.occurred_at.map(Moment::new),
        lag: receipt.occurred_at.and_then(|at| lag_words(receipt, at)),
        repeats: (said.count > 1).then(|| format!("×{}", said.count)),
        source,
        link,
    }
}

fn fact_words(
    fact: &Fact,
    viewer: Visibility,
) -> (Option<Mark>, &'static str, String, Option<String>) {
    match fact {
        Fact::Stage(stage) => {
            let reached = stage.as_str().parse().ok();
            (
                reached.map(Mark::of),
                stage.as_str(),
                format!("Reported {}", stage.as_str()),
                None,
            )
        }
        Fact::Failure(failure) => (
            Some(Mark::of(crate::domain::delivery::DeliveryState::Failed)),
            "failed",
            failure_title(failure),
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

fn failure_title(failure: &Failure) -> String {
    match &failure.code {
        Some(code) => format!("Reported failed, code {}", visible_line(code)),
        None => "Reported failed".to_owned(),
    }
}

fn failure_detail(failure: &Failure, viewer: Visibility) -> Option<String> {
    let words: Vec<String> = [&failure.title, &failure.detail]
        .into_iter()
        .flatten()
        .map(|text| viewer.quoted(text))
        .collect();
    (!words.is_empty()).then(|| words.join(" — "))
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

fn source_words(kind: SourceKind, source: Uuid) -> (&'static str, Option<String>) {
    match kind {
        SourceKind::Callback => ("callback", Some(format!("/callbacks/{source}"))),
        SourceKind::Attempt => ("reply to our call", Some("#attempts".to_owned())),
        SourceKind::Action => ("operator", None),
    }
}

/// A second either way is nothing; an unbelievable clock is said to be one.
fn lag_words(receipt: &Receipt, theirs: DateTime<Utc>) -> Option<String> {
    if receipt.believable_time().is_none() {
        return Some("not believable, ours counts".to_owned());
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
pub(super) fn attempts_words(exchanges: &[Exchange]) -> String {
    let number = u64::try_from(exchanges.len()).unwrap_or(u64::MAX);
    counted(number, "attempt", "attempts")
}
