//! Sums over accounts: messages per state, and how many reached each stage.

use crate::domain::delivery_state::DeliveryState;
use crate::domain::state_totals::StateTotals;
use crate::reporting::number_format::{format_count, percent, permille};
use crate::store::page_counts::CountsByState;

/// Counts for display: none is negative.
#[derive(Clone, Debug, Default)]
pub struct ShownTotals(StateTotals);

/// One bar: messages that reached at least this stage.
#[derive(Clone, Debug)]
pub struct FunnelStep {
    pub(super) class: &'static str,
    pub(super) label: &'static str,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) permille: u64,
}

impl ShownTotals {
    /// `failed_in_queue` is how many of the failed messages failed in the queue.
    pub fn new<'a>(
        accounts: impl IntoIterator<Item = &'a CountsByState>,
        failed_in_queue: u64,
    ) -> Self {
        let states = accounts.into_iter().flatten();
        let states = states.map(|(state, messages)| (*state, *messages));
        let failed_in_queue = i64::try_from(failed_in_queue).unwrap_or(i64::MAX);
        Self(StateTotals::new(states, failed_in_queue))
    }

    pub fn get(&self, state: DeliveryState) -> u64 {
        shown(self.0.get(state))
    }

    pub fn total(&self) -> u64 {
        shown(self.0.messages())
    }

    /// The whole of which percentages are shares.
    pub fn attempted(&self) -> u64 {
        shown(self.0.attempted())
    }

    /// Failed in an attempt or after it.
    pub fn failed_after_attempt(&self) -> u64 {
        shown(self.0.failed_after_attempt())
    }

    pub fn failed_in_queue(&self) -> u64 {
        shown(self.0.failed_in_queue())
    }

    /// Messages whose state is this stage or a later one.
    pub fn at_least(&self, lowest: DeliveryState) -> u64 {
        shown(self.0.at_least(lowest))
    }

    /// The longest bar first.
    pub fn funnel(&self) -> Vec<FunnelStep> {
        let total = self.attempted();
        let step = |class, label, number| FunnelStep {
            class,
            label,
            count: format_count(number),
            share: percent(number, total),
            permille: permille(number, total),
        };
        let at_least = |state| self.at_least(state);
        vec![
            step("queued", "Attempted", total),
            step("submitted", "Submitted", at_least(DeliveryState::Submitted)),
            step("sent", "Sent", at_least(DeliveryState::Sent)),
            step("delivered", "Delivered", at_least(DeliveryState::Delivered)),
            step("read", "Read", at_least(DeliveryState::Read)),
        ]
    }
}

/// A negative rollup would be a bug in the ledger; it counts as 0 here.
fn shown(messages: i64) -> u64 {
    u64::try_from(messages).unwrap_or_default()
}
