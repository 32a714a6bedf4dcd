//! Messages: drafts, outgoing messages and stored messages.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::media::{Media, MediaKind};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider::ProviderId;
use crate::domain::receipt::Pricing;
use crate::domain::template::Template;

/// The longest reference in characters, including the correlation tag.
pub const REFERENCE_LIMIT: usize = 255;
/// In characters.
pub const NAME_LIMIT: usize = 256;
/// The most provider ids that one message can have.
pub const PROVIDER_IDS_LIMIT: usize = 16;

/// How long after the submission a report without a known id may be matched by its recipient.
pub const MATCH_WINDOW: TimeDelta = TimeDelta::minutes(15);
/// The hold reason of a message accepted in dry-run.
pub const DRY_RUN_HOLD: &str = "dry-run: nothing is sent";

/// How a message became known.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Display,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum Origin {
    /// Sent through the API or the dashboard.
    Api,
    /// Sent by other means: registered by a caller, or adopted from callbacks.
    Observed,
    /// Accepted while the account was in dry-run: never submitted.
    DryRun,
    /// Known only from callbacks and not adopted yet; not counted anywhere.
    #[strum(serialize = "provisional")]
    Orphan,
}
enum_words!(Origin, "an origin");

impl Origin {
    /// Whether the message was accepted by this server.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Api | Self::DryRun)
    }
}

/// The caller's three references. Kaleyra echoes them in callbacks; for other providers they are
/// only stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct References {
    pub reference: Option<String>,
    pub reference1: Option<String>,
    pub reference2: Option<String>,
}

/// Options of single providers; see [`crate::domain::provider::Capabilities::options`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SendOptions {
    pub wa_source: Option<String>,
    pub source: Option<String>,
    pub link_with_record: Option<bool>,
}

/// A validated message that is not stored yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageDraft {
    pub account: AccountId,
    pub provider: ProviderId,
    pub origin: Origin,
    /// The business number, where the account has one.
    pub sender: Option<String>,
    pub recipient: PhoneNumber,
    pub name: Option<String>,
    pub media: Media,
    /// Without the correlation tag.
    pub references: References,
    /// Never sent to the provider.
    pub client_reference: Option<String>,
    pub options: SendOptions,
    /// The message that this one resends.
    pub resend_of: Option<MessageId>,
    pub campaign: Option<CampaignId>,
    /// The approved template whose header is the media; absent for a free-form message.
    pub template: Option<Template>,
}

/// What a provider needs for a submission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutgoingMessage {
    /// The correlation tag and the report URL are derived from it.
    pub id: MessageId,
    pub draft: MessageDraft,
    /// The signed report URL of this message: `{public_url}/reports/{token}`.
    pub report_url: String,
}

/// How a report without a known id was matched to its message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum MatchedBy {
    /// Account, recipient and kind fit exactly one message.
    Recipient,
    /// An operator matched them.
    Operator,
}
enum_words!(MatchedBy, "a way of matching");

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageFailure {
    pub failure: Failure,
    pub class: FailureClass,
    pub at: DateTime<Utc>,
}

/// A stored message with the result of the last fold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub id: MessageId,
    pub account: AccountId,
    pub provider: ProviderId,
    pub origin: Origin,
    /// The business number: `+` and digits.
    pub sender: Option<String>,
    /// Phone digits, or the id that a callback named.
    pub recipient: Option<String>,
    pub name: Option<String>,
    /// Absent where the message is known only from callbacks.
    pub kind: Option<MediaKind>,
    /// Absent where the message is known only from callbacks.
    pub media: Option<Media>,
    /// Without the correlation tag.
    pub references: References,
    pub client_reference: Option<String>,
    pub options: SendOptions,
    pub queue: QueueState,
    /// Why it is queued: the account's pause, or the last refusal that will be retried.
    pub hold: Option<String>,
    pub state: DeliveryState,
    /// Delivered or above, and reported as failed.
    pub conflict: bool,
    /// When the message becomes overdue; absent where no report is expected.
    pub due_at: Option<DateTime<Utc>>,
    /// By [`Stage::index`]; reported, inferred or implied.
    pub stages: [Option<DateTime<Utc>>; 6],
    pub failure: Option<MessageFailure>,
    pub pricing: Pricing,
    /// The country of an erased recipient, by which deliveries are charged.
    pub erased_country: Option<String>,
    /// How many recipients it reached: more than one in a group.
    pub deliveries: i64,
    /// The wamid if one is known, else the id of the send reply.
    pub provider_id: Option<ProviderMessageId>,
    pub matched_by: Option<MatchedBy>,
    /// The message that this one resends.
    pub resend_of: Option<MessageId>,
    /// The message that resends this one.
    pub resent_as: Option<MessageId>,
    pub campaign: Option<CampaignId>,
    /// When it was accepted, or first reported.
    pub created_at: DateTime<Utc>,
    /// The time at which statistics and costs count it: its first attempt, until then `created_at`.
    pub counted_at: DateTime<Utc>,
    /// When anything that is shown last changed.
    pub updated_at: DateTime<Utc>,
    pub template: Option<Template>,
}

impl Message {
    /// Whether nothing was reported within the account's deadline.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.due_at.is_some_and(|due| due <= now)
    }

    /// Absent for a message that was sent elsewhere.
    pub fn queued_at(&self) -> Option<DateTime<Utc>> {
        self.origin.is_ours().then_some(self.created_at)
    }

    pub fn stage(&self, stage: Stage) -> Option<DateTime<Utc>> {
        self.stages[stage.index()]
    }
}
