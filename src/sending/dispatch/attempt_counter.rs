//! Counts attempts by account and outcome since the process started.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::ids::AccountId;

/// Clones share the counts.
#[derive(Clone, Debug)]
pub struct AttemptCounter(Family<AttemptLabels, Counter>);

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AttemptLabels {
    account: String,
    outcome: &'static str,
}

impl AttemptCounter {
    /// Creates a counter at zero for every account and outcome, so that all are exported from the
    /// start.
    pub fn new<'a>(accounts: impl Iterator<Item = &'a AccountId>) -> Self {
        let attempt_counter = Self(Family::default());
        for account in accounts {
            for outcome in AttemptOutcome::ENDED {
                drop(attempt_counter.0.get_or_create(&labels(account, outcome)));
            }
        }
        attempt_counter
    }

    pub(super) fn count(&self, account: &AccountId, outcome: AttemptOutcome) {
        self.0.get_or_create(&labels(account, outcome)).inc();
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "attempts",
            "Attempts to submit a message, by account and outcome",
            self.0.clone(),
        );
    }
}

fn labels(account: &AccountId, outcome: AttemptOutcome) -> AttemptLabels {
    AttemptLabels {
        account: account.to_string(),
        outcome: outcome.as_str(),
    }
}
