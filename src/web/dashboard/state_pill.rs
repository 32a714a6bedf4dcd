//! The pill that shows a state: an icon, a label and a colour; never colour alone.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::explanation::state_tooltip;
use crate::domain::message::Message;

#[derive(Template, Clone, Copy, Debug, PartialEq, Eq)]
#[template(path = "state_pill.html")]
pub struct StatePill {
    state: DeliveryState,
    tooltip: &'static str,
}

impl HtmlSafe for StatePill {}

impl StatePill {
    pub fn new(state: DeliveryState) -> Self {
        Self {
            state,
            tooltip: state.tooltip(),
        }
    }

    /// The tooltip of a message that an operator marked as failed differs from that of a failure.
    pub fn of_message(message: &Message) -> Self {
        let failure = message.failure.as_ref().map(|listed| &listed.failure);
        Self {
            state: message.state,
            tooltip: state_tooltip(message.state, failure),
        }
    }

    fn icon(self) -> StateIcon {
        StateIcon::of(self.state)
    }
}

/// The icon of a state: a clock, one tick, two ticks …
#[derive(Template, Clone, Copy, Debug, PartialEq, Eq)]
#[template(path = "state_icon.html")]
pub struct StateIcon {
    name: &'static str,
}

impl HtmlSafe for StateIcon {}

impl StateIcon {
    /// A stage has the icon of the state with the same name.
    pub fn of_stage(stage: Stage) -> Self {
        Self::of(state_of_stage(stage))
    }

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

/// The state of a message whose highest stage is this one.
pub(super) fn state_of_stage(stage: Stage) -> DeliveryState {
    match stage {
        Stage::Queued => DeliveryState::Queued,
        Stage::Submitted => DeliveryState::Submitted,
        Stage::Sent => DeliveryState::Sent,
        Stage::Delivered => DeliveryState::Delivered,
        Stage::Read => DeliveryState::Read,
        Stage::Played => DeliveryState::Played,
    }
}
