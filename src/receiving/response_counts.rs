//! How callbacks were answered, and how fast: counted where it costs nothing, shown at `/metrics`.

use std::collections::HashMap;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::ids::AccountId;
use crate::receiving::known_accounts::KnownAccounts;

/// Whose responses are counted when the account is none that is known; strangers must not make time series.
const ELSEWHERE: &str = "";
/// Every status of a refusal; each shows from the start.
const REFUSALS: [u16; 8] = [400, 401, 403, 404, 408, 413, 429, 503];

/// Counts of responses; clones share them.
#[derive(Clone, Debug)]
pub struct Responses {
    of_accounts: HashMap<AccountId, Classes>,
    elsewhere: Classes,
    by_class: Family<ClassLabels, Counter>,
    refusals: Family<StatusLabel, Counter>,
    seconds: Histogram,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ClassLabels {
    account: String,
    class: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

/// An account's counters: looked up once, so that counting allocates and locks nothing.
#[derive(Clone, Debug)]
struct Classes {
    success: Counter,
    refused: Counter,
    failed: Counter,
}

impl Classes {
    fn of(account: &str, family: &Family<ClassLabels, Counter>) -> Self {
        let counter = |class| {
            family.get_or_create_owned(&ClassLabels {
                account: account.to_owned(),
                class,
            })
        };
        Self {
            success: counter("2xx"),
            refused: counter("4xx"),
            failed: counter("5xx"),
        }
    }

    fn count(&self, status: u16) {
        match status {
            0..400 => self.success.inc(),
            400..500 => self.refused.inc(),
            _ => self.failed.inc(),
        };
    }
}

impl Responses {
    /// Counters for these accounts.
    pub fn new(accounts: &KnownAccounts) -> Self {
        let by_class = Family::default();
        let refusals = Family::default();
        for status in REFUSALS {
            drop(refusals.get_or_create(&StatusLabel { status }));
        }
        Self {
            of_accounts: accounts
                .ids()
                .map(|id| (id.clone(), Classes::of(id.as_str(), &by_class)))
                .collect(),
            elsewhere: Classes::of(ELSEWHERE, &by_class),
            by_class,
            refusals,
            // From a tenth of a millisecond to six seconds.
            seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 17)),
        }
    }

    /// Counts an answer; the account is absent where the address was not good.
    pub fn count(&self, account: Option<&AccountId>, status: u16) {
        account
            .and_then(|account| self.of_accounts.get(account))
            .unwrap_or(&self.elsewhere)
            .count(status);
        if status >= 400 {
            self.refusals.get_or_create(&StatusLabel { status }).inc();
        }
    }

    /// Notes how long a callback that was whole waited for its answer.
    pub fn note_time(&self, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
    }

    /// Adds them to what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "callback_responses",
            "Answers to callbacks by account and class of status; no account where the address was not good",
            self.by_class.clone(),
        );
        registry.register(
            "callback_refusals",
            "Answers to callbacks other than success, by status",
            self.refusals.clone(),
        );
        registry.register_with_unit(
            "callback_response",
            "Time from a whole callback to its answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }
}
