//! `/callbacks`: what did the providers say? Raw requests, newest first, by account and outcome.

use askama::Template;
use chrono::{DateTime, Utc};
use std::fmt;
use std::str::FromStr;

use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::web::dashboard::address::with_query;
use crate::web::dashboard::figure;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::messages::Choice;
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::text::visible_line;

/// What became of a callback.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It told something about a message.
    Receipts,
    /// A customer wrote.
    Inbound,
    /// Understood, not about a message.
    Notice,
    /// Not understood; kept.
    Quarantined,
    /// It failed the account's authentication; kept, not applied.
    Unverified,
    /// Not read yet.
    Pending,
}

impl Outcome {
    /// Every outcome, in the order of the filter.
    pub const ALL: [Self; 6] = [
        Self::Receipts,
        Self::Inbound,
        Self::Notice,
        Self::Quarantined,
        Self::Unverified,
        Self::Pending,
    ];

    /// The word used in JSON, URLs and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Inbound => "inbound",
            Self::Notice => "notice",
            Self::Quarantined => "quarantined",
            Self::Unverified => "unverified",
            Self::Pending => "pending",
        }
    }

    /// What it means, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Receipts => "It told what became of a message.",
            Self::Inbound => "A customer wrote; what they wrote is read nowhere.",
            Self::Notice => "Understood, but not about a message.",
            Self::Quarantined => {
                "It could not be understood. It is kept and can be replayed when the reader is mended."
            }
            Self::Unverified => "It failed the account's authentication and was not applied.",
            Self::Pending => "It is safe in the journal and will be read in a moment.",
        }
    }
}

/// A word that names no outcome.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an outcome of a callback")]
pub struct NotAnOutcome(pub String);

impl FromStr for Outcome {
    type Err = NotAnOutcome;

    fn from_str(text: &str) -> Result<Self, NotAnOutcome> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| NotAnOutcome(text.to_owned()))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A callback as lists show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackListing {
    /// Its id.
    pub id: CallbackId,
    /// The account whose address it came to.
    pub account: AccountId,
    /// HTTP method.
    pub method: String,
    /// By our clock.
    pub received_at: DateTime<Utc>,
    /// Bytes of the body.
    pub size: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Messages it told about.
    pub messages: Vec<MessageId>,
}

/// One row of the list.
#[derive(Clone, Debug)]
pub struct CallbackRow {
    pub(super) href: String,
    pub(super) received: Moment,
    pub(super) account: String,
    pub(super) method: String,
    pub(super) size: String,
    pub(super) outcome: &'static str,
    pub(super) meaning: &'static str,
    /// Short name and address of the messages it told about.
    pub(super) messages: Vec<(String, String)>,
    /// How many more there are.
    pub(super) more: Option<String>,
}

/// A batch can name hundreds of messages; a row names this many.
const MESSAGES_SHOWN: usize = 3;

impl CallbackRow {
    /// The row of a callback.
    pub fn new(callback: &CallbackListing) -> Self {
        let more = callback.messages.len().saturating_sub(MESSAGES_SHOWN);
        Self {
            href: format!("/callbacks/{}", callback.id),
            received: Moment::new(callback.received_at),
            account: callback.account.to_string(),
            method: visible_line(&callback.method),
            size: figure::size(callback.size),
            outcome: callback.outcome.as_str(),
            meaning: callback.outcome.in_words(),
            messages: callback
                .messages
                .iter()
                .take(MESSAGES_SHOWN)
                .map(|id| (short(*id), format!("/messages/{id}")))
                .collect(),
            more: (more > 0).then(|| format!("and {more} more")),
        }
    }
}

/// The last group of a `UUIDv7` is random; its first groups are the time and look alike.
pub(super) fn short(id: MessageId) -> String {
    let text = id.to_string();
    let tail = text.rsplit('-').next().unwrap_or_default();
    format!("…{tail}")
}

/// The filters of the list as its address carries them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbacksAddress {
    /// Only this account.
    pub account: Option<AccountId>,
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Where the page begins.
    pub cursor: Option<String>,
}

impl CallbacksAddress {
    /// Reads a query string; what cannot be understood filters nothing.
    pub fn parse(query: &str) -> Self {
        let mut address = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "account" => address.account = value.parse().ok(),
                "outcome" => address.outcome = value.parse().ok(),
                "cursor" if !value.is_empty() => address.cursor = Some(value.into_owned()),
                _ => {}
            }
        }
        address
    }

    /// `/callbacks` with these filters.
    pub fn page(&self) -> String {
        let pairs: Vec<_> = [
            ("account", self.account.as_ref().map(AccountId::to_string)),
            ("outcome", self.outcome.map(|outcome| outcome.to_string())),
            ("cursor", self.cursor.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        with_query("/callbacks", &pairs)
    }

    fn is_filtered(&self) -> bool {
        self.account.is_some() || self.outcome.is_some()
    }
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "callbacks.html")]
pub struct CallbacksPage {
    frame: Frame,
    rows: Vec<CallbackRow>,
    accounts: Vec<Choice>,
    outcomes: Vec<Choice>,
    narrowed: bool,
    newest: Option<String>,
    older: Option<String>,
}

impl CallbacksPage {
    /// The list that was found for an address.
    pub fn new(
        address: &CallbacksAddress,
        found: &[CallbackListing],
        next_cursor: Option<String>,
        accounts: &[AccountId],
    ) -> Self {
        let at = |cursor: Option<String>| {
            CallbacksAddress {
                cursor,
                ..address.clone()
            }
            .page()
        };
        let choice = |word: &str, chosen: bool| Choice {
            value: word.to_owned(),
            label: word.to_owned(),
            chosen,
        };
        Self {
            frame: Frame::inside(
                Section::Callbacks,
                "Callbacks",
                if address.cursor.is_some() {
                    Refresh::Still
                } else {
                    Refresh::Live
                },
            ),
            rows: found.iter().map(CallbackRow::new).collect(),
            accounts: accounts
                .iter()
                .map(|account| choice(account.as_str(), address.account.as_ref() == Some(account)))
                .collect(),
            outcomes: Outcome::ALL
                .into_iter()
                .map(|outcome| choice(outcome.as_str(), address.outcome == Some(outcome)))
                .collect(),
            narrowed: address.is_filtered(),
            newest: address.cursor.is_some().then(|| at(None)),
            older: next_cursor.map(|cursor| at(Some(cursor))),
        }
    }
}
