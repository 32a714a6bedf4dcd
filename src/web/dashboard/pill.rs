//! The pill that shows a state: a mark, a word and a colour, never colour alone.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::domain::delivery::{DeliveryState, Stage};
use crate::domain::explain::state_in_words;
use crate::domain::message::Message;

/// A state as it stands in lists.
#[derive(Template, Clone, Copy, Debug, PartialEq, Eq)]
#[template(path = "state_pill.html")]
pub struct StatePill {
    state: DeliveryState,
    meaning: &'static str,
}

impl HtmlSafe for StatePill {}

impl StatePill {
    /// The pill of a state.
    pub fn new(state: DeliveryState) -> Self {
        Self {
            state,
            meaning: plain_words(state),
        }
    }

    /// The pill of a message: one that was given up is not known to be lost.
    pub fn of(message: &Message) -> Self {
        let failure = message.failure.as_ref().map(|listed| &listed.failure);
        Self {
            state: message.state,
            meaning: without_ticks(state_in_words(message.state, failure)),
        }
    }

    fn mark(self) -> Mark {
        Mark::of(self.state)
    }
}

/// The words of the dashboard for a state, without the tick marks that stand beside them as pictures.
pub fn plain_words(state: DeliveryState) -> &'static str {
    without_ticks(state.in_words())
}

fn without_ticks(words: &'static str) -> &'static str {
    words.trim_end_matches(['✓', ' '])
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
