//! Alerts: conditions that the operator is notified of once when they begin and once when they end.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::AccountId;
use crate::domain::secret::Secret;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum AlertKind {
    /// Share of the last hour's messages that failed.
    FailureRate,
    /// Seconds without a callback while messages were sent.
    Silent,
    /// Seconds since an account stopped sending after failures.
    Tripped,
    /// Overdue messages.
    Overdue,
    /// Queued messages.
    Backlog,
    /// The amount spent in a month; a threshold of 0 means 80 % of each `monthly_budget`.
    Budget,
    /// Callbacks in quarantine, of all accounts together.
    Quarantine,
}
enum_words!(AlertKind, "a kind of alert");

impl AlertKind {
    pub fn default_threshold(self) -> f64 {
        match self {
            Self::FailureRate => 0.2,
            Self::Silent => 900.0,
            Self::Tripped | Self::Budget => 0.0,
            Self::Overdue => 10.0,
            Self::Backlog => 10_000.0,
            Self::Quarantine => 1.0,
        }
    }

    pub fn is_per_account(self) -> bool {
        self != Self::Quarantine
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum AlertFormat {
    /// Standard Webhooks: JSON with a signature in the headers.
    #[default]
    Standard,
    /// A message for an incoming webhook of Slack.
    Slack,
}
enum_words!(AlertFormat, "an alert format");

#[derive(Clone, PartialEq, Debug)]
pub struct AlertRule {
    pub kind: AlertKind,
    /// The alert begins when the value reaches it.
    pub threshold: f64,
    /// `None`: every account separately.
    pub account: Option<AccountId>,
    /// Receives notifications; without one, incidents are only shown.
    pub url: Option<String>,
    pub format: AlertFormat,
    /// Signs notifications; `None`: the key derived from the secret key.
    pub secret: Option<Secret>,
}

impl AlertRule {
    /// Identifies the rule wherever it is in the file. Contains the URL, which may be a secret.
    pub fn identity(&self) -> String {
        let account = self.account.as_ref().map_or("", AccountId::as_str);
        let url = self.url.as_deref().unwrap_or_default();
        let (kind, format) = (self.kind.as_str(), self.format.as_str());
        format!("{kind} {} {account} {format} {url}", self.threshold)
    }
}
