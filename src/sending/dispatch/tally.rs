//! How attempts to hand messages over ended, by account: counted since the process started.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::domain::ids::AccountId;
use crate::store::attempts::AttemptOutcome;

/// Counts of recorded attempts; clones share them. Only configured accounts hand over.
#[derive(Clone, Debug)]
pub struct Tally(Family<Labels, Counter>);

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Labels {
    account: String,
    outcome: &'static str,
}

impl Tally {
    /// Zeros for these accounts, so that what never happened shows as that.
    pub fn new<'a>(accounts: impl Iterator<Item = &'a AccountId>) -> Self {
        let tally = Self(Family::default());
        for account in accounts {
            for outcome in AttemptOutcome::ENDS {
                drop(tally.0.get_or_create(&labels(account, outcome)));
            }
        }
        tally
    }

    /// Counts an attempt whose end is recorded.
    pub(super) fn count(&self, account: &AccountId, outcome: AttemptOutcome) {
        self.0.get_or_create(&labels(account, outcome)).inc();
    }

    /// Adds them to what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "attempts",
            "Attempts to hand a message over, by account and outcome",
            self.0.clone(),
        );
    }
}

fn labels(account: &AccountId, outcome: AttemptOutcome) -> Labels {
    Labels {
        account: account.to_string(),
        outcome: outcome.as_str(),
    }
}
