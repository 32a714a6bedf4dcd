//! A raw request from a provider as the journal keeps it. What it says is read elsewhere.

use chrono::{DateTime, Utc};

use crate::domain::ids::{AccountId, CallbackId, MessageId};

/// By which of our addresses a callback came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// The account's own address.
    Callback,
    /// The account's earlier address: of the previous generation, or made with an earlier secret key. It still works.
    OldCallback,
    /// The signed address of one message; whatever arrives there belongs to it.
    Report(MessageId),
}

/// Whether a callback presented what its account asks for beyond the token in the address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authenticity {
    /// It did, or nothing more is asked for.
    Verified,
    /// It did not: kept, and applied only when an operator releases it.
    Unverified {
        /// What was missing or wrong, in words, without secrets.
        reason: String,
    },
}

/// One raw request from a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackRecord {
    /// Made on receipt; appending the same id twice does nothing.
    pub id: CallbackId,
    /// The account whose address was called.
    pub account: AccountId,
    /// By which address.
    pub route: Route,
    /// HTTP method.
    pub method: String,
    /// The query string without `?`, percent-encoded as it came, secrets replaced by `…`.
    pub query: String,
    /// Header names in lower case with their values, secrets replaced by `…`.
    pub headers: Vec<(String, String)>,
    /// The address of the peer, which may be a proxy.
    pub remote: Option<String>,
    /// When it arrived, by our clock.
    pub received_at: DateTime<Utc>,
    /// The body, byte for byte as it came over the wire.
    pub body: Vec<u8>,
    /// Whether it proved its origin.
    pub authenticity: Authenticity,
}

impl std::fmt::Debug for CallbackRecord {
    /// Only what holds no personal data.
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
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A callback with its place in the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalEntry {
    /// Assigned on entering the journal, in commit order, never reused. Numbers may be missing.
    pub seq: i64,
    /// The request.
    pub record: CallbackRecord,
}

/// A place in the journal and what stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalPlace {
    /// The place.
    pub seq: i64,
    /// The callback.
    pub id: CallbackId,
    /// When it was received, by our clock.
    pub received_at: DateTime<Utc>,
}

/// What a list of callbacks shows: everything but the body and the headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalSummary {
    /// Its place in the journal.
    pub seq: i64,
    /// Its public id.
    pub id: CallbackId,
    /// The account whose address was called.
    pub account: AccountId,
    /// By which address.
    pub route: Route,
    /// HTTP method.
    pub method: String,
    /// When it arrived, by our clock.
    pub received_at: DateTime<Utc>,
    /// Bytes of the body.
    pub size: u64,
    /// Whether it proved its origin.
    pub authenticity: Authenticity,
}
