//! How far messages got, and in which state they are now: sums over accounts, bars and shares.

use crate::domain::delivery::DeliveryState;
use crate::store::reports::CountsByState;
use crate::web::dashboard::figure::{count, percent, permille};

/// Messages by state, summed over accounts.
#[derive(Clone, Debug, Default)]
pub struct Sums(CountsByState);

/// One bar: messages that got at least this far.
#[derive(Clone, Debug)]
pub struct FunnelStep {
    pub(super) class: &'static str,
    pub(super) label: &'static str,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) permille: u64,
}

impl Sums {
    /// Adds the accounts up.
    pub fn of<'a>(accounts: impl IntoIterator<Item = &'a CountsByState>) -> Self {
        let mut sums = CountsByState::new();
        for (state, number) in accounts.into_iter().flatten() {
            *sums.entry(*state).or_default() += number;
        }
        Self(sums)
    }

    /// Messages in this state.
    pub fn get(&self, state: DeliveryState) -> u64 {
        // A rollup below zero would be a defect of the ledger; it counts as none here.
        self.0
            .get(&state)
            .map_or(0, |number| u64::try_from(*number).unwrap_or_default())
    }

    /// All messages.
    pub fn total(&self) -> u64 {
        DeliveryState::ALL
            .into_iter()
            .map(|state| self.get(state))
            .sum()
    }

    /// Messages whose state is this stage or a higher one.
    pub fn at_least(&self, lowest: DeliveryState) -> u64 {
        const WAY: [DeliveryState; 5] = [
            DeliveryState::Submitted,
            DeliveryState::Sent,
            DeliveryState::Delivered,
            DeliveryState::Read,
            DeliveryState::Played,
        ];
        WAY.into_iter()
            .filter(|state| *state >= lowest)
            .map(|state| self.get(state))
            .sum()
    }

    /// The bars, longest first.
    pub fn funnel(&self) -> Vec<FunnelStep> {
        let total = self.total();
        let step = |class, label, reached| FunnelStep {
            class,
            label,
            count: count(reached),
            share: percent(reached, total),
            permille: permille(reached, total),
        };
        let at_least = |state| self.at_least(state);
        vec![
            step("queued", "accepted", total),
            step(
                "submitted",
                "with the provider",
                at_least(DeliveryState::Submitted),
            ),
            step("sent", "with WhatsApp", at_least(DeliveryState::Sent)),
            step(
                "delivered",
                "on the phone",
                at_least(DeliveryState::Delivered),
            ),
            step("read", "read", at_least(DeliveryState::Read)),
        ]
    }
}
