//! Events of an account that a provider reports: its quality, limits, templates, restrictions.

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::reported_time::ReportedTime;

/// What an account event is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum AccountEventKind {
    /// The quality rating of a business number.
    Quality,
    /// How many customers a number or an account may write to.
    Limit,
    /// The status, category or quality of a template.
    Template,
    /// Restrictions, bans and reviews of the whole account.
    Account,
    /// The name or the security of a business number.
    PhoneNumber,
    /// An error that belongs to no message.
    Error,
    Other,
}
enum_words!(AccountEventKind, "a kind of account event");

/// An account event as a callback reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportedEvent {
    pub kind: AccountEventKind,
    /// What changed, in one line.
    pub title: String,
    /// The value before.
    pub previous: Option<String>,
    /// The value now.
    pub current: Option<String>,
    /// The name of the template, else its id.
    pub template: Option<String>,
    /// Digits of the business number.
    pub sender: Option<String>,
    /// The provider's reason or explanation.
    pub detail: Option<String>,
    /// By the provider's clock.
    pub occurred_at: Option<ReportedTime>,
    /// Shown as the detail of the callback's outcome. Contains no personal data.
    pub notice: String,
}

/// An account event as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountEvent {
    pub callback: CallbackId,
    /// From 0.
    pub part: i32,
    pub account: AccountId,
    /// When it happened, else when its callback was received.
    pub at: DateTime<Utc>,
    pub kind: AccountEventKind,
    pub title: String,
    pub previous: Option<String>,
    pub current: Option<String>,
    pub template: Option<String>,
    pub sender: Option<String>,
    pub detail: Option<String>,
}

impl AccountEvent {
    /// Whether it lowers the quality rating or a messaging limit.
    pub fn is_adverse(&self) -> bool {
        let current = self.current.as_deref().unwrap_or_default().to_lowercase();
        let word = self.title.rsplit(": ").next().unwrap_or_default();
        match self.kind {
            AccountEventKind::Quality if word == "unflagged" => false,
            AccountEventKind::Quality => {
                word == "flagged" || matches!(current.as_str(), "flagged" | "red" | "low")
            }
            AccountEventKind::Limit => matches!(word, "downgrade" | "limited"),
            _ => false,
        }
    }
}
