//! People who sign in to the dashboard: their e-mail address and role.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::UserId;
use crate::domain::scope::{Scope, Scopes};

/// In characters.
pub const PASSWORD_LENGTHS: std::ops::RangeInclusive<usize> = 12..=128;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum Role {
    /// Reads, with personal data masked.
    Viewer,
    /// Reads everything, acts on messages and sends.
    Operator,
    /// All of the above, plus users, tokens and the audit log.
    Admin,
}
enum_words!(Role, "a role");

impl Role {
    pub fn scopes(self) -> Scopes {
        Scopes::new(match self {
            Self::Viewer => &[Scope::Read],
            Self::Operator => &[Scope::Send, Scope::Operate],
            Self::Admin => &[Scope::Admin],
        })
    }
}

/// An e-mail address in lower case. Only its form is checked: no mail is sent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Email(String);

/// In bytes, as SMTP limits it.
const EMAIL_LIMIT: usize = 254;

#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not an e-mail address")]
pub struct NotAnEmail(String);

impl Email {
    /// The user of sign-in links that were created without naming a user.
    pub fn built_in_admin() -> Self {
        Self("admin@localhost".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let trimmed = text.trim();
        let plain = trimmed.len() <= EMAIL_LIMIT
            && trimmed
                .chars()
                .all(|c| c.is_ascii_graphic() && !",;<>\"\\()[]".contains(c));
        let fits = match trimmed.split_once('@') {
            Some((local, host)) => !local.is_empty() && !host.is_empty() && !host.contains('@'),
            None => false,
        };
        if plain && fits {
            Ok(Self(trimmed.to_ascii_lowercase()))
        } else {
            Err(NotAnEmail(text.to_owned()))
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A user as listed; the hash of the password stays in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub role: Role,
    pub has_password: bool,
    pub created_at: DateTime<Utc>,
    /// Disabled users cannot sign in, and their sessions have ended.
    pub disabled_at: Option<DateTime<Utc>>,
    pub last_sign_in_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_sign_and_its_case_does_not_matter() {
        let parsed: Email = " Asha.Rao@Example.com ".parse().unwrap();
        assert_eq!(parsed.as_str(), "asha.rao@example.com");
        for bad in [
            "",
            "asha",
            "@example.com",
            "asha@",
            "a@b@c",
            "a b@example.com",
            "<a@b>",
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
        assert!(format!("{}@b", "a".repeat(300)).parse::<Email>().is_err());
    }

    #[test]
    fn roles_are_sets_of_scopes() {
        let allowed = |role: Role| {
            let scopes = role.scopes();
            Scope::ALL.map(|scope| scopes.allow(scope))
        };
        assert_eq!(allowed(Role::Viewer), [false, true, false, false]);
        assert_eq!(allowed(Role::Operator), [true, true, true, false]);
        assert_eq!(allowed(Role::Admin), [true; 4]);
    }
}
