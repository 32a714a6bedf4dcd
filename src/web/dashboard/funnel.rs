//! Sums over accounts: messages per state, and how many reached each stage.

use crate::domain::delivery_state::DeliveryState;
use crate::store::page_counts::CountsByState;
use crate::web::dashboard::number_format::{count, percent, permille};

#[derive(Clone, Debug, Default)]
pub struct StateTotals(CountsByState);

/// One bar: messages that reached at least this stage.
#[derive(Clone, Debug)]
pub struct FunnelStep {
    pub(super) class: &'static str,
    pub(super) label: &'static str,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) permille: u64,
}

impl StateTotals {
    pub fn sum<'a>(accounts: impl IntoIterator<Item = &'a CountsByState>) -> Self {
        let mut sums = CountsByState::new();
        for (state, number) in accounts.into_iter().flatten() {
            *sums.entry(*state).or_default() += number;
        }
        Self(sums)
    }

    pub fn get(&self, state: DeliveryState) -> u64 {
        // A negative count would be a bug in the ledger; it counts as 0 here.
        self.0
            .get(&state)
            .map_or(0, |number| u64::try_from(*number).unwrap_or_default())
    }

    pub fn total(&self) -> u64 {
        DeliveryState::ALL
            .into_iter()
            .map(|state| self.get(state))
            .sum()
    }

    /// Messages of which a submission began.
    pub fn attempted(&self) -> u64 {
        let waiting = self.get(DeliveryState::Queued) + self.get(DeliveryState::Cancelled);
        self.total().saturating_sub(waiting)
    }

    /// Messages whose state is this stage or a later one.
    pub fn at_least(&self, lowest: DeliveryState) -> u64 {
        const STAGES: [DeliveryState; 5] = [
            DeliveryState::Submitted,
            DeliveryState::Sent,
            DeliveryState::Delivered,
            DeliveryState::Read,
            DeliveryState::Played,
        ];
        STAGES
            .into_iter()
            .filter(|state| *state >= lowest)
            .map(|state| self.get(state))
            .sum()
    }

    /// Longest first.
    pub fn funnel(&self) -> Vec<FunnelStep> {
        let total = self.attempted();
        let step = |class, label, number| FunnelStep {
            class,
            label,
            count: count(number),
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
