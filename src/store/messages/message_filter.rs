//! Filters and cursors of message lists.

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::person::HeldId;
use crate::domain::provider::ProviderId;

/// All given conditions must hold. Orphans are never listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageFilter {
    pub account: Option<AccountId>,
    /// The accounts that the caller may access.
    pub limit: AccountLimit,
    pub provider: Option<ProviderId>,
    /// The business number: `+` and digits.
    pub sender: Option<String>,
    /// Any of these states; empty for all.
    pub states: Vec<DeliveryState>,
    pub kind: Option<MediaKind>,
    /// All digits of the phone number, or a user id.
    pub recipient: Option<String>,
    /// Exactly this text in any reference or the client reference.
    pub reference: Option<String>,
    /// Any id that the provider used.
    pub provider_id: Option<String>,
    pub code: Option<String>,
    pub class: Option<FailureClass>,
    /// Delivered and reported as failed, or not.
    pub conflict: Option<bool>,
    /// Overdue at this instant.
    pub overdue_at: Option<DateTime<Utc>>,
    /// Not overdue at this instant.
    pub on_time_at: Option<DateTime<Utc>>,
    pub origin: Option<Origin>,
    /// Resent as a new message, or not.
    pub resent: Option<bool>,
    /// Dismissed by an operator, or not.
    pub dismissed: Option<bool>,
    /// Inclusive.
    pub created_after: Option<DateTime<Utc>>,
    /// Exclusive.
    pub created_before: Option<DateTime<Utc>>,
    /// By the time by which statistics count a message: its first attempt, or its creation while
    /// there is no attempt. Inclusive.
    pub counted_after: Option<DateTime<Utc>>,
    /// Exclusive.
    pub counted_before: Option<DateTime<Utc>>,
    pub campaign: Option<CampaignId>,
    /// Any of these messages; empty for all.
    pub ids: Vec<MessageId>,
    /// Other ids of the customer in `recipient`.
    pub recipient_other_ids: Vec<HeldId>,
    /// Any of these must match.
    pub search: Vec<Search>,
}

impl MessageFilter {
    /// Leaves out the accounts that a caller may not access.
    pub fn limit_to(&mut self, limit: &AccountLimit) {
        self.account = limit.filter_account(self.account.take());
        self.limit = limit.clone();
    }
}

/// One meaning of the text in the search box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Search {
    Id(MessageId),
    /// Complete.
    ProviderId(String),
    /// All digits of the phone number, or a user id.
    Phone(String),
    /// An id of the customer, while it was theirs.
    HeldId(HeldId),
    /// The first digits of the phone number.
    PhonePrefix(String),
    /// The last digits of the phone number.
    PhoneSuffix(String),
    /// Like `PhoneSuffix`, for messages created at or after this instant; fewer digits are enough.
    RecentPhoneSuffix(String, DateTime<Utc>),
    /// The beginning of a reference.
    ReferencePrefix(String),
}

/// The time by which a list is sorted, newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum MessageOrder {
    #[default]
    Created,
    /// Without `created_before`: an old message may have changed a moment ago.
    Changed,
}
enum_words!(MessageOrder, "an order of messages");

/// Where a page ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// When the last message was created, or last changed in a list of that order.
    pub at: DateTime<Utc>,
    pub id: MessageId,
}
