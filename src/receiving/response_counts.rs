//! Counts and durations of responses to callbacks, for `/metrics`.

use std::collections::HashMap;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::ids::AccountId;
use crate::receiving::known_accounts::KnownAccounts;

/// One label for all unknown accounts, so that outsiders cannot create time series.
const UNKNOWN_ACCOUNT: &str = "";
/// Every error status in use; each is exported from the start.
const ERROR_STATUSES: [u16; 8] = [400, 401, 403, 404, 408, 413, 429, 503];

/// Clones share the counts.
#[derive(Clone, Debug)]
pub struct CallbackResponseCounts {
    by_account: HashMap<AccountId, AccountResponseCounters>,
    unknown_account: AccountResponseCounters,
    by_class: Family<ResponseClassLabels, Counter>,
    errors: Family<StatusLabel, Counter>,
    seconds: Histogram,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ResponseClassLabels {
    account: String,
    class: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

/// An account's counters, looked up once, so that counting needs no allocation and no lock.
#[derive(Clone, Debug)]
struct AccountResponseCounters {
    successes: Counter,
    client_errors: Counter,
    server_errors: Counter,
}

impl AccountResponseCounters {
    fn of(account: &str, family: &Family<ResponseClassLabels, Counter>) -> Self {
        let counter = |class| {
            family.get_or_create_owned(&ResponseClassLabels {
                account: account.to_owned(),
                class,
            })
        };
        Self {
            successes: counter("2xx"),
            client_errors: counter("4xx"),
            server_errors: counter("5xx"),
        }
    }

    fn count(&self, status: u16) {
        match status {
            0..400 => self.successes.inc(),
            400..500 => self.client_errors.inc(),
            _ => self.server_errors.inc(),
        };
    }
}

impl CallbackResponseCounts {
    pub fn new(accounts: &KnownAccounts) -> Self {
        let by_class = Family::default();
        let errors = Family::default();
        for status in ERROR_STATUSES {
            drop(errors.get_or_create(&StatusLabel { status }));
        }
        Self {
            by_account: accounts
                .ids()
                .map(|id| {
                    (
                        id.clone(),
                        AccountResponseCounters::of(id.as_str(), &by_class),
                    )
                })
                .collect(),
            unknown_account: AccountResponseCounters::of(UNKNOWN_ACCOUNT, &by_class),
            by_class,
            errors,
            // 0.1 ms to 6.5 s.
            seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 17)),
        }
    }

    /// `account` is absent if the URL was invalid.
    pub fn count(&self, account: Option<&AccountId>, status: u16) {
        account
            .and_then(|account| self.by_account.get(account))
            .unwrap_or(&self.unknown_account)
            .count(status);
        if status >= 400 {
            self.errors.get_or_create(&StatusLabel { status }).inc();
        }
    }

    /// `took` is the time from the end of the request body to the response.
    pub fn observe_duration(&self, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "callback_responses",
            "Responses to callbacks by account and status class; the account is empty if the URL was invalid",
            self.by_class.clone(),
        );
        registry.register(
            "callback_refusals",
            "Error responses to callbacks, by status",
            self.errors.clone(),
        );
        registry.register_with_unit(
            "callback_response",
            "Time from the end of a callback's body to the response",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }
}
