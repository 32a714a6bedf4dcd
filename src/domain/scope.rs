//! Scopes, callers, and whether a caller sees personal data.
//!
//! Authentication itself is in `web::auth`.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::account_limit::AccountLimit;
use crate::domain::audit_action::Actor;
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::{SessionId, TokenId, UserId};
use std::fmt;
use std::str::FromStr;

/// A permission of a caller.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Display,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum Scope {
    Send,
    /// Read everything but raw callbacks, with personal data masked.
    Read,
    Operate,
    /// All of the above, plus tokens and users.
    Admin,
}
enum_words!(Scope, "a scope");

impl Scope {
    /// Whether this scope includes `wanted`.
    pub fn implies(self, wanted: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operate => matches!(wanted, Self::Operate | Self::Read),
            Self::Send | Self::Read => self == wanted,
        }
    }
}

/// The scopes as they were granted; each also allows what it implies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scopes(Vec<Scope>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadScopes {
    #[error("name at least one scope: send, read, operate or admin")]
    Empty,
    #[error(transparent)]
    Unknown(#[from] UnknownWord),
}

impl Scopes {
    /// Removes duplicates and sorts.
    pub fn new(scopes: &[Scope]) -> Self {
        Self(
            Scope::ALL
                .into_iter()
                .filter(|scope| scopes.contains(scope))
                .collect(),
        )
    }

    pub fn allow(&self, wanted: Scope) -> bool {
        self.0.iter().any(|scope| scope.implies(wanted))
    }

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
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str(",")?;
            }
            out.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

/// Whether a caller sees personal data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visibility {
    /// Unmasked: the caller has the scope `operate`.
    Full,
    /// Phone numbers and ids masked, names and captions hidden, media URLs reduced to their host.
    Masked,
}

/// How a caller authenticated.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CallerKind {
    Token(TokenId),
    /// A session of the dashboard.
    Session {
        session: SessionId,
        user: UserId,
    },
}

/// The authenticated caller of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The token's name, or the user's e-mail address; recorded as the actor in the audit log.
    pub name: String,
    pub scopes: Scopes,
    pub kind: CallerKind,
    /// The account limit of a token; users are not limited.
    pub accounts: AccountLimit,
    /// The IP address that the request came from.
    pub address: Option<String>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this needs the scope `{0}`")]
pub struct MissingScope(pub Scope);

impl Caller {
    /// Fails unless the caller has `scope` or one that implies it.
    pub fn require(&self, scope: Scope) -> Result<(), MissingScope> {
        if self.scopes.allow(scope) {
            Ok(())
        } else {
            Err(MissingScope(scope))
        }
    }

    pub fn visibility(&self) -> Visibility {
        self.scopes.visibility()
    }

    /// For the audit log.
    pub fn actor(&self) -> Actor<'_> {
        Actor {
            name: &self.name,
            address: self.address.as_deref(),
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
    fn operate_includes_read_and_admin_includes_all() {
        assert_eq!(allowed("operate"), [Scope::Read, Scope::Operate]);
        assert_eq!(allowed("admin"), Scope::ALL);
        assert_eq!(allowed("send, read"), [Scope::Send, Scope::Read]);
    }

    #[test]
    fn scopes_are_listed_once_and_in_order() {
        let scopes: Scopes = "read,send,read".parse().unwrap();
        assert_eq!(scopes.to_string(), "send,read");
        assert_eq!(" , ".parse::<Scopes>(), Err(BadScopes::Empty));
        assert_eq!(
            "write".parse::<Scopes>().unwrap_err().to_string(),
            "`write` is not a scope; use send, read, operate or admin"
        );
    }

    #[test]
    fn only_operate_shows_personal_data() {
        let visibility = |text: &str| text.parse::<Scopes>().unwrap().visibility();
        assert_eq!(visibility("send,read"), Visibility::Masked);
        assert_eq!(visibility("operate"), Visibility::Full);
        assert_eq!(visibility("admin"), Visibility::Full);
    }
}
