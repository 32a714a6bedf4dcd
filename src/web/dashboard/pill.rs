//! The pill that shows a state: a mark, a word and a colour, never colour alone.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::domain::delivery::{DeliveryState, Stage};

/// A state as it stands in lists.
#[derive(Template, Clone, Copy, Debug, PartialEq, Eq)]
#[template(path = "state_pill.html")]
pub struct StatePill {
    state: DeliveryState,
}

impl HtmlSafe for StatePill {}

impl StatePill {
    /// The pill of a state.
    pub fn new(state: DeliveryState) -> Self {
        Self { state }
    }

    fn mark(self) -> Mark {
        Mark::of(self.state)
    }

    fn meaning(self) -> &'static str {
        plain_words(self.state)
    }
}

/// The words of the dashboard for a state, without the tick marks that stand beside them as pictures.
pub fn plain_words(state: DeliveryState) -> &'static str {
    state.in_words().trim_end_matches(['✓', ' '])
}

/// The picture that belongs to a state: one tick, two, two blue ones, a clock …
#[derive(Template, Clone, Copy, Debug, PartialEq, Eq)]
#[template(path = "mark.html")]
pub struct Mark {
    name: &'static str,
}

impl HtmlSafe for Mark {}

impl Mark {
    /// The mark of a stage: that of the state which bears its name.
    pub fn of_stage(stage: Stage) -> Self {
        Self::of(match stage {
            Stage::Queued => DeliveryState::Queued,
            Stage::Submitted => DeliveryState::Submitted,
            Stage::Sent => DeliveryState::Sent,
            Stage::Delivered => DeliveryState::Delivered,
            Stage::Read => DeliveryState::Read,
            Stage::Played => DeliveryState::Played,
        })
    }

    /// The mark of a state.
    pub fn of(state: DeliveryState) -> Self {
        Self {
            name: match state {
                DeliveryState::Queued => "clock",
                DeliveryState::Sending => "arrow",
                DeliveryState::Uncertain => "question",
                DeliveryState::Submitted => "tray",
                DeliveryState::Sent => "tick",
                DeliveryState::Delivered | DeliveryState::Read => "ticks",
                DeliveryState::Played => "play",
                DeliveryState::Failed => "cross",
                DeliveryState::Cancelled => "bar",
            },
        }
    }
}
