//! What the simulator is reply_result before it starts: whom it knows, where its callbacks go, how fast and how badly behaved it is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::{Clock, SystemClock};
use crate::domain::provider::ProviderId;
use crate::simulator::chaos::Chaos;
use crate::simulator::event_plan::PlannedOutcome;

/// Everything that can be set.
#[derive(Clone)]
pub struct Settings {
    /// The same seed and the same sequence of sends give the same fates.
    pub seed: u64,
    /// Factor on every delay: 1 is lively, 0 is at once.
    pub pace: f64,
    /// Who releases callbacks.
    pub delivery: Delivery,
    /// Where callbacks go.
    pub targets: CallbackTargets,
    /// Who may call Sobot's API.
    pub sobot: SobotSettings,
    /// Who may call Kaleyra's API, and what it thinks of the account.
    pub kaleyra: KaleyraSettings,
    /// Who may call Zixflow's API, and how often its reply names no id.
    pub zixflow: ZixflowSettings,
    /// Who may call LancePilot's API.
    pub lancepilot: LancePilotSettings,
    /// Misbehaviour, as shares of all callbacks.
    pub chaos: Chaos,
    /// Every message ends like this; absent, the rng decide.
    pub planned_outcome: Option<PlannedOutcome>,
    /// Share of read messages that the customer answers, which makes an inbound callback.
    pub answered_share: f64,
    /// Where the oracle's NDJSON is written; also kept current while the simulator is idle.
    pub oracle: Option<PathBuf>,
    /// How many of the latest requests [`crate::simulator::SimulatorHandle::received`] remembers.
    pub remembered_requests: usize,
    /// Callbacks waiting beyond this number make the send APIs answer 503 until some are gone.
    pub queue_limit: usize,
    /// Callbacks on their way at the same time, at most.
    pub concurrency: usize,
    /// How long `stop` goes on posting what is still queued; zero forgets it.
    pub drain: Duration,
    /// Where timestamps come from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            pace: 1.0,
            delivery: Delivery::Timed,
            targets: CallbackTargets::default(),
            sobot: SobotSettings::default(),
            kaleyra: KaleyraSettings::default(),
            zixflow: ZixflowSettings::default(),
            lancepilot: LancePilotSettings::default(),
            chaos: Chaos::none(),
            planned_outcome: None,
            answered_share: 0.1,
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
            .field("delivery", &self.delivery)
            .field("chaos", &self.chaos)
            .finish_non_exhaustive()
    }
}

/// Who releases callbacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Time does.
    Timed,
    /// `deliver_due` and `deliver_all` do, in order; nothing is posted by itself.
    Manual,
}

/// Where the callbacks of each provider's account go. Without a target they are not made.
///
/// Zixflow's delivery reports go to each message's own `reportURL`; its target here receives inbound messages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackTargets(BTreeMap<&'static str, CallbackTarget>);

impl CallbackTargets {
    /// The same targets with one more.
    #[must_use]
    pub fn with(mut self, provider: ProviderId, target: impl Into<CallbackTarget>) -> Self {
        self.0.insert(provider.as_str(), target.into());
        self
    }

    /// The target of one provider.
    pub fn find(&self, provider: ProviderId) -> Option<&CallbackTarget> {
        self.0.get(provider.as_str())
    }
}

/// One address for callbacks and what they present there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackTarget {
    /// The address.
    pub url: String,
    /// Static headers, as configured in the provider's console (Kaleyra, Zixflow).
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

/// Sobot's view of its one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SobotSettings {
    /// Accepted `x-api-key`.
    pub api_key: String,
    /// Accepted `x-api-secret`.
    pub api_secret: String,
    /// The business number, digits; its country code completes short numbers.
    pub number: String,
    /// Which HTTP status refusals carry; the documentation does not say.
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

/// Which HTTP status a refusal carries beside the `code` in its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalStatus {
    /// The body's code.
    SameAsCode,
    /// Always 200; only the body tells.
    AlwaysOk,
}

/// Kaleyra's view of its one account.
#[derive(Clone, PartialEq, Debug)]
pub struct KaleyraSettings {
    /// Accepted SID.
    pub sid: String,
    /// Accepted `api-key`.
    pub api_key: String,
    /// A key that is known, but whose account may not use this API: `WA-401` with `account`.
    pub restricted_api_key: String,
    /// Sender numbers of the account, `+` and digits.
    pub senders: Vec<String>,
    /// Sender numbers of the account that belong to the older API: `WA-401` with `phone_number`.
    pub older_senders: Vec<String>,
    /// Messages the balance is good for; then `E110`. Absent: any number.
    pub balance: Option<u64>,
    /// Share of sends answered `WA500`.
    pub internal_error_share: f64,
    /// Share of messages that Kaleyra itself does not hand on ("not sent": the number opted out).
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

/// Zixflow's view of its one account.
#[derive(Clone, PartialEq, Debug)]
pub struct ZixflowSettings {
    /// Accepted bearer token.
    pub token: String,
    /// Accepted `phoneId`.
    pub phone_id: String,
    /// Share of accepted messages whose reply names no id although `submissionStatus` was true.
    pub bare_reply_share: f64,
    /// Share of reports that come as a form instead of JSON.
    pub form_report_share: f64,
}

impl Default for ZixflowSettings {
    fn default() -> Self {
        Self {
            token: "zixflow-token".to_owned(),
            phone_id: "104898309288001".to_owned(),
            bare_reply_share: 0.25,
            form_report_share: 0.25,
        }
    }
}

/// LancePilot's view of its one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LancePilotSettings {
    /// Accepted bearer token.
    pub token: String,
    /// The one workspace that exists, a UUID.
    pub workspace: String,
    /// The business number, digits.
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
