//! A configured account: credentials, callback authentication and sending rules.

use std::time::Duration;

use chrono_tz::Tz;

use crate::domain::budget::Budget;
use crate::domain::callback_fields::CallbackFields;
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::domain::secret::{Secret, sort_longest_first};

/// Kaleyra's regions; each has its own host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KaleyraRegion {
    /// `api.in.kaleyra.io`
    India,
    /// `api.ap.kaleyra.io`
    Singapore,
    /// `api.eu.kaleyra.io`
    Europe,
}

/// The credentials of an account, and the fixed parts of its requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credentials {
    /// Headers `x-api-key` and `x-api-secret`.
    Sobot {
        api_key: Secret,
        api_secret: Secret,
    },
    Kaleyra {
        /// Absent only where the account has a base URL.
        region: Option<KaleyraRegion>,
        sid: String,
        api_key: Secret,
    },
    Zixflow {
        token: Secret,
        phone_id: String,
    },
    LancePilot {
        token: Secret,
        /// A UUID.
        workspace: String,
    },
}

impl Credentials {
    pub fn provider(&self) -> ProviderId {
        match self {
            Self::Sobot { .. } => ProviderId::Sobot,
            Self::Kaleyra { .. } => ProviderId::Kaleyra,
            Self::Zixflow { .. } => ProviderId::Zixflow,
            Self::LancePilot { .. } => ProviderId::LancePilot,
        }
    }

    /// Longest first, for redaction.
    pub fn secrets(&self) -> Vec<&Secret> {
        let mut secrets = match self {
            Self::Sobot {
                api_key,
                api_secret,
            } => vec![api_key, api_secret],
            Self::Kaleyra { api_key, .. } => vec![api_key],
            Self::Zixflow { token, .. } | Self::LancePilot { token, .. } => vec![token],
        };
        sort_longest_first(&mut secrets);
        secrets
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BasicLogin {
    pub username: String,
    pub password: Secret,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderSecret {
    /// Compared case-insensitively.
    pub name: String,
    pub value: Secret,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HmacSignature {
    /// `X-Hub-Signature-256` for Meta.
    pub header: String,
    /// A signature with any of these keys is valid.
    pub secrets: Vec<Secret>,
}

/// What a callback must present beyond the token in its URL: every configured kind must pass, with
/// any of its entries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackAuth {
    pub basic: Vec<BasicLogin>,
    pub header: Vec<HeaderSecret>,
    pub hmac: Option<HmacSignature>,
    /// For Meta's `hub.challenge`.
    pub verify_token: Option<Secret>,
}

/// The reference that carries the correlation tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CorrelationSlot {
    /// The first empty one of ref2, ref1, ref; else the first of them with room.
    #[default]
    Auto,
    Ref,
    Ref1,
    Ref2,
}

/// Whether and when an orphan becomes a message "sent elsewhere".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adoption {
    After(Duration),
    Off,
}

/// Whether a report without a known id may be matched by its recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchBy {
    /// If account, recipient and kind fit exactly one message that has no provider id.
    Recipient,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AccountMode {
    #[default]
    Live,
    /// Messages are validated and stored, but never submitted.
    DryRun,
}

/// What is done with the media of a message before it is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Preflight {
    /// It is not fetched.
    Off,
    /// Each problem with it is a warning.
    #[default]
    Warn,
    /// A message whose media has a problem is refused.
    Refuse,
}

/// What happens to a free-form message whose recipient's 24-hour window is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WindowPolicy {
    Ignore,
    /// It is accepted with a warning.
    #[default]
    Warn,
    Refuse,
}

/// The zone of provider times without a zone, unless the account configures another. No provider
/// documents a different zone.
pub const DEFAULT_PROVIDER_TIME_ZONE: Tz = Tz::UTC;

#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    pub id: AccountId,
    pub credentials: Credentials,
    /// Business numbers, `+` and digits; the first is the default.
    pub senders: Vec<String>,
    /// Replaces scheme and host of the provider's API; without a trailing slash.
    pub base_url: Option<String>,
    pub callback_auth: CallbackAuth,
    /// The version of the account's callback URL; a higher one gives a new URL.
    pub callback_generation: u32,
    /// Versions of the URL that are no longer accepted.
    pub callback_retired: Vec<u32>,
    pub callback_fields: CallbackFields,
    /// The zone of the provider's times without one.
    pub provider_time_zone: Tz,
    pub correlation_slot: CorrelationSlot,
    pub adoption: Adoption,
    pub match_by: MatchBy,
    /// The ISO 3166 country of numbers without a country code, such as `IN`.
    pub default_country: Option<String>,
    /// A message becomes overdue this long after its submission or last status receipt (`deadline`).
    pub report_deadline: Duration,
    /// The total timeout of one call.
    pub timeout: Duration,
    /// How long a message may be queued before it fails as expired (`send_before`).
    pub max_queue_time: Duration,
    /// The limit in messages per second.
    pub rate: Option<f64>,
    /// The most concurrent submissions of one process.
    pub max_in_flight: usize,
    pub mode: AccountMode,
    pub preflight: Preflight,
    pub window_policy: WindowPolicy,
    /// Free deliveries per sender and month, among those whose cost comes from a rate
    /// (`free_per_month`).
    pub free_deliveries_per_month: u32,
    pub monthly_budget: Option<Budget>,
}

impl Account {
    pub fn provider(&self) -> ProviderId {
        self.credentials.provider()
    }
}
