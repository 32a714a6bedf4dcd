//! Seeded faults: changes to the planned callbacks of a message. Each fault has a probability and
//! its own random numbers.

use std::time::Duration;

use chrono::TimeDelta;

use crate::simulator::event_plan::{AcceptedMessage, EventKind, PlannedEvent, pick_failure_reason};
use crate::simulator::seeded_rng::SeededRng;

/// Probability of each fault, from 0 (off) to 1 (always).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Chaos {
    /// A callback is posted two to four times.
    pub duplicate: f64,
    /// The callbacks of a message arrive in random order.
    pub reorder: f64,
    /// A callback arrives much later.
    pub delay: f64,
    /// A callback is never posted.
    pub drop: f64,
    /// Neighbouring callbacks of a message are sent as one.
    pub batch: f64,
    /// A callback body is truncated and corrupted.
    pub corrupt: f64,
    /// The first callback arrives before the reply to the send request.
    pub orphan_first: f64,
    /// A timestamp is wrong by hours or decades.
    pub skewed_clocks: f64,
    pub missing_timestamps: f64,
    /// An additional unknown status word is reported.
    pub unknown_words: f64,
    /// A delivered message is reported as failed afterwards.
    pub failed_after_delivered: f64,
    /// A failed message is reported as delivered afterwards.
    pub delivered_after_failed: f64,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a fault; use {all}, or `all`", all = SWITCHES.map(|(name, _)| name).join(", "))]
pub struct UnknownFault(pub String);

type Switch = (&'static str, fn(&mut Chaos) -> (&mut f64, f64));

/// Every fault by name, with its probability when it is enabled.
const SWITCHES: [Switch; 12] = [
    ("duplicate", |chaos| (&mut chaos.duplicate, 0.3)),
    ("reorder", |chaos| (&mut chaos.reorder, 0.5)),
    ("delay", |chaos| (&mut chaos.delay, 0.2)),
    ("drop", |chaos| (&mut chaos.drop, 0.1)),
    ("batch", |chaos| (&mut chaos.batch, 0.3)),
    ("corrupt", |chaos| (&mut chaos.corrupt, 0.05)),
    ("orphan-first", |chaos| (&mut chaos.orphan_first, 0.2)),
    ("skewed-clocks", |chaos| (&mut chaos.skewed_clocks, 0.2)),
    ("missing-timestamps", |chaos| {
        (&mut chaos.missing_timestamps, 0.2)
    }),
    ("unknown-words", |chaos| (&mut chaos.unknown_words, 0.1)),
    ("failed-after-delivered", |chaos| {
        (&mut chaos.failed_after_delivered, 0.1)
    }),
    ("delivered-after-failed", |chaos| {
        (&mut chaos.delivered_after_failed, 0.3)
    }),
];

/// Status words that are in no vocabulary.
const STRANGE_WORDS: [&str; 4] = ["rerouted", "in_review", "teleported", "held"];

impl Chaos {
    pub const fn none() -> Self {
        Self {
            duplicate: 0.0,
            reorder: 0.0,
            delay: 0.0,
            drop: 0.0,
            batch: 0.0,
            corrupt: 0.0,
            orphan_first: 0.0,
            skewed_clocks: 0.0,
            missing_timestamps: 0.0,
            unknown_words: 0.0,
            failed_after_delivered: 0.0,
            delivered_after_failed: 0.0,
        }
    }

    /// Every fault, with its usual probability.
    pub fn all() -> Self {
        let mut chaos = Self::none();
        for (_, switch) in SWITCHES {
            let (share, usual) = switch(&mut chaos);
            *share = usual;
        }
        chaos
    }

    /// Enables one fault by name, or every fault with `all`.
    pub fn turn_on(&mut self, name: &str) -> Result<(), UnknownFault> {
        if name == "all" {
            *self = Self::all();
            return Ok(());
        }
        let (_, switch) = SWITCHES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| UnknownFault(name.to_owned()))?;
        let (share, usual) = switch(self);
        *share = usual;
        Ok(())
    }
}

/// One planned callback: its events and its faults.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Planned {
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
pub(crate) fn disturb(
    chaos: &Chaos,
    seed: u64,
    message: &AcceptedMessage,
    mut events: Vec<PlannedEvent>,
) -> Vec<Planned> {
    let rng = |switch: &str| {
        SeededRng::new(
            seed,
            message.provider.as_str(),
            message.ordinal,
            &format!("chaos/{switch}"),
        )
    };
    contradict(chaos, &mut events, &mut rng("contradict"));
    add_strange_word(chaos.unknown_words, &mut events, &mut rng("unknown-words"));
    skew(chaos.skewed_clocks, &mut events, &mut rng("skewed-clocks"));
    forget_times(
        chaos.missing_timestamps,
        &mut events,
        &mut rng("missing-timestamps"),
    );
    let mut planned = batch(chaos.batch, events, &mut rng("batch"));
    let mut drop = rng("drop");
    planned.retain(|_| !drop.chance(chaos.drop));
    postpone(chaos.delay, &mut planned, &mut rng("delay"));
    reorder(chaos.reorder, &mut planned, &mut rng("reorder"));
    let (mut duplicate, mut corrupt) = (rng("duplicate"), rng("corrupt"));
    for callback in &mut planned {
        if duplicate.chance(chaos.duplicate) {
            callback.copies = 2 + duplicate.below(3);
        }
        callback.corrupt = corrupt.chance(chaos.corrupt);
    }
    if rng("orphan-first").chance(chaos.orphan_first)
        && let Some(first) = planned.iter_mut().min_by_key(|callback| callback.after)
    {
        first.before_reply = true;
    }
    planned
}

/// Adds a failure to a delivered message, or a delivery to a failed one.
fn contradict(chaos: &Chaos, events: &mut Vec<PlannedEvent>, rng: &mut SeededRng) {
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
        _ if arrived && rng.chance(chaos.failed_after_delivered) => {
            EventKind::Failed(pick_failure_reason(rng))
        }
        EventKind::Failed(_) if rng.chance(chaos.delivered_after_failed) => EventKind::Delivered,
        _ => return,
    };
    events.push(PlannedEvent {
        kind,
        after: last.after + Duration::from_secs(1),
        at: last.at.map(|at| at + TimeDelta::seconds(1)),
    });
}

fn add_strange_word(share: f64, events: &mut Vec<PlannedEvent>, rng: &mut SeededRng) {
    if let Some(last) = events.last().cloned()
        && rng.chance(share)
    {
        events.push(PlannedEvent {
            kind: EventKind::Unknown(STRANGE_WORDS[rng.below(STRANGE_WORDS.len())]),
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

fn forget_times(share: f64, events: &mut [PlannedEvent], rng: &mut SeededRng) {
    for event in events {
        if rng.chance(share) {
            event.at = None;
        }
    }
}

fn batch(share: f64, events: Vec<PlannedEvent>, rng: &mut SeededRng) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
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
            _ => planned.push(Planned {
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

fn postpone(share: f64, planned: &mut [Planned], rng: &mut SeededRng) {
    for callback in planned {
        if rng.chance(share) {
            callback.after += Duration::from_secs_f64(rng.between(5.0, 30.0));
        }
    }
}

/// Shuffles the due times of a message's callbacks.
fn reorder(share: f64, planned: &mut [Planned], rng: &mut SeededRng) {
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

/// Keeps the first third of the body, which ends before any status, and appends an invalid UTF-8
/// byte, so that no parser finds a receipt in it.
pub(crate) fn corrupt_body(body: &mut Vec<u8>) {
    body.truncate(body.len() / 3);
    body.push(0xff);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;

    use super::*;
    use crate::domain::media::MediaKind;
    use crate::domain::provider::ProviderId;

    fn message(ordinal: u64) -> AcceptedMessage {
        AcceptedMessage {
            provider: ProviderId::Sobot,
            ordinal,
            kind: MediaKind::Image,
            recipient: "919812300001".to_owned(),
            name: None,
            sender: "919000000001".to_owned(),
            media: String::new(),
            references: Default::default(),
            report_url: None,
            reply_ids: Vec::new(),
            wamid: "wamid.A".to_owned(),
            second_id: String::new(),
            shared_id: String::new(),
            at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        }
    }

    fn plan(words: &[EventKind]) -> Vec<PlannedEvent> {
        (1..)
            .zip(words)
            .map(|(second, kind)| PlannedEvent {
                kind: *kind,
                after: Duration::from_secs(second),
                at: Some(message(1).at),
            })
            .collect()
    }

    const READ: [EventKind; 3] = [EventKind::Sent, EventKind::Delivered, EventKind::Read];

    fn disturbed(switch: &str, share: f64, ordinal: u64) -> Vec<Planned> {
        let mut chaos = Chaos::none();
        let (_, reach) = SWITCHES.iter().find(|(name, _)| *name == switch).unwrap();
        *reach(&mut chaos).0 = share;
        disturb(&chaos, 1, &message(ordinal), plan(&READ))
    }

    #[test]
    fn without_faults_the_plan_is_unchanged() {
        let planned = disturb(&Chaos::none(), 1, &message(1), plan(&READ));
        let reply: Vec<PlannedEvent> = planned
            .iter()
            .flat_map(|callback| callback.events.clone())
            .collect();
        assert_eq!(reply, plan(&READ));
        assert!(
            planned
                .iter()
                .all(|one| one.copies == 1 && !one.corrupt && !one.before_reply)
        );
    }

    #[test]
    fn every_fault_changes_something() {
        let calm = disturb(&Chaos::none(), 1, &message(3), plan(&READ));
        for (name, _) in SWITCHES {
            if name == "delivered-after-failed" {
                continue;
            }
            let changed = (1..9).any(|ordinal| disturbed(name, 1.0, ordinal) != calm);
            assert!(changed, "{name}");
        }
    }

    #[test]
    fn contradictions_come_in_both_directions() {
        let after_delivered = disturbed("failed-after-delivered", 1.0, 1);
        let last = after_delivered.last().unwrap().events[0].kind;
        assert!(matches!(last, EventKind::Failed(_)));

        let chaos = Chaos {
            delivered_after_failed: 1.0,
            ..Chaos::none()
        };
        let failed = plan(&[EventKind::Failed(&crate::simulator::event_plan::OPTED_OUT)]);
        let planned = disturb(&chaos, 1, &message(1), failed);
        assert_eq!(planned[1].events[0].kind, EventKind::Delivered);
    }

    #[test]
    fn reordering_keeps_every_callback_and_due_time() {
        let moments = |planned: &[Planned]| {
            let after = planned.iter().map(|callback| callback.after);
            after.collect::<BTreeSet<_>>()
        };
        let calm = disturb(&Chaos::none(), 1, &message(1), plan(&READ));
        for ordinal in 1..20 {
            let planned = disturbed("reorder", 1.0, ordinal);
            assert_eq!(planned.len(), 3);
            assert_eq!(moments(&planned), moments(&calm));
        }
    }

    #[test]
    fn a_fault_does_not_change_the_random_numbers_of_another() {
        let copies = |chaos: &Chaos| {
            let planned = disturb(chaos, 1, &message(4), plan(&READ));
            planned.iter().map(|one| one.copies).collect::<Vec<_>>()
        };
        let alone = Chaos {
            duplicate: 0.5,
            ..Chaos::none()
        };
        let beside = Chaos {
            skewed_clocks: 1.0,
            missing_timestamps: 0.5,
            reorder: 1.0,
            ..alone
        };
        assert_eq!(copies(&alone), copies(&beside));
    }

    #[test]
    fn faults_are_enabled_by_name() {
        let mut chaos = Chaos::none();
        chaos.turn_on("reorder").unwrap();
        assert!(chaos.reorder > 0.0 && chaos.drop == 0.0);
        chaos.turn_on("all").unwrap();
        assert_eq!(chaos, Chaos::all());
        assert_eq!(
            chaos.turn_on("havoc"),
            Err(UnknownFault("havoc".to_owned()))
        );
    }
}
