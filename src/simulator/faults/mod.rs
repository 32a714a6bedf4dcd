//! Seeded faults: changes to the planned callbacks of a message. Each fault has a probability,
//! and each step its own random numbers.

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::TimeDelta;

use crate::simulator::event_plan::{AcceptedMessage, EventKind, PlannedEvent};
use crate::simulator::failure_reason::pick_failure_reason;
use crate::simulator::fault_rates::FaultRates;
use crate::simulator::seeded_rng::SeededRng;

/// Status words that are in no vocabulary.
const UNKNOWN_WORDS: [&str; 4] = ["rerouted", "in_review", "teleported", "held"];

/// One planned callback: its events and its faults.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PlannedCallback {
    /// More than one if batched.
    pub(crate) events: Vec<PlannedEvent>,
    /// Delay after acceptance, at pace 1.
    pub(crate) after: Duration,
    /// Number of times it is posted.
    pub(crate) copies: usize,
    pub(crate) corrupt: bool,
    /// Posted before the reply to the send request.
    pub(crate) before_reply: bool,
}

/// Applies the faults to the planned events.
pub(crate) fn apply_faults(
    rates: &FaultRates,
    seed: u64,
    message: &AcceptedMessage,
    mut events: Vec<PlannedEvent>,
) -> Vec<PlannedCallback> {
    let rng = |fault: &str| {
        SeededRng::new(
            seed,
            message.provider.as_str(),
            message.ordinal,
            &format!("chaos/{fault}"),
        )
    };
    contradict(rates, &mut events, &mut rng("contradict"));
    add_unknown_word(rates.unknown_words, &mut events, &mut rng("unknown-words"));
    skew(rates.skewed_clocks, &mut events, &mut rng("skewed-clocks"));
    remove_times(
        rates.missing_timestamps,
        &mut events,
        &mut rng("missing-timestamps"),
    );
    let mut planned = batch(rates.batch, events, &mut rng("batch"));
    let mut drop = rng("drop");
    planned.retain(|_| !drop.chance(rates.drop));
    postpone(rates.delay, &mut planned, &mut rng("delay"));
    reorder(rates.reorder, &mut planned, &mut rng("reorder"));
    let (mut duplicate, mut corrupt) = (rng("duplicate"), rng("corrupt"));
    for callback in &mut planned {
        if duplicate.chance(rates.duplicate) {
            callback.copies = 2 + duplicate.below(3);
        }
        callback.corrupt = corrupt.chance(rates.corrupt);
    }
    if rng("orphan-first").chance(rates.callback_before_reply)
        && let Some(first) = planned.iter_mut().min_by_key(|callback| callback.after)
    {
        first.before_reply = true;
    }
    planned
}

/// Adds a failure to a delivered message, or a delivery to a failed one.
fn contradict(rates: &FaultRates, events: &mut Vec<PlannedEvent>, rng: &mut SeededRng) {
    let Some(last) = events.last().cloned() else {
        return;
    };
    let arrived = events.iter().any(|event| {
        matches!(
            event.kind,
            EventKind::Delivered | EventKind::Read | EventKind::Played
        )
    });
    let kind = match last.kind {
        _ if arrived && rng.chance(rates.failed_after_delivered) => {
            EventKind::Failed(pick_failure_reason(rng))
        }
        EventKind::Failed(_) if rng.chance(rates.delivered_after_failed) => EventKind::Delivered,
        _ => return,
    };
    events.push(PlannedEvent {
        kind,
        after: last.after + Duration::from_secs(1),
        at: last.at.map(|at| at + TimeDelta::seconds(1)),
    });
}

fn add_unknown_word(share: f64, events: &mut Vec<PlannedEvent>, rng: &mut SeededRng) {
    if let Some(last) = events.last().cloned()
        && rng.chance(share)
    {
        events.push(PlannedEvent {
            kind: EventKind::Unknown(UNKNOWN_WORDS[rng.below(UNKNOWN_WORDS.len())]),
            ..last
        });
    }
}

fn skew(share: f64, events: &mut [PlannedEvent], rng: &mut SeededRng) {
    for event in events {
        if rng.chance(share) {
            let hours = *rng.pick(&[-20, -3, -1, 1, 5, 20, 24 * 60, -24 * 365 * 40]);
            event.at = event.at.map(|at| at + TimeDelta::hours(hours));
        }
    }
}

fn remove_times(share: f64, events: &mut [PlannedEvent], rng: &mut SeededRng) {
    for event in events {
        if rng.chance(share) {
            event.at = None;
        }
    }
}

fn batch(share: f64, events: Vec<PlannedEvent>, rng: &mut SeededRng) -> Vec<PlannedCallback> {
    let mut planned: Vec<PlannedCallback> = Vec::new();
    for event in events {
        let fits = event.kind.can_be_batched();
        let joined = rng.chance(share);
        match planned.last_mut() {
            Some(last)
                if joined
                    && fits
                    && last.events.iter().all(|other| other.kind.can_be_batched()) =>
            {
                last.after = event.after;
                last.events.push(event);
            }
            _ => planned.push(PlannedCallback {
                after: event.after,
                events: vec![event],
                copies: 1,
                corrupt: false,
                before_reply: false,
            }),
        }
    }
    planned
}

fn postpone(share: f64, planned: &mut [PlannedCallback], rng: &mut SeededRng) {
    for callback in planned {
        if rng.chance(share) {
            callback.after += Duration::from_secs_f64(rng.between(5.0, 30.0));
        }
    }
}

/// Shuffles the due times of a message's callbacks.
fn reorder(share: f64, planned: &mut [PlannedCallback], rng: &mut SeededRng) {
    if !rng.chance(share) {
        return;
    }
    for index in (1..planned.len()).rev() {
        let other = rng.below(index + 1);
        let (mine, theirs) = (planned[index].after, planned[other].after);
        planned[index].after = theirs;
        planned[other].after = mine;
    }
}

/// Keeps at most the first third of the body, up to where its first object ends, and appends an invalid
/// UTF-8 byte: no status is complete, so that no parser finds a receipt in it.
pub(crate) fn corrupt_body(body: &mut Vec<u8>) {
    let first_end = body.iter().position(|byte| *byte == b'}');
    let third = body.len() / 3;
    body.truncate(first_end.map_or(third, |end| end.min(third)));
    body.push(0xff);
}
