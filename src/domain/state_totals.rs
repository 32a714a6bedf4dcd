//! Message counts by state, and the total that percentages refer to.

use std::collections::BTreeMap;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure_codes;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StateTotals {
    states: BTreeMap<DeliveryState, i64>,
    failed_in_queue: i64,
}

impl StateTotals {
    pub fn new(
        states: impl IntoIterator<Item = (DeliveryState, i64)>,
        failed_in_queue: i64,
    ) -> Self {
        let mut totals = Self {
            failed_in_queue,
            ..Self::default()
        };
        for (state, messages) in states {
            *totals.states.entry(state).or_default() += messages;
        }
        totals
    }

    /// `code` is the failure code, empty without one.
    pub fn add(&mut self, state: DeliveryState, code: &str, messages: i64) {
        *self.states.entry(state).or_default() += messages;
        if state == DeliveryState::Failed && failure_codes::is_queue_code(code) {
            self.failed_in_queue += messages;
        }
    }

    pub fn add_all(&mut self, other: &Self) {
        for (state, messages) in &other.states {
            *self.states.entry(*state).or_default() += messages;
        }
        self.failed_in_queue += other.failed_in_queue;
    }

    pub fn get(&self, state: DeliveryState) -> i64 {
        self.states.get(&state).copied().unwrap_or_default()
    }

    pub fn messages(&self) -> i64 {
        self.states.values().sum()
    }

    /// Messages whose submission began; percentages refer to these. All except those that are
    /// queued, were cancelled, or failed in the queue.
    pub fn attempted(&self) -> i64 {
        let not_attempted = self.get(DeliveryState::Queued) + self.get(DeliveryState::Cancelled);
        self.messages() - not_attempted - self.failed_in_queue
    }

    /// Messages that failed in an attempt or after it.
    pub fn failed_after_attempt(&self) -> i64 {
        self.get(DeliveryState::Failed) - self.failed_in_queue
    }

    /// Messages that failed without an attempt, such as expired ones.
    pub fn failed_in_queue(&self) -> i64 {
        self.failed_in_queue
    }

    /// Messages whose state is this stage or a later one.
    pub fn at_least(&self, lowest: DeliveryState) -> i64 {
        const STAGES: [DeliveryState; 5] = [
            DeliveryState::Submitted,
            DeliveryState::Sent,
            DeliveryState::Delivered,
            DeliveryState::Read,
            DeliveryState::Played,
        ];
        let reached = STAGES.into_iter().filter(|state| *state >= lowest);
        reached.map(|state| self.get(state)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_failed_in_the_queue_are_not_attempted() {
        let mut totals = StateTotals::default();
        for (state, code, messages) in [
            (DeliveryState::Queued, "", 1),
            (DeliveryState::Cancelled, "", 2),
            (DeliveryState::Sending, "", 4),
            (DeliveryState::Uncertain, "", 8),
            (DeliveryState::Read, "", 16),
            (DeliveryState::Failed, "131053", 32),
            (DeliveryState::Failed, failure_codes::EXPIRED, 64),
            (DeliveryState::Failed, failure_codes::UNSENDABLE, 128),
        ] {
            totals.add(state, code, messages);
        }
        assert_eq!(totals.messages(), 255);
        assert_eq!(totals.attempted(), 4 + 8 + 16 + 32);
        assert_eq!(totals.failed_after_attempt(), 32);
        assert_eq!(totals.failed_in_queue(), 64 + 128);
        assert_eq!(totals.at_least(DeliveryState::Delivered), 16);
    }
}
