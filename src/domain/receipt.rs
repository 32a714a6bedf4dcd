//! Receipts: what one source reported about one message, and which of its times are used.

use std::fmt;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure::Failure;
use crate::domain::failure_codes::is_queue_code;

/// What one receipt reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReceiptEvent {
    Stage(Stage),
    Failure(Failure),
    /// A word that does not change the state: deleted, warning, or an unrecognised one.
    Other(String),
    /// An event that is not a status of the message, such as a payment. The text has no personal
    /// data.
    Notice(String),
}

/// What a message cost, as far as it was reported.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Pricing {
    /// As reported, with any status. See [`Pricing::is_charged`] for whether a message is charged.
    pub billable: Option<bool>,
    /// `service`, `marketing`, `utility` …
    pub category: Option<String>,
    /// `CBP`, `PMP` …
    pub model: Option<String>,
    /// Meta's `type`: `regular`, `free_customer_service`, `free_entry_point` …
    pub kind: Option<String>,
    pub currency: Option<String>,
    /// The price, exactly as written.
    pub price: Option<String>,
    /// The provider's pricing object as JSON; of one receipt only.
    pub raw: Option<String>,
}

impl Pricing {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a message in this state is charged. Providers announce a charge with `sent`, and
    /// charge on delivery; `None` before the outcome is known.
    pub fn is_charged(&self, state: DeliveryState) -> Option<bool> {
        is_charged(self.billable, state)
    }
}

/// [`Pricing::is_charged`] of a reported `billable`.
pub fn is_charged(billable: Option<bool>, state: DeliveryState) -> Option<bool> {
    match state {
        _ if billable != Some(true) => billable,
        DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Played => Some(true),
        DeliveryState::Failed | DeliveryState::Cancelled => Some(false),
        DeliveryState::Queued
        | DeliveryState::Sending
        | DeliveryState::Uncertain
        | DeliveryState::Submitted
        | DeliveryState::Sent => None,
    }
}

#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum SourceKind {
    Callback,
    /// The provider's reply to a send call.
    Attempt,
    /// An operator's decision, a caller's registration, or a failure in our own queue.
    Action,
}
enum_words!(SourceKind, "a receipt source");

/// One status reported for one message, keyed by its source and the part of that source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub source_kind: SourceKind,
    /// The id of the callback, attempt or action.
    pub source: Uuid,
    /// The part of the source, counted from 0.
    pub part: i32,
    pub event: ReceiptEvent,
    /// By the provider's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Whether that time was written without a zone, so that the account's `provider_time_zone` was
    /// assumed.
    pub zone_assumed: bool,
    /// By our clock.
    pub received_at: DateTime<Utc>,
    /// Phone digits, user id or group participant.
    pub recipient: Option<String>,
    pub pricing: Pricing,
}

impl Receipt {
    /// A receipt for something that happened here, timed by our own clock.
    pub fn ours(
        source_kind: SourceKind,
        source: Uuid,
        event: ReceiptEvent,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            source_kind,
            source,
            part: 0,
            event,
            occurred_at: Some(now),
            zone_assumed: false,
            received_at: now,
            recipient: None,
            pricing: Pricing::default(),
        }
    }

    /// The time that the source reported; absent where it is only our own clock.
    pub fn reported_time(&self) -> Option<DateTime<Utc>> {
        self.occurred_at
            .filter(|at| self.source_kind == SourceKind::Callback || *at != self.received_at)
    }

    /// The reported time, if it is plausible.
    pub fn plausible_time(&self) -> Option<DateTime<Utc>> {
        plausible(self.occurred_at, self.received_at)
    }

    /// Why the reported time counts as absent, if it does.
    pub fn time_problem(&self) -> Option<TimeProblem> {
        let at = self
            .occurred_at
            .filter(|_| self.plausible_time().is_none())?;
        Some(if at > self.received_at {
            TimeProblem::Ahead {
                by: at - self.received_at,
                zone_assumed: self.zone_assumed,
            }
        } else {
            TimeProblem::TooOld
        })
    }

    pub(in crate::domain) fn time(&self) -> ReceiptTime {
        match self.plausible_time() {
            Some(at) => ReceiptTime {
                inferred: false,
                at,
            },
            None => ReceiptTime {
                inferred: true,
                at: self.received_at,
            },
        }
    }
}

/// The status word of the latest reply that neither confirms nor refuses the message, such as
/// `held_for_quality_assessment`.
pub fn find_reply_word(receipts: &[Receipt]) -> Option<&str> {
    let words = receipts.iter().filter_map(|receipt| match &receipt.event {
        ReceiptEvent::Other(word) if receipt.source_kind == SourceKind::Attempt => {
            Some((receipt.received_at, word.as_str()))
        }
        _ => None,
    });
    words.max().map(|(_, word)| word)
}

/// The reported time, if it is not before 2009 and not more than five minutes after `received_at`.
pub fn plausible(
    occurred_at: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    occurred_at.filter(|&at| at.timestamp() >= EARLIEST_TIMESTAMP && at - received_at <= CLOCK_SKEW)
}

/// 2009-01-01, in seconds since 1970: WhatsApp did not exist before.
const EARLIEST_TIMESTAMP: i64 = 1_230_768_000;

/// The largest difference that is attributed to clock skew.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Why a reported time counts as absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeProblem {
    /// It is this long after the report was received.
    Ahead {
        by: TimeDelta,
        /// See [`Receipt::zone_assumed`].
        zone_assumed: bool,
    },
    /// It is before 2009.
    TooOld,
}

/// No zone is further from UTC than 14 hours; five minutes allow for the transmission of the
/// report.
const LARGEST_ZONE_OFFSET: TimeDelta = TimeDelta::minutes(14 * 60 + 5);

impl fmt::Display for TimeProblem {
    /// `the provider's clock is 5 h 30 min ahead`, and for a time without a zone also
    /// `: set provider_time_zone?`
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ahead, zone_assumed) = match self {
            Self::TooOld => return out.write_str("before 2009"),
            Self::Ahead { by, zone_assumed } => (*by, *zone_assumed),
        };
        // A zone differs by whole minutes, and the transmission took some seconds.
        let minutes = (ahead + TimeDelta::seconds(30)).num_minutes();
        let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
        let parts: Vec<String> = [(days, "days"), (hours, "h"), (minutes, "min")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, unit)| format!("{number} {unit}"))
            .collect();
        write!(out, "the provider's clock is {} ahead", parts.join(" "))?;
        if zone_assumed && ahead <= LARGEST_ZONE_OFFSET {
            out.write_str(": set provider_time_zone?")?;
        }
        Ok(())
    }
}

/// Whether a reported time is too long before `accepted` to be explained by clock skew.
pub fn predates(reported: DateTime<Utc>, accepted: DateTime<Utc>) -> bool {
    reported < accepted - CLOCK_SKEW
}

/// Whether a stage cannot have been reached at `later` when the stage below was reached at `lower`.
///
/// Providers round to seconds, and `submitted` is often timed by our own clock.
pub fn is_out_of_order(below: Stage, lower: DateTime<Utc>, later: DateTime<Utc>) -> bool {
    let tolerance = match below {
        Stage::Queued | Stage::Submitted => CLOCK_SKEW,
        _ => TimeDelta::seconds(2),
    };
    later < lower - tolerance
}

/// Sorts a reported time before an inferred one, then the earlier first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain) struct ReceiptTime {
    pub(in crate::domain) inferred: bool,
    pub(in crate::domain) at: DateTime<Utc>,
}

impl Receipt {
    pub(crate) fn key(&self) -> (Uuid, i32) {
        (self.source, self.part)
    }

    /// Whether it records that the message failed in the queue, which no provider and no operator
    /// decided.
    pub fn is_queue_failure(&self) -> bool {
        self.source_kind == SourceKind::Action
            && matches!(&self.event, ReceiptEvent::Failure(failure)
                if failure.code.as_deref().is_some_and(is_queue_code))
    }

    /// Whether it says something about the delivery of its message.
    pub fn is_status(&self) -> bool {
        !matches!(self.event, ReceiptEvent::Notice(_))
    }

    /// The stage's position; failures, other words and notices come after all stages.
    pub(crate) fn rank(&self) -> usize {
        match self.event {
            ReceiptEvent::Stage(stage) => stage.index(),
            ReceiptEvent::Failure(_) => Stage::ALL.len(),
            ReceiptEvent::Other(_) => Stage::ALL.len() + 1,
            ReceiptEvent::Notice(_) => Stage::ALL.len() + 2,
        }
    }
}
