//! A raw request from a provider as the journal stores it. It is parsed in `providers`.

use chrono::{DateTime, Utc};

use crate::domain::ids::{AccountId, CallbackId, MessageId};

/// The URL at which a callback arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// The account's callback URL.
    Callback,
    /// A callback URL of the previous generation or of an earlier secret key, which still works.
    OldCallback,
    /// The account's callback URL with a mistake in it.
    MistypedCallback(UrlMistake),
    /// The signed report URL of one message: every callback to it belongs to that message.
    Report(MessageId),
}

/// How a callback URL at the provider differs from the account's. It still works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UrlMistake {
    /// White space, invisible characters or punctuation around a part of the path.
    WhiteSpace,
    /// Two slashes or more in a row.
    DoubledSlash,
}

/// Whether a callback passed the account's `callback_auth`, beyond the token in the URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authenticity {
    /// Passed, or nothing is configured.
    Verified,
    /// Failed: kept, and applied only when an operator releases it.
    Unverified {
        /// What was missing or wrong; contains no secrets.
        reason: String,
    },
}

#[derive(Clone, PartialEq, Eq)]
pub struct CallbackRecord {
    /// Generated on arrival; appending the same id twice does nothing.
    pub id: CallbackId,
    pub account: AccountId,
    pub route: Route,
    pub method: String,
    /// Without `?`, percent-encoded as received, secrets replaced by `…`.
    pub query: String,
    /// Names in lower case; secrets replaced by `…`.
    pub headers: Vec<(String, String)>,
    /// The client's IP address; behind a proxy that is not in `trusted_proxies`, that of the proxy.
    pub remote: Option<String>,
    /// By our clock.
    pub received_at: DateTime<Utc>,
    /// Byte for byte as received.
    pub body: Vec<u8>,
    pub authenticity: Authenticity,
}

impl std::fmt::Debug for CallbackRecord {
    /// Leaves out everything that may hold personal data.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CallbackRecord")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("route", &self.route)
            .field("method", &self.method)
            .field("size", &self.body.len())
            .field("authenticity", &self.authenticity)
            .finish_non_exhaustive()
    }
}

impl CallbackRecord {
    /// The message of a report URL.
    pub fn report_message(&self) -> Option<MessageId> {
        match self.route {
            Route::Report(message) => Some(message),
            Route::Callback | Route::OldCallback | Route::MistypedCallback(_) => None,
        }
    }

    /// Returns the first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A callback with its journal sequence number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalEntry {
    /// Assigned on insertion, in commit order, never reused. There may be gaps.
    pub seq: i64,
    pub record: CallbackRecord,
}

/// A sequence number and the callback that has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalPosition {
    pub seq: i64,
    pub id: CallbackId,
    pub received_at: DateTime<Utc>,
}

/// A callback without its body and headers, for lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackSummary {
    pub seq: i64,
    pub id: CallbackId,
    pub account: AccountId,
    pub route: Route,
    pub method: String,
    /// By our clock.
    pub received_at: DateTime<Utc>,
    /// Body size in bytes.
    pub size: u64,
    pub authenticity: Authenticity,
}
