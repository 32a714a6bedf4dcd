//! Words that providers and the rest share: accounts, capabilities, and the closed catalogue of what sending can end in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::failure::{Failure, UNCLEAR_WORDS, UNREACHABLE, UNREACHABLE_WORDS};
use crate::domain::ids::{AccountId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::secret::{Secret, longest_first};

/// One of the companies that hand messages to WhatsApp.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ProviderId {
    /// sobot.in, by EffCode.
    Sobot,
    /// kaleyra.io.
    Kaleyra,
    /// zixflow.com, campaign API.
    Zixflow,
    /// lancepilot.com.
    LancePilot,
}

impl ProviderId {
    /// Every provider, in the order they are listed.
    pub const ALL: [Self; 4] = [Self::Sobot, Self::Kaleyra, Self::Zixflow, Self::LancePilot];

    /// The word used in configuration, JSON, URLs and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sobot => "sobot",
            Self::Kaleyra => "kaleyra",
            Self::Zixflow => "zixflow",
            Self::LancePilot => "lancepilot",
        }
    }

    /// The name as the company writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sobot => "Sobot",
            Self::Kaleyra => "Kaleyra",
            Self::Zixflow => "Zixflow",
            Self::LancePilot => "LancePilot",
        }
    }
}

/// A word that names no provider.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a provider; use sobot, kaleyra, zixflow or lancepilot")]
pub struct NotAProvider(pub String);

impl FromStr for ProviderId {
    type Err = NotAProvider;

    fn from_str(text: &str) -> Result<Self, NotAProvider> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == text)
            .ok_or_else(|| NotAProvider(text.to_owned()))
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Kaleyra's pods; each is a host of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KaleyraRegion {
    /// `api.in.kaleyra.io`
    India,
    /// `api.ap.kaleyra.io`
    Singapore,
    /// `api.eu.kaleyra.io`
    Europe,
}

/// What each provider wants to see before it takes a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credentials {
    /// Headers `x-api-key` and `x-api-secret`.
    Sobot {
        /// The key.
        api_key: Secret,
        /// Its secret.
        api_secret: Secret,
    },
    /// Header `api-key`, and the SID in the path.
    Kaleyra {
        /// The pod; absent only where the account has a base URL.
        region: Option<KaleyraRegion>,
        /// Account SID.
        sid: String,
        /// The key.
        api_key: Secret,
    },
    /// A bearer token, and the phone id in the body.
    Zixflow {
        /// The token.
        token: Secret,
        /// WhatsApp's id of the sender number.
        phone_id: String,
    },
    /// A bearer token, and the workspace in the path.
    LancePilot {
        /// The token.
        token: Secret,
        /// The workspace's UUID.
        workspace: String,
    },
}

impl Credentials {
    /// The provider these belong to.
    pub fn provider(&self) -> ProviderId {
        match self {
            Self::Sobot { .. } => ProviderId::Sobot,
            Self::Kaleyra { .. } => ProviderId::Kaleyra,
            Self::Zixflow { .. } => ProviderId::Zixflow,
            Self::LancePilot { .. } => ProviderId::LancePilot,
        }
    }

    /// Everything in them that nobody may see, longest first.
    pub fn secrets(&self) -> Vec<&Secret> {
        let mut secrets = match self {
            Self::Sobot {
                api_key,
                api_secret,
            } => vec![api_key, api_secret],
            Self::Kaleyra { api_key, .. } => vec![api_key],
            Self::Zixflow { token, .. } | Self::LancePilot { token, .. } => vec![token],
        };
        longest_first(&mut secrets);
        secrets
    }
}

/// A user name and password that a provider must present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BasicLogin {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// A header that a provider must present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderSecret {
    /// Header name, compared without case.
    pub name: String,
    /// The exact value.
    pub value: Secret,
}

/// A signature over the raw body that a provider must present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HmacSignature {
    /// Header name, `X-Hub-Signature-256` for Meta.
    pub header: String,
    /// Keys, any of which may have signed.
    pub secrets: Vec<Secret>,
}

/// What a callback must present beyond the token in its URL. Every kind that is given must pass; within a kind any entry passes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackAuth {
    /// HTTP Basic logins.
    pub basic: Vec<BasicLogin>,
    /// Static headers.
    pub header: Vec<HeaderSecret>,
    /// HMAC-SHA256 over the raw body.
    pub hmac: Option<HmacSignature>,
    /// The token that answers Meta's `hub.challenge`.
    pub verify_token: Option<Secret>,
}

/// Which reference slot carries the correlation tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CorrelationSlot {
    /// The first empty of ref2, ref1, ref; else the first of them with room.
    #[default]
    Auto,
    /// Always `ref`.
    Ref,
    /// Always `ref1`.
    Ref1,
    /// Always `ref2`.
    Ref2,
}

/// Whether a message known only from callbacks becomes one "sent elsewhere".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adoption {
    /// After this long.
    After(Duration),
    /// Never; it stays an orphan.
    Off,
}

/// Whether an event without any id of ours may be matched by its recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchBy {
    /// Account, recipient and kind fit exactly one message that has no provider id.
    Recipient,
    /// Never.
    Off,
}

/// Whether an account really sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Messages go to the provider.
    #[default]
    Live,
    /// Messages are checked, kept, and never handed over.
    DryRun,
}

/// One configured login at a provider.
#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    /// The operator's slug.
    pub id: AccountId,
    /// Keys and fixed parts of requests.
    pub credentials: Credentials,
    /// Business numbers, as `+` and digits; the first is the default.
    pub senders: Vec<String>,
    /// Replaces scheme and host of the provider's API; no trailing slash.
    pub base_url: Option<String>,
    /// What callbacks must present.
    pub callback_auth: CallbackAuth,
    /// The current generation of the callback URL.
    pub callback_generation: u32,
    /// Older generations that no longer work.
    pub callback_retired: Vec<u32>,
    /// Names that the operator chose in callback profiles.
    pub callback_fields: CallbackFields,
    /// Where the tag goes.
    pub correlation_slot: CorrelationSlot,
    /// What becomes of unmatched reports.
    pub adoption: Adoption,
    /// Whether events may be matched by recipient.
    pub match_by: MatchBy,
    /// ISO 3166 country of numbers written without country code, `IN`.
    pub default_country: Option<String>,
    /// How long silence after hand-over is normal.
    pub deadline: Duration,
    /// Total time-out of one call.
    pub timeout: Duration,
    /// How long a message may wait in the queue before it fails as expired.
    pub send_before: Duration,
    /// Messages per second at the most.
    pub rate: Option<f64>,
    /// Live or dry-run.
    pub mode: Mode,
}

impl Account {
    /// The account's provider.
    pub fn provider(&self) -> ProviderId {
        self.credentials.provider()
    }
}

/// What may be handed to a provider as media.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaSources {
    /// A public address.
    pub url: bool,
    /// The id of an asset uploaded before.
    pub id: bool,
    /// The bytes themselves.
    pub upload: bool,
}

/// An option of one provider, by the name callers write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KnownOption {
    /// Kaleyra's `wa_source`.
    WaSource,
    /// Zixflow's `source`.
    Source,
    /// Zixflow's `linkWithRecord`.
    LinkWithRecord,
}

/// What a provider can do, as its documentation says; checked before anything is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent answers, each read by its name in a provider's table"
)]
pub struct Capabilities {
    /// Kinds of media.
    pub kinds: &'static [MediaKind],
    /// Ways to give the media.
    pub sources: MediaSources,
    /// Whether the customer's name is required.
    pub name_required: bool,
    /// Whether the type must be known (given, or told by the address's extension).
    pub mime_type_required: bool,
    /// Whether a sender number must be configured.
    pub sender_required: bool,
    /// Whether references travel to the provider and back, so that one can carry the tag.
    pub carries_references: bool,
    /// Options it knows.
    pub options: &'static [KnownOption],
    /// Largest image, bytes, inclusive.
    pub image_limit: u64,
    /// Largest video, bytes, inclusive.
    pub video_limit: u64,
    /// Whether callbacks tell what happened.
    pub receipts_by_callback: bool,
    /// Whether the status can be asked for.
    pub status_query: bool,
    /// Documented waits before the second, third, … attempt where a reply asks for one but names no time; empty: our own back-off.
    pub retry_schedule: &'static [Duration],
}

impl Capabilities {
    /// The largest file of a kind, bytes, inclusive.
    pub fn size_limit(&self, kind: MediaKind) -> u64 {
        match kind {
            MediaKind::Image => self.image_limit,
            MediaKind::Video => self.video_limit,
        }
    }
}

/// A message that the provider took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accepted {
    /// Ids in the reply that can be kept; none is legal.
    pub ids: Vec<ProviderMessageId>,
    /// What was odd about the reply, in words: an id too long to keep, say.
    pub warnings: Vec<String>,
}

/// Every way in which sending can end without acceptance. The engine branches on the four answers, never on text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The provider said no to this message.
    #[error("the provider refused the message")]
    Refused(Failure),
    /// The provider said no to the account: key, balance, number.
    #[error("the provider refused the account")]
    AccountRefused(Failure),
    /// The provider said no for now and documents that repeating is safe.
    #[error("the provider asks to try again later")]
    TryLater {
        /// What it said.
        failure: Failure,
        /// How long it asks to wait; absent: [`Capabilities::retry_schedule`], else a back-off of our own.
        after: Option<Duration>,
    },
    /// No byte of the request left this machine.
    #[error("the provider could not be reached: {0}")]
    NotReached(String),
    /// Bytes left, and no clear answer came.
    #[error("the outcome is unknown: {0}")]
    Unclear(String),
}

/// What to do after a [`SendError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// Never by itself.
    No,
    /// After a back-off of our own.
    BackOff,
    /// After the time that the provider named.
    After(Duration),
}

impl SendError {
    /// May it be repeated?
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused(_) | Self::AccountRefused(_) | Self::Unclear(_) => Retry::No,
            Self::TryLater {
                after: Some(after), ..
            } => Retry::After(*after),
            Self::TryLater { after: None, .. } | Self::NotReached(_) => Retry::BackOff,
        }
    }

    /// Is it certain that the customer got nothing?
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::Unclear(_))
    }

    /// Would every other message of the account end the same way?
    pub fn pauses_account(&self) -> bool {
        matches!(self, Self::AccountRefused(_))
    }

    /// What the reader of the message page is told.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Refused(failure)
            | Self::AccountRefused(failure)
            | Self::TryLater { failure, .. } => failure.clone(),
            Self::NotReached(reason) | Self::Unclear(reason) => Failure {
                code: matches!(self, Self::NotReached(_)).then(|| UNREACHABLE.to_owned()),
                title: Some(
                    match self {
                        Self::NotReached(_) => UNREACHABLE_WORDS,
                        _ => UNCLEAR_WORDS,
                    }
                    .to_owned(),
                ),
                detail: Some(reason.clone()),
                ..Failure::default()
            },
        }
    }
}
