//! The stages of one message side by side: when each was reached, and how surely that is known.

use crate::domain::delivery::{Delivery, DeliveryState, Reached, Stage, out_of_order};
use crate::domain::media::MediaKind;
use crate::domain::message::Message;
use crate::web::dashboard::figure::span;
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::pill::Mark;

/// One stage of the stepper, or the failure that ended it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) label: &'static str,
    pub(super) class: &'static str,
    pub(super) mark: Mark,
    pub(super) at: Option<Moment>,
    /// After the stage before; absent where nobody reported one of the two.
    pub(super) gap: Option<String>,
    pub(super) notes: Vec<String>,
}

/// Every stage from queued on, reached or not; a failure stands after the last stage that was reached.
pub(super) fn steps(message: &Message, delivery: &Delivery) -> Vec<Step> {
    let shown = Stage::ALL.into_iter().filter(|stage| match stage {
        // What was sent elsewhere never stood in our queue.
        Stage::Queued => message.origin.is_ours() || delivery.stage(*stage).is_some(),
        Stage::Played => message.kind != Some(MediaKind::Image) || delivery.stage(*stage).is_some(),
        _ => true,
    });
    let mut before: Option<(Stage, Reached)> = None;
    let mut steps = Vec::new();
    let highest = delivery.highest();
    for stage in shown {
        let reached = delivery.stage(stage);
        steps.push(stage_step(stage, reached, before, message.state));
        before = reached.map(|reached| (stage, reached));
        if message.state == DeliveryState::Failed && Some(stage) == highest {
            steps.extend(failure_step(delivery));
        }
    }
    steps
}

fn stage_step(
    stage: Stage,
    reached: Option<Reached>,
    before: Option<(Stage, Reached)>,
    outcome: DeliveryState,
) -> Step {
    let gap = match (before, reached) {
        (Some((_, before)), Some(reached)) if !before.implied && !reached.implied => {
            Some(gap_words(reached.at - before.at))
        }
        _ => None,
    };
    let odd = before
        .zip(reached)
        .is_some_and(|((below, before), reached)| {
            !reached.implied
                && !reached.inferred
                && !before.implied
                && out_of_order(below, before.at, reached.at)
        });
    let notes = reached.map_or_else(
        || vec![open_words(outcome).to_owned()],
        |reached| {
            [
                reached
                    .implied
                    .then(|| "implied by a later stage".to_owned()),
                (reached.inferred && !reached.implied).then(|| "by our clock".to_owned()),
                odd.then(|| "cannot be right by our clock".to_owned()),
                (reached.count > 1).then(|| format!("reported ×{}", reached.count)),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
    );
    Step {
        label: stage.as_str(),
        class: match reached {
            None => "open",
            Some(reached) if reached.implied => "implied",
            Some(_) => "reached",
        },
        mark: Mark::of_stage(stage),
        at: reached.map(|reached| Moment::new(reached.at)),
        gap,
        notes,
    }
}

fn failure_step(delivery: &Delivery) -> Option<Step> {
    let failed = delivery.failure.as_ref()?;
    Some(Step {
        label: "failed",
        class: "ended",
        mark: Mark::of(DeliveryState::Failed),
        at: Some(Moment::new(failed.at)),
        gap: None,
        notes: failed
            .inferred
            .then(|| "by our clock".to_owned())
            .into_iter()
            .collect(),
    })
}

fn open_words(outcome: DeliveryState) -> &'static str {
    match outcome {
        DeliveryState::Failed | DeliveryState::Cancelled => "not reached",
        _ => "not yet",
    }
}

fn gap_words(gap: chrono::TimeDelta) -> String {
    let words = span(gap);
    if words.starts_with('−') {
        words
    } else {
        format!("+{words}")
    }
}
