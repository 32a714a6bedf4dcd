//! Settings of the simulator: credentials, callback targets, speed and faults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::{Clock, SystemClock};
use crate::domain::provider::ProviderId;
use crate::simulator::fault_rates::FaultRates;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlannedOutcome {
    /// No callback.
    Silent,
    /// `sent`, then nothing.
    Sent,
    Delivered,
    Read,
    Played,
    Failed,
    /// Not submitted to WhatsApp. Only Kaleyra reports this; the others report a failure.
    NotSent,
}

#[derive(Clone)]
pub struct Settings {
    /// The same seed and the same sequence of sends give the same outcomes.
    pub seed: u64,
    /// Factor for every delay; 0 means no delay.
    pub pace: f64,
    pub release: CallbackRelease,
    pub targets: CallbackTargets,
    pub sobot: SobotSettings,
    pub kaleyra: KaleyraSettings,
    pub zixflow: ZixflowSettings,
    pub lancepilot: LancePilotSettings,
    pub faults: FaultRates,
    /// Outcome of every message; `None`: random.
    pub outcome: Option<PlannedOutcome>,
    /// Share of read messages that the customer replies to, which creates an inbound callback.
    pub customer_reply_share: f64,
    /// NDJSON file for the expected states; also updated while the simulator is idle.
    pub oracle: Option<PathBuf>,
    /// Number of requests kept for [`crate::simulator::SimulatorHandle::received`].
    pub remembered_requests: usize,
    /// With more queued callbacks than this the send APIs reply 503.
    pub queue_limit: usize,
    /// Maximum number of callbacks being posted at the same time.
    pub concurrency: usize,
    /// How long `stop` continues to post queued callbacks.
    pub drain: Duration,
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            pace: 1.0,
            release: CallbackRelease::Timed,
            targets: CallbackTargets::default(),
            sobot: SobotSettings::default(),
            kaleyra: KaleyraSettings::default(),
            zixflow: ZixflowSettings::default(),
            lancepilot: LancePilotSettings::default(),
            faults: FaultRates::none(),
            outcome: None,
            customer_reply_share: 0.1,
            oracle: None,
            remembered_requests: 1_000,
            queue_limit: 200_000,
            concurrency: 32,
            drain: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Settings")
            .field("seed", &self.seed)
            .field("pace", &self.pace)
            .field("release", &self.release)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallbackRelease {
    /// Callbacks are posted when they are due.
    Timed,
    /// Callbacks are posted only by `deliver_next` and `deliver_all`, in order.
    Manual,
}

/// Callback URLs by provider. Callbacks without a target are not created.
///
/// Zixflow's status callbacks go to each message's `reportURL`; its target here receives inbound
/// messages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackTargets(BTreeMap<&'static str, CallbackTarget>);

impl CallbackTargets {
    #[must_use]
    pub fn with(mut self, provider: ProviderId, target: impl Into<CallbackTarget>) -> Self {
        self.0.insert(provider.as_str(), target.into());
        self
    }

    pub fn find(&self, provider: ProviderId) -> Option<&CallbackTarget> {
        self.0.get(provider.as_str())
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackTarget {
    pub url: String,
    /// Static headers as configured in the provider's console (Kaleyra, Zixflow).
    pub headers: Vec<(String, String)>,
}

impl From<String> for CallbackTarget {
    fn from(url: String) -> Self {
        Self {
            url,
            headers: Vec::new(),
        }
    }
}

impl From<&str> for CallbackTarget {
    fn from(url: &str) -> Self {
        Self::from(url.to_owned())
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SobotSettings {
    pub api_key: String,
    pub api_secret: String,
    /// The sender number, digits only; its country code completes short numbers.
    pub number: String,
    /// HTTP status of refusals, which the documentation does not specify.
    pub refusal_status: RefusalStatus,
}

impl Default for SobotSettings {
    fn default() -> Self {
        Self {
            api_key: "sobot-key".to_owned(),
            api_secret: "sobot-secret".to_owned(),
            number: "919000000001".to_owned(),
            refusal_status: RefusalStatus::SameAsCode,
        }
    }
}

/// HTTP status of a refusal, which also has a `code` in its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalStatus {
    /// Equals the code in the body.
    SameAsCode,
    /// Always 200; only the body says that it failed.
    AlwaysOk,
}

#[derive(Clone, PartialEq, Debug)]
pub struct KaleyraSettings {
    pub sid: String,
    pub api_key: String,
    /// A valid key whose account may not use this API: `WA-401` with `account`.
    pub restricted_api_key: String,
    /// Sender numbers of the account, `+` and digits.
    pub senders: Vec<String>,
    /// Sender numbers of the account that belong to the older API: `WA-401` with `phone_number`.
    pub older_senders: Vec<String>,
    /// Number of messages before `E110`; `None`: unlimited.
    pub balance: Option<u64>,
    /// Share of send requests whose reply is `WA500`.
    pub internal_error_share: f64,
    /// Share of messages that Kaleyra does not submit ("not sent": the number opted out).
    pub not_sent_share: f64,
}

impl Default for KaleyraSettings {
    fn default() -> Self {
        Self {
            sid: "HXAP1700000000IN".to_owned(),
            api_key: "kaleyra-key".to_owned(),
            restricted_api_key: "kaleyra-restricted-key".to_owned(),
            senders: vec!["+919000000002".to_owned()],
            older_senders: vec!["+919000000092".to_owned()],
            balance: None,
            internal_error_share: 0.0,
            not_sent_share: 0.02,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct ZixflowSettings {
    pub token: String,
    pub phone_id: String,
    /// Share of replies without id although `submissionStatus` was true.
    pub reply_without_id_share: f64,
    /// Share of status callbacks sent as a form instead of JSON.
    pub form_report_share: f64,
}

impl Default for ZixflowSettings {
    fn default() -> Self {
        Self {
            token: "zixflow-token".to_owned(),
            phone_id: "104898309288001".to_owned(),
            reply_without_id_share: 0.25,
            form_report_share: 0.25,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LancePilotSettings {
    pub token: String,
    pub workspace: String,
    /// The sender number, digits only.
    pub number: String,
}

impl Default for LancePilotSettings {
    fn default() -> Self {
        Self {
            token: "lancepilot-token".to_owned(),
            workspace: "9c0e1b1e-0000-4000-8000-00000000000a".to_owned(),
            number: "551130000001".to_owned(),
        }
    }
}
