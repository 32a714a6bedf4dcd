//! Operator actions as the audit log keeps them.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::domain::ids::{AccountId, ActionId, MessageId};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// Signed in to the dashboard with a one-time link.
    SignIn,
    CreateToken,
    RevokeToken,
    /// Cancelled a message before it was submitted.
    Cancel,
    Resend,
    MarkFailed,
    /// Matched an orphan to a message.
    Match,
    Unmatch,
    /// Dismissed a problem. Stored as `put-aside`.
    PutAside,
    ResumeAccount,
    /// Released a callback that failed authentication.
    ReleaseCallback,
    /// Reprocessed callbacks.
    ReplayCallbacks,
}

impl Verb {
    pub const ALL: [Self; 12] = [
        Self::SignIn,
        Self::CreateToken,
        Self::RevokeToken,
        Self::Cancel,
        Self::Resend,
        Self::MarkFailed,
        Self::Match,
        Self::Unmatch,
        Self::PutAside,
        Self::ResumeAccount,
        Self::ReleaseCallback,
        Self::ReplayCallbacks,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::CreateToken => "create-token",
            Self::RevokeToken => "revoke-token",
            Self::Cancel => "cancel",
            Self::Resend => "resend",
            Self::MarkFailed => "mark-failed",
            Self::Match => "match",
            Self::Unmatch => "unmatch",
            Self::PutAside => "put-aside",
            Self::ResumeAccount => "resume-account",
            Self::ReleaseCallback => "release-callback",
            Self::ReplayCallbacks => "replay-callbacks",
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an action")]
pub struct NotAVerb(pub String);

impl FromStr for Verb {
    type Err = NotAVerb;

    fn from_str(text: &str) -> Result<Self, NotAVerb> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str() == text)
            .ok_or_else(|| NotAVerb(text.to_owned()))
    }
}

/// An entry of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// Also the source of receipts that this action created.
    pub id: ActionId,
    /// A caller's name, or `command line`.
    pub actor: String,
    pub verb: Verb,
    pub message: Option<MessageId>,
    pub account: Option<AccountId>,
    /// Contains no personal data.
    pub detail: Option<String>,
    /// When.
    pub happened_at: DateTime<Utc>,
}

impl Action {
    /// An action without message, account and detail.
    pub fn new(actor: impl Into<String>, verb: Verb, now: DateTime<Utc>) -> Self {
        Self {
            id: ActionId::new(now),
            actor: actor.into(),
            verb,
            message: None,
            account: None,
            detail: None,
            happened_at: now,
        }
    }
}
