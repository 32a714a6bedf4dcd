//! API tokens as they are listed, their names and their prefix.

use chrono::{DateTime, Utc};

use crate::domain::account_limit::AccountLimit;
use crate::domain::ids::TokenId;
use crate::domain::scope::Scopes;

/// The prefix of every token, so that scanners and operators recognise a leaked one.
pub const TOKEN_PREFIX: &str = "bt_";

/// An API token as it is listed; its text is shown only on creation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiToken {
    pub id: TokenId,
    pub name: String,
    pub scopes: Scopes,
    /// The accounts that it may access.
    pub accounts: AccountLimit,
    pub created_at: DateTime<Utc>,
    /// `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// To within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl ApiToken {
    /// Whether it is neither revoked nor expired.
    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a token's name has 1 to {TOKEN_NAME_LIMIT} characters and no control characters")]
pub struct BadTokenName;

/// In characters.
pub const TOKEN_NAME_LIMIT: usize = 64;

/// Trims white space.
pub fn parse_token_name(text: &str) -> Result<&str, BadTokenName> {
    let name = text.trim();
    let fits = (1..=TOKEN_NAME_LIMIT).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        Ok(name)
    } else {
        Err(BadTokenName)
    }
}
