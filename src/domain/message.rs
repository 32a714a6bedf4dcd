//! A message before and after it is stored.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::delivery::{DeliveryState, Pricing, QueueWord, Stage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::media::{Media, MediaKind};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider::ProviderId;

/// The longest reference a provider carries, in characters, our tag included.
pub const REFERENCE_LIMIT: usize = 255;
/// The longest customer name, in characters.
pub const NAME_LIMIT: usize = 256;
/// The most provider ids that one message may collect.
pub const PROVIDER_IDS_LIMIT: usize = 16;

/// How long after the hand-over a report without a known id may be matched by its recipient.
pub const MATCH_WINDOW: TimeDelta = TimeDelta::minutes(15);
/// Why a message that was accepted in dry-run stays in the queue.
pub const DRY_RUN_HOLD: &str = "dry-run: nothing is sent";

/// How we came to know a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// Sent through our API or dashboard.
    Api,
    /// Sent by other means; registered by the caller or adopted from callbacks.
    Observed,
    /// Accepted while the account was in dry-run: never handed to a provider.
    DryRun,
    /// Heard of only in callbacks and not adopted yet: listed as an orphan, counted nowhere.
    Provisional,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 4] = [Self::Api, Self::Observed, Self::DryRun, Self::Provisional];

    /// The word used in JSON, URLs and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Observed => "observed",
            Self::DryRun => "dry-run",
            Self::Provisional => "provisional",
        }
    }

    /// Whether we accepted it from a caller; the others are known from somebody else's word.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Api | Self::DryRun)
    }
}

/// A word that names no origin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an origin")]
pub struct NotAnOrigin(pub String);

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        Self::ALL
            .into_iter()
            .find(|origin| origin.as_str() == text)
            .ok_or_else(|| NotAnOrigin(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The three texts that Kaleyra echoes in callbacks; for other providers we keep them ourselves.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct References {
    /// `ref`.
    pub reference: Option<String>,
    /// `ref1`.
    pub reference1: Option<String>,
    /// `ref2`.
    pub reference2: Option<String>,
}

/// Options that only some providers know; [`crate::domain::provider::Capabilities::options`] says which.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SendOptions {
    /// Kaleyra's `wa_source`.
    pub wa_source: Option<String>,
    /// Zixflow's `source`.
    pub source: Option<String>,
    /// Zixflow's `linkWithRecord`.
    pub link_with_record: Option<bool>,
}

/// A message whose every field was checked, not yet stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// The account it goes through.
    pub account: AccountId,
    /// That account's provider.
    pub provider: ProviderId,
    /// `api` or `dry-run`.
    pub origin: Origin,
    /// The business number it is sent from, where the account names any.
    pub sender: Option<String>,
    /// The customer's number.
    pub recipient: PhoneNumber,
    /// The customer's name (Sobot requires it).
    pub name: Option<String>,
    /// What is sent.
    pub media: Media,
    /// The caller's three texts, without our tag.
    pub references: References,
    /// The caller's own reference, never sent.
    pub client_reference: Option<String>,
    /// Provider options.
    pub options: SendOptions,
    /// The message that this one repeats by an operator's decision.
    pub resend_of: Option<MessageId>,
}

/// What a provider adapter needs to know to hand a message over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Our id; the correlation tag and the report address are made from it.
    pub id: MessageId,
    /// The validated message.
    pub draft: Draft,
    /// The signed address for this message's reports, complete: `{public_url}/reports/{token}`.
    pub report_url: String,
}

/// A provider's id of a message, and when we learned it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LearnedId {
    /// The id.
    pub id: ProviderMessageId,
    /// When it was bound to the message.
    pub learned_at: DateTime<Utc>,
}

/// How a report without any known id found its message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MatchedBy {
    /// Account, recipient and kind fitted exactly one message.
    Recipient,
    /// A person decided.
    Operator,
}

impl MatchedBy {
    /// The word used in JSON and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Operator => "operator",
        }
    }
}

/// A word that names no way of matching.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no way of matching")]
pub struct NotAMatch(pub String);

impl FromStr for MatchedBy {
    type Err = NotAMatch;

    fn from_str(text: &str) -> Result<Self, NotAMatch> {
        [Self::Recipient, Self::Operator]
            .into_iter()
            .find(|way| way.as_str() == text)
            .ok_or_else(|| NotAMatch(text.to_owned()))
    }
}

/// The failure as it is listed: code, words and class.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedFailure {
    /// Code and words.
    pub failure: Failure,
    /// Who can mend it.
    pub class: FailureClass,
    /// When it happened.
    pub at: DateTime<Utc>,
}

/// A stored message with the result of the last fold, as lists, pages and exports show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Our id.
    pub id: MessageId,
    /// The account it went through.
    pub account: AccountId,
    /// That account's provider.
    pub provider: ProviderId,
    /// How we came to know it.
    pub origin: Origin,
    /// Business number, `+` and digits.
    pub sender: Option<String>,
    /// Customer: phone digits, or whatever a callback named.
    pub recipient: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// Image or video; absent where only callbacks told of it.
    pub kind: Option<MediaKind>,
    /// What was sent; absent where only callbacks told of it.
    pub media: Option<Media>,
    /// The caller's three texts, without our tag.
    pub references: References,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// Provider options.
    pub options: SendOptions,
    /// What the send queue says.
    pub queue: QueueWord,
    /// Why it waits: the account's pause, the last refusal that will be retried.
    pub hold: Option<String>,
    /// The one word.
    pub state: DeliveryState,
    /// On the phone, and reported as failed.
    pub conflict: bool,
    /// When silence becomes `overdue`; absent where nothing is awaited.
    pub due_at: Option<DateTime<Utc>>,
    /// Instants by [`Stage::index`], queued to played, reported, inferred or implied.
    pub stages: [Option<DateTime<Utc>>; 6],
    /// The failure that is shown.
    pub failure: Option<ListedFailure>,
    /// What it cost.
    pub pricing: Pricing,
    /// The wamid if any is known, else the send reply's id.
    pub provider_id: Option<ProviderMessageId>,
    /// How a report without id found it.
    pub matched_by: Option<MatchedBy>,
    /// The message that this one repeats.
    pub resend_of: Option<MessageId>,
    /// The message that repeats this one.
    pub resent_as: Option<MessageId>,
    /// When we accepted or first heard of it.
    pub created_at: DateTime<Utc>,
    /// When anything shown last changed.
    pub updated_at: DateTime<Utc>,
}

impl Message {
    /// Whether nothing was heard within the account's deadline.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.due_at.is_some_and(|due| due <= now)
    }

    /// When it entered our queue; absent for a message that was sent elsewhere.
    pub fn queued_at(&self) -> Option<DateTime<Utc>> {
        self.origin.is_ours().then_some(self.created_at)
    }

    /// When a stage was reached.
    pub fn stage(&self, stage: Stage) -> Option<DateTime<Utc>> {
        self.stages[stage.index()]
    }
}
