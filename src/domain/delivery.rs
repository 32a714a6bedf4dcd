//! The one fold: from the set of facts about a message to what is shown of it.
//!
//! **Invariant:** [`fold`] is a function of the *set* of receipts. Order, repetition and batching cannot change its result.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::failure::Failure;

/// How far a message got. Each stage includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// Accepted by us.
    Queued,
    /// Accepted by the provider.
    Submitted,
    /// WhatsApp has it.
    Sent,
    /// On the customer's phone.
    Delivered,
    /// Opened.
    Read,
    /// Played (voice and video).
    Played,
}

impl Stage {
    /// Every stage, lowest first.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Submitted,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Played,
    ];

    /// The word used in JSON and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitted => "submitted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
        }
    }

    /// Its place in [`Stage::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A word that names no stage or state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a delivery state")]
pub struct NotAState(pub String);

impl FromStr for Stage {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| NotAState(text.to_owned()))
    }
}

/// What the send queue says of a message, before any fact beats it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueueWord {
    /// Waiting.
    Queued,
    /// A worker holds it.
    Sending,
    /// Handed over, outcome unknown.
    Uncertain,
    /// Withdrawn before it was handed over.
    Cancelled,
    /// The queue is done with it, or never had it.
    Done,
}

impl QueueWord {
    /// Every word.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Sending,
        Self::Uncertain,
        Self::Cancelled,
        Self::Done,
    ];

    /// The word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Uncertain => "uncertain",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }
}

impl FromStr for QueueWord {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL
            .into_iter()
            .find(|word| word.as_str() == text)
            .ok_or_else(|| NotAState(text.to_owned()))
    }
}

/// The one word that is shown for a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeliveryState {
    /// Waiting.
    Queued,
    /// Handing over.
    Sending,
    /// Handed over, outcome unknown; never repeated by itself.
    Uncertain,
    /// The provider has it.
    Submitted,
    /// WhatsApp has it.
    Sent,
    /// On the phone.
    Delivered,
    /// Read.
    Read,
    /// Played.
    Played,
    /// Will not arrive.
    Failed,
    /// Withdrawn before it was handed over.
    Cancelled,
}

impl DeliveryState {
    /// Every state, in the order of the dashboard.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Sending,
        Self::Uncertain,
        Self::Submitted,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Played,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word used in JSON, URLs and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Uncertain => "uncertain",
            Self::Submitted => "submitted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The words of the dashboard.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Queued => "waiting",
            Self::Sending => "handing over",
            Self::Uncertain => "handed over, outcome unknown",
            Self::Submitted => "the provider has it",
            Self::Sent => "WhatsApp has it ✓",
            Self::Delivered => "on the phone ✓✓",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "will not arrive",
            Self::Cancelled => "withdrawn before it was handed over",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| NotAState(text.to_owned()))
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What one receipt says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The message reached a stage.
    Stage(Stage),
    /// The message will not arrive.
    Failure(Failure),
    /// A word that changes nothing: deleted, warning, or one we do not know.
    Other(String),
}

/// What a message cost, as far as a report said.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Pricing {
    /// Whether it is charged.
    pub billable: Option<bool>,
    /// `service`, `marketing`, `utility` …
    pub category: Option<String>,
    /// `CBP`, `PMP` …
    pub model: Option<String>,
    /// The price, exactly as written.
    pub price: Option<String>,
}

impl Pricing {
    /// Whether nothing is said at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a receipt comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourceKind {
    /// A callback of the provider.
    Callback,
    /// The provider's answer to our own call.
    Attempt,
    /// An operator's decision.
    Action,
}

impl SourceKind {
    /// The word used in JSON and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Attempt => "attempt",
            Self::Action => "action",
        }
    }
}

impl FromStr for SourceKind {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        [Self::Callback, Self::Attempt, Self::Action]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| NotAState(text.to_owned()))
    }
}

/// One fact about a message, keyed by its source and the part of that source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// What told us.
    pub source_kind: SourceKind,
    /// The callback, attempt or action.
    pub source: Uuid,
    /// Which part of it, counted from 0.
    pub part: i32,
    /// What it says.
    pub fact: Fact,
    /// When it happened by the provider's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When we heard.
    pub received_at: DateTime<Utc>,
    /// Phone digits, user id or group participant, where named.
    pub recipient: Option<String>,
    /// What it cost, where named.
    pub pricing: Pricing,
}

impl Receipt {
    /// A fact that we know at first hand, so that our clock is the one it happened by.
    pub fn ours(source_kind: SourceKind, source: Uuid, fact: Fact, now: DateTime<Utc>) -> Self {
        Self {
            source_kind,
            source,
            part: 0,
            fact,
            occurred_at: Some(now),
            received_at: now,
            recipient: None,
            pricing: Pricing::default(),
        }
    }

    /// The time that somebody else named; what we know at first hand happened by our own clock.
    pub fn told_time(&self) -> Option<DateTime<Utc>> {
        self.occurred_at
            .filter(|at| self.source_kind == SourceKind::Callback || *at != self.received_at)
    }

    /// The provider's time if it is believable: not before 2009, not more than a day after we heard.
    pub fn believable_time(&self) -> Option<DateTime<Utc>> {
        believable(self.occurred_at, self.received_at)
    }

    fn time(&self) -> Time {
        match self.believable_time() {
            Some(at) => Time {
                inferred: false,
                at,
            },
            None => Time {
                inferred: true,
                at: self.received_at,
            },
        }
    }
}

/// A provider's time if it is believable: not before 2009, not more than a day after we heard.
pub fn believable(
    occurred_at: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    occurred_at.filter(|&at| at.timestamp() >= EARLIEST && at <= received_at + TimeDelta::days(1))
}

/// 2009-01-01, the year WhatsApp began; nothing can have happened before.
const EARLIEST: i64 = 1_230_768_000;

/// How far two clocks may be apart before a time is said to be wrong rather than the clocks.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Whether a report's time lies so long before we accepted the message that no clock's error explains it.
pub fn predates(reported: DateTime<Utc>, accepted: DateTime<Utc>) -> bool {
    reported < accepted - CLOCK_SKEW
}

/// Whether a stage cannot have been reached at `later` when the one below it was at `lower`. Providers round to seconds,
/// and `submitted` is often told by our own clock.
pub fn out_of_order(below: Stage, lower: DateTime<Utc>, later: DateTime<Utc>) -> bool {
    let tolerance = match below {
        Stage::Queued | Stage::Submitted => CLOCK_SKEW,
        _ => TimeDelta::seconds(2),
    };
    later < lower - tolerance
}

/// A reported time sorts before an inferred one, then the earlier first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Time {
    inferred: bool,
    at: DateTime<Utc>,
}

/// When and how surely a stage was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    /// The earliest reported time, else the earliest time we heard.
    pub at: DateTime<Utc>,
    /// The provider named no (believable) time.
    pub inferred: bool,
    /// No fact names this stage; one above does.
    pub implied: bool,
    /// How many facts say so.
    pub count: u32,
}

/// The failure that is shown, and when it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Code and words.
    pub failure: Failure,
    /// When.
    pub at: DateTime<Utc>,
    /// The provider named no (believable) time.
    pub inferred: bool,
    /// How many facts say that it failed, with whatever code.
    pub count: u32,
}

/// What all facts together say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The one word.
    pub state: DeliveryState,
    /// Stages by [`Stage::index`].
    pub stages: [Option<Reached>; 6],
    /// The failure, if any fact names one, also where the state is not `failed`.
    pub failure: Option<Failed>,
    /// On the phone, and reported as failed.
    pub conflict: bool,
    /// What it cost.
    pub pricing: Pricing,
}

impl Delivery {
    /// When and how a stage was reached.
    pub fn stage(&self, stage: Stage) -> Option<Reached> {
        self.stages[stage.index()]
    }

    /// The highest stage reached.
    pub fn highest(&self) -> Option<Stage> {
        Stage::ALL
            .into_iter()
            .rev()
            .find(|stage| self.stage(*stage).is_some())
    }
}

/// Computes what is shown of a message from the queue's word and every fact about it.
///
/// `queued_at` is when we accepted it; absent for a message that was sent elsewhere.
pub fn fold(queue: QueueWord, queued_at: Option<DateTime<Utc>>, receipts: &[Receipt]) -> Delivery {
    let stages = fold_stages(queued_at, receipts);
    let failure = fold_failure(receipts);
    let highest = Stage::ALL
        .into_iter()
        .rev()
        .find(|stage| stages[stage.index()].is_some());
    let arrived = highest.is_some_and(|stage| stage >= Stage::Delivered);
    let state = match (highest, &failure) {
        (Some(Stage::Delivered), _) => DeliveryState::Delivered,
        (Some(Stage::Read), _) => DeliveryState::Read,
        (Some(Stage::Played), _) => DeliveryState::Played,
        (_, Some(_)) => DeliveryState::Failed,
        (Some(Stage::Sent), None) => DeliveryState::Sent,
        (Some(Stage::Submitted), None) => DeliveryState::Submitted,
        (Some(Stage::Queued) | None, None) => match queue {
            QueueWord::Cancelled => DeliveryState::Cancelled,
            QueueWord::Sending => DeliveryState::Sending,
            QueueWord::Queued => DeliveryState::Queued,
            // Done, but nothing but words we do not know: somebody has it, and nobody says what became of it.
            QueueWord::Uncertain | QueueWord::Done => DeliveryState::Uncertain,
        },
    };
    Delivery {
        state,
        stages,
        conflict: arrived && failure.is_some(),
        failure,
        pricing: fold_pricing(receipts),
    }
}

fn fold_stages(queued_at: Option<DateTime<Utc>>, receipts: &[Receipt]) -> [Option<Reached>; 6] {
    let mut stages: [Option<Reached>; 6] = Default::default();
    for receipt in receipts {
        let Fact::Stage(stage) = receipt.fact else {
            continue;
        };
        let time = receipt.time();
        let slot = &mut stages[stage.index()];
        let count = slot.map_or(0, |reached| reached.count) + 1;
        let best = slot.map_or(time, |reached| {
            time.min(Time {
                inferred: reached.inferred,
                at: reached.at,
            })
        });
        *slot = Some(Reached {
            at: best.at,
            inferred: best.inferred,
            implied: false,
            count,
        });
    }
    if let Some(at) = queued_at {
        stages[Stage::Queued.index()] = Some(Reached {
            at,
            inferred: false,
            implied: false,
            count: 1,
        });
    }
    let mut above: Option<Reached> = None;
    for stage in Stage::ALL
        .into_iter()
        .rev()
        .filter(|stage| *stage != Stage::Queued)
    {
        let slot = &mut stages[stage.index()];
        if slot.is_none() {
            *slot = above.map(|reached| Reached {
                implied: true,
                count: 0,
                ..reached
            });
        }
        above = *slot;
    }
    stages
}

fn fold_failure(receipts: &[Receipt]) -> Option<Failed> {
    let failures = receipts.iter().filter_map(|receipt| match &receipt.fact {
        Fact::Failure(failure) => Some((receipt, failure)),
        Fact::Stage(_) | Fact::Other(_) => None,
    });
    let count = u32::try_from(failures.clone().count()).unwrap_or(u32::MAX);
    let (receipt, failure) = failures.max_by(|one, other| compare_failures(*one, *other))?;
    let time = receipt.time();
    Some(Failed {
        failure: failure.clone(),
        at: time.at,
        inferred: time.inferred,
        count,
    })
}

/// With a provider's code before without, then the latest, then the greatest text. An operator's mark counts as no code.
fn compare_failures(one: (&Receipt, &Failure), other: (&Receipt, &Failure)) -> Ordering {
    let rank = |(receipt, failure): (&Receipt, &Failure)| {
        (
            failure.code.is_some() && receipt.source_kind != SourceKind::Action,
            receipt.time().at,
        )
    };
    let texts = |failure: &Failure| {
        (
            failure.code.clone(),
            failure.title.clone(),
            failure.detail.clone(),
            failure.key.clone(),
        )
    };
    rank(one)
        .cmp(&rank(other))
        .then_with(|| texts(one.1).cmp(&texts(other.1)))
        // The same failure told with and without a time of its own at the same instant.
        .then_with(|| other.0.time().inferred.cmp(&one.0.time().inferred))
}

/// Each field from the lowest stage that names it (it is told with `sent`), then the earliest, then the least value.
fn fold_pricing(receipts: &[Receipt]) -> Pricing {
    fn pick<T: Ord + Clone>(
        receipts: &[Receipt],
        field: impl Fn(&Pricing) -> Option<&T>,
    ) -> Option<T> {
        receipts
            .iter()
            .filter_map(|receipt| {
                field(&receipt.pricing).map(|value| (receipt.rank(), receipt.time(), value))
            })
            .min()
            .map(|(_, _, value)| value.clone())
    }
    Pricing {
        billable: pick(receipts, |pricing| pricing.billable.as_ref()),
        category: pick(receipts, |pricing| pricing.category.as_ref()),
        model: pick(receipts, |pricing| pricing.model.as_ref()),
        price: pick(receipts, |pricing| pricing.price.as_ref()),
    }
}

impl Receipt {
    /// What it is keyed by: its source, and the part of that.
    pub(crate) fn key(&self) -> (Uuid, i32) {
        (self.source, self.part)
    }

    /// Its stage's place; failures and other words come after all of them.
    pub(crate) fn rank(&self) -> usize {
        match self.fact {
            Fact::Stage(stage) => stage.index(),
            Fact::Failure(_) => Stage::ALL.len(),
            Fact::Other(_) => Stage::ALL.len() + 1,
        }
    }
}
