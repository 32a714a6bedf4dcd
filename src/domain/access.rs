//! Who may do what: scopes, callers, what of people they may see, and what the audit says they did.
//!
//! How a caller proves who they are is `web::auth`'s matter.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::domain::ids::{AccountId, ActionId, MessageId, TokenId};

/// A right that a caller may hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Send messages.
    Send,
    /// Read everything but raw callbacks; people are masked.
    Read,
    /// `read`, unmasked, with raw callbacks and actions.
    Operate,
    /// All of the above, tokens and users.
    Admin,
}

impl Scope {
    /// Every scope, as they are listed.
    pub const ALL: [Self; 4] = [Self::Send, Self::Read, Self::Operate, Self::Admin];

    /// The word used on the command line, in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Whether who holds this scope may do what `wanted` allows.
    pub fn implies(self, wanted: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operate => matches!(wanted, Self::Operate | Self::Read),
            Self::Send | Self::Read => self == wanted,
        }
    }
}

/// A word that names no scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a scope; use send, read, operate or admin")]
pub struct NotAScope(pub String);

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| NotAScope(text.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The scopes that were given, without those they imply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scopes(Vec<Scope>);

/// A list that gives no right.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadScopes {
    /// Nothing was named.
    #[error("name at least one scope: send, read, operate or admin")]
    Empty,
    /// A word that names no scope.
    #[error(transparent)]
    Unknown(#[from] NotAScope),
}

impl Scopes {
    /// These scopes, each once, in the order they are listed.
    pub fn new(scopes: &[Scope]) -> Self {
        Self(
            Scope::ALL
                .into_iter()
                .filter(|scope| scopes.contains(scope))
                .collect(),
        )
    }

    /// Whether any of them implies `wanted`.
    pub fn allow(&self, wanted: Scope) -> bool {
        self.0.iter().any(|scope| scope.implies(wanted))
    }

    /// What their holder may see of people.
    pub fn visibility(&self) -> Visibility {
        if self.allow(Scope::Operate) {
            Visibility::Full
        } else {
            Visibility::Masked
        }
    }
}

impl FromStr for Scopes {
    type Err = BadScopes;

    fn from_str(text: &str) -> Result<Self, BadScopes> {
        let scopes = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(Scope::from_str)
            .collect::<Result<Vec<_>, _>>()?;
        if scopes.is_empty() {
            return Err(BadScopes::Empty);
        }
        Ok(Self::new(&scopes))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.0.iter().enumerate() {
            if place > 0 {
                out.write_str(",")?;
            }
            out.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

/// What a caller may see of people: everything, or enough to tell two of them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visibility {
    /// As they are: the caller has the scope `operate`.
    Full,
    /// Phones and ids masked, names and captions hidden, media address reduced to its host.
    Masked,
}

/// How a caller proved who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallerKind {
    /// A bearer token.
    Token,
    /// A session of the dashboard.
    Session,
}

/// Who is asking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The token's name, or `dashboard`; the audit's actor.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
    /// How they proved it.
    pub kind: CallerKind,
}

/// A caller lacks a scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this needs the scope `{0}`")]
pub struct MissingScope(pub Scope);

impl Caller {
    /// Goes on only when the caller holds `scope` or one that implies it.
    pub fn require(&self, scope: Scope) -> Result<(), MissingScope> {
        if self.scopes.allow(scope) {
            Ok(())
        } else {
            Err(MissingScope(scope))
        }
    }

    /// What they may see of people.
    pub fn visibility(&self) -> Visibility {
        self.scopes.visibility()
    }
}

/// An API token as it may be shown; its text was shown once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Names it.
    pub id: TokenId,
    /// The operator's name for it.
    pub name: String,
    /// What its bearer may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stopped working.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The minute of its last use.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A text that no token may be called.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a token's name has 1 to {TOKEN_NAME_LIMIT} characters and no control characters")]
pub struct BadTokenName;

/// The longest name of a token, in characters.
pub const TOKEN_NAME_LIMIT: usize = 64;

/// Reads a token's name; white space around it is dropped.
pub fn parse_token_name(text: &str) -> Result<&str, BadTokenName> {
    let name = text.trim();
    let fits = (1..=TOKEN_NAME_LIMIT).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        Ok(name)
    } else {
        Err(BadTokenName)
    }
}

/// What an operator did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// Opened the dashboard with a one-time link.
    SignIn,
    /// Made an API token.
    CreateToken,
    /// Withdrew an API token.
    RevokeToken,
    /// Withdrew a message before it was handed over.
    Cancel,
    /// Sent a message once more.
    Resend,
    /// Declared a message failed.
    MarkFailed,
    /// Tied an unmatched report to a message.
    Match,
    /// Undid the matches of a message.
    Unmatch,
    /// Took something seen out of the problems.
    PutAside,
    /// Let an account send again.
    ResumeAccount,
    /// Released a callback that had failed authentication.
    ReleaseCallback,
    /// Had callbacks read again.
    ReplayCallbacks,
}

impl Verb {
    /// Every verb.
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

    /// The word used in JSON and the database.
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

/// A word that names no verb.
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

/// One line of the audit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// Its id; receipts that an operator decided name it as their source.
    pub id: ActionId,
    /// Who: a caller's name, or `command line`.
    pub actor: String,
    /// What.
    pub verb: Verb,
    /// To which message, if to one.
    pub message: Option<MessageId>,
    /// To which account, if to one.
    pub account: Option<AccountId>,
    /// More, in words; names no person.
    pub detail: Option<String>,
    /// When.
    pub happened_at: DateTime<Utc>,
}

impl Action {
    /// An action that is about no message and no account yet.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> Vec<Scope> {
        let scopes: Scopes = text.parse().unwrap();
        Scope::ALL
            .into_iter()
            .filter(|scope| scopes.allow(*scope))
            .collect()
    }

    #[test]
    fn operate_includes_reading_and_admin_includes_all() {
        assert_eq!(allowed("operate"), [Scope::Read, Scope::Operate]);
        assert_eq!(allowed("admin"), Scope::ALL);
        assert_eq!(allowed("send, read"), [Scope::Send, Scope::Read]);
    }

    #[test]
    fn scopes_are_written_once_and_in_their_order() {
        let scopes: Scopes = "read,send,read".parse().unwrap();
        assert_eq!(scopes.to_string(), "send,read");
        assert_eq!(" , ".parse::<Scopes>(), Err(BadScopes::Empty));
        assert_eq!(
            "write".parse::<Scopes>().unwrap_err().to_string(),
            "`write` is not a scope; use send, read, operate or admin"
        );
    }

    #[test]
    fn only_who_operates_sees_people() {
        let visibility = |text: &str| text.parse::<Scopes>().unwrap().visibility();
        assert_eq!(visibility("send,read"), Visibility::Masked);
        assert_eq!(visibility("operate"), Visibility::Full);
        assert_eq!(visibility("admin"), Visibility::Full);
    }
}
