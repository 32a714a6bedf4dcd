//! The stages of one message side by side: when each was reached, and how reliable the time is.

use crate::domain::delivery::{Delivery, ReachedStage};
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::media::MediaKind;
use crate::domain::message::Message;
use crate::domain::receipt::is_out_of_order;
use crate::reporting::number_format::span;
use crate::web::dashboard::state_pill::{StateIcon, state_of_stage};
use crate::web::dashboard::time_element::TimeElement;

/// A stage, or the failure after the last stage that was reached.
#[derive(Clone, Debug)]
pub(super) struct StageStep {
    pub(super) stage: &'static str,
    pub(super) label: &'static str,
    pub(super) class: &'static str,
    pub(super) icon: StateIcon,
    pub(super) at: Option<TimeElement>,
    /// Time since the stage before; absent if one of the two is implied or was not reached.
    pub(super) gap: Option<String>,
    pub(super) notes: Vec<String>,
}

/// Every stage, reached or not. A failure comes after the last stage that was reached.
pub(super) fn steps(message: &Message, delivery: &Delivery) -> Vec<StageStep> {
    let shown = Stage::ALL.into_iter().filter(|stage| match stage {
        // Messages sent elsewhere were never in our queue.
        Stage::Queued => message.origin.is_ours() || delivery.stage(*stage).is_some(),
        Stage::Played => message.kind != Some(MediaKind::Image) || delivery.stage(*stage).is_some(),
        _ => true,
    });
    let mut before: Option<(Stage, ReachedStage)> = None;
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
    reached: Option<ReachedStage>,
    before: Option<(Stage, ReachedStage)>,
    outcome: DeliveryState,
) -> StageStep {
    let gap = match (before, reached) {
        (Some((_, before)), Some(reached)) if !before.implied && !reached.implied => {
            Some(gap_text(reached.at - before.at))
        }
        _ => None,
    };
    let inconsistent = before
        .zip(reached)
        .is_some_and(|((below, before), reached)| {
            !reached.implied
                && !reached.inferred
                && !before.implied
                && is_out_of_order(below, before.at, reached.at)
        });
    let notes = reached.map_or_else(
        || vec![unreached_text(outcome).to_owned()],
        |reached| {
            [
                reached
                    .implied
                    .then(|| "implied by a later stage".to_owned()),
                (reached.inferred && !reached.implied).then(|| "our clock".to_owned()),
                inconsistent.then(|| "inconsistent with our clock".to_owned()),
                (reached.count > 1).then(|| format!("reported ×{}", reached.count)),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
    );
    StageStep {
        stage: stage.as_str(),
        label: state_of_stage(stage).label(),
        class: match reached {
            None => "open",
            Some(reached) if reached.implied => "implied",
            Some(_) => "reached",
        },
        icon: StateIcon::of_stage(stage),
        at: reached.map(|reached| TimeElement::new(reached.at)),
        gap,
        notes,
    }
}

fn failure_step(delivery: &Delivery) -> Option<StageStep> {
    let failed = delivery.failure.as_ref()?;
    Some(StageStep {
        stage: DeliveryState::Failed.as_str(),
        label: DeliveryState::Failed.label(),
        class: "ended",
        icon: StateIcon::of(DeliveryState::Failed),
        at: Some(TimeElement::new(failed.at)),
        gap: None,
        notes: failed
            .inferred
            .then(|| "our clock".to_owned())
            .into_iter()
            .collect(),
    })
}

fn unreached_text(outcome: DeliveryState) -> &'static str {
    match outcome {
        DeliveryState::Failed | DeliveryState::Cancelled => "not reached",
        _ => "not yet",
    }
}

fn gap_text(gap: chrono::TimeDelta) -> String {
    let text = span(gap);
    if text.starts_with('−') {
        text
    } else {
        format!("+{text}")
    }
}
