//! What a list may be narrowed to, and the place in it where a page ended.

use chrono::{DateTime, Utc};

use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;

/// Which messages to list; every given condition must hold. Messages known only from callbacks are never listed here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageFilter {
    /// Account.
    pub account: Option<AccountId>,
    /// Provider.
    pub provider: Option<ProviderId>,
    /// Business number, `+` and digits.
    pub sender: Option<String>,
    /// Any of these states; empty for all.
    pub states: Vec<DeliveryState>,
    /// Image or video.
    pub kind: Option<MediaKind>,
    /// The customer's whole number, digits.
    pub recipient: Option<String>,
    /// Exactly this text in any reference slot or as client reference.
    pub reference: Option<String>,
    /// Any id that the provider used.
    pub provider_id: Option<String>,
    /// Failure code.
    pub code: Option<String>,
    /// Failure class.
    pub class: Option<FailureClass>,
    /// On the phone and reported as failed, or not.
    pub conflict: Option<bool>,
    /// Overdue at this instant.
    pub overdue_at: Option<DateTime<Utc>>,
    /// Not overdue at this instant.
    pub on_time_at: Option<DateTime<Utc>>,
    /// How we came to know it.
    pub origin: Option<Origin>,
    /// Sent again as a new message, or not.
    pub resent: Option<bool>,
    /// Put aside by an operator, or not.
    pub put_aside: Option<bool>,
    /// Created at or after.
    pub created_after: Option<DateTime<Utc>>,
    /// Created before.
    pub created_before: Option<DateTime<Utc>>,
    /// The search box; any of these fits.
    pub search: Vec<Search>,
}

/// One reading of what was typed into the search box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Search {
    /// Our id.
    Id(MessageId),
    /// A provider's id, whole.
    ProviderId(String),
    /// The customer's whole number, digits.
    Phone(String),
    /// How the customer's number begins, digits.
    PhonePrefix(String),
    /// How the customer's number ends, digits.
    PhoneSuffix(String),
    /// How a reference begins.
    ReferencePrefix(String),
}

/// Where a page ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Creation of the last message shown.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: MessageId,
}
