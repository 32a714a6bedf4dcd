//! The fold: computes the delivery that is shown for a message from the set of its receipts.
//!
//! **Invariant:** [`fold`] is a function of the *set* of receipts. Order and batching do not affect
//! its result; repetition affects only the counts of receipts.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::failure::Failure;
use crate::domain::receipt::{Pricing, Receipt, ReceiptEvent, ReceiptTime, SourceKind};
use crate::domain::{erased_recipient, recipient_spelling};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReachedStage {
    /// The earliest reported time, else the earliest receive time.
    pub at: DateTime<Utc>,
    /// No plausible time was reported.
    pub inferred: bool,
    /// Only a higher stage was reported.
    pub implied: bool,
    /// The number of receipts.
    pub count: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeliveryFailure {
    pub failure: Failure,
    pub at: DateTime<Utc>,
    /// No plausible time was reported.
    pub inferred: bool,
    /// The number of failure receipts, whatever their codes.
    pub count: u32,
}

/// The result of the fold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub state: DeliveryState,
    /// Stages by [`Stage::index`].
    pub stages: [Option<ReachedStage>; 6],
    /// Also present where the state is not `failed`.
    pub failure: Option<DeliveryFailure>,
    /// Delivered or above, and reported as failed.
    pub conflict: bool,
    pub pricing: Pricing,
    /// How many recipients it reached: more than one in a group.
    pub deliveries: u32,
}

impl Delivery {
    pub fn stage(&self, stage: Stage) -> Option<ReachedStage> {
        self.stages[stage.index()]
    }

    pub fn highest(&self) -> Option<Stage> {
        Stage::ALL
            .into_iter()
            .rev()
            .find(|stage| self.stage(*stage).is_some())
    }
}

/// Computes the state of a message from its queue state and all its receipts.
///
/// `queued_at` is when this program accepted it; absent for a message that was sent elsewhere.
pub fn fold(queue: QueueState, queued_at: Option<DateTime<Utc>>, receipts: &[Receipt]) -> Delivery {
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
            QueueState::Cancelled => DeliveryState::Cancelled,
            QueueState::Sending => DeliveryState::Sending,
            QueueState::Queued => DeliveryState::Queued,
            // `Done` here means: no receipt reports a stage or a failure, so the outcome is unknown.
            QueueState::Uncertain | QueueState::Done => DeliveryState::Uncertain,
        },
    };
    Delivery {
        state,
        stages,
        deliveries: if arrived { count_reached(receipts) } else { 0 },
        conflict: arrived && failure.is_some(),
        failure,
        pricing: fold_pricing(receipts),
    }
}

fn fold_stages(
    queued_at: Option<DateTime<Utc>>,
    receipts: &[Receipt],
) -> [Option<ReachedStage>; 6] {
    let mut stages: [Option<ReachedStage>; 6] = Default::default();
    for receipt in receipts {
        let ReceiptEvent::Stage(stage) = receipt.event else {
            continue;
        };
        let time = receipt.time();
        let slot = &mut stages[stage.index()];
        let count = slot.map_or(0, |reached| reached.count) + 1;
        let best = slot.map_or(time, |reached| {
            time.min(ReceiptTime {
                inferred: reached.inferred,
                at: reached.at,
            })
        });
        *slot = Some(ReachedStage {
            at: best.at,
            inferred: best.inferred,
            implied: false,
            count,
        });
    }
    if let Some(at) = queued_at {
        stages[Stage::Queued.index()] = Some(ReachedStage {
            at,
            inferred: false,
            implied: false,
            count: 1,
        });
    }
    let mut above: Option<ReachedStage> = None;
    for stage in Stage::ALL
        .into_iter()
        .rev()
        .filter(|stage| *stage != Stage::Queued)
    {
        let slot = &mut stages[stage.index()];
        if slot.is_none() {
            *slot = above.map(|reached| ReachedStage {
                implied: true,
                count: 0,
                ..reached
            });
        }
        above = *slot;
    }
    stages
}

fn fold_failure(receipts: &[Receipt]) -> Option<DeliveryFailure> {
    let failures = receipts.iter().filter_map(|receipt| match &receipt.event {
        ReceiptEvent::Failure(failure) => Some((receipt, failure)),
        ReceiptEvent::Stage(_) | ReceiptEvent::Other(_) | ReceiptEvent::Notice(_) => None,
    });
    let count = u32::try_from(failures.clone().count()).unwrap_or(u32::MAX);
    let (receipt, failure) = failures.max_by(|one, other| compare_failures(*one, *other))?;
    let time = receipt.time();
    Some(DeliveryFailure {
        failure: failure.clone(),
        at: time.at,
        inferred: time.inferred,
        count,
    })
}

/// The greatest failure is shown: one with a provider's code before one without, then the latest,
/// then the last by text. Codes that this program sets itself do not count as codes.
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
        // The same failure at the same instant, with a reported and with an inferred time.
        .then_with(|| other.0.time().inferred.cmp(&one.0.time().inferred))
}

/// Counts the recipients named in reports of a delivery; at least one. The same customer may be
/// named by a number and by a user id, and a number may be written in two ways.
fn count_reached(receipts: &[Receipt]) -> u32 {
    let (mut numbers, mut user_ids): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for receipt in receipts {
        let ReceiptEvent::Stage(Stage::Delivered | Stage::Read | Stage::Played) = receipt.event
        else {
            continue;
        };
        let Some(recipient) = receipt.recipient.as_deref() else {
            continue;
        };
        let named = if erased_recipient::is_number(recipient) {
            &mut numbers
        } else {
            &mut user_ids
        };
        if !named
            .iter()
            .any(|other| recipient_spelling::is_same_recipient(recipient, other))
        {
            named.push(recipient);
        }
    }
    let reached = numbers.len().max(user_ids.len()).max(1);
    u32::try_from(reached).unwrap_or(u32::MAX)
}

/// Takes each field from the lowest stage that has it, then the earliest, then the smallest value.
///
/// Providers report pricing with `sent`.
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
        kind: pick(receipts, |pricing| pricing.kind.as_ref()),
        currency: pick(receipts, |pricing| pricing.currency.as_ref()),
        price: pick(receipts, |pricing| pricing.price.as_ref()),
        raw: None,
    }
}
