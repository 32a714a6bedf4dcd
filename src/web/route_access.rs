//! Who may call a route.

use crate::domain::scope::Scope;

pub(crate) const API_BASE: &str = "/api/v1";

/// Who may call a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteAccess {
    Anyone,
    /// The handler verifies the token in the path.
    UrlToken,
    /// A session, or a token for all accounts, that holds the scope.
    Scoped(Scope),
    /// Like `Scoped`, and tokens that are limited to accounts: the handler shows and changes nothing of
    /// others.
    PerAccount(Scope),
    /// Like `Scoped`, and every caller on this machine while `public_url` is a loopback URL; the
    /// handler checks, because scrapes continue while the database is unavailable.
    ScopedOrLocal(Scope),
}

impl RouteAccess {
    /// The scope that a token or a session needs; `None` for routes that check something else.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::Scoped(scope) | Self::PerAccount(scope) => Some(scope),
            Self::Anyone | Self::UrlToken | Self::ScopedOrLocal(_) => None,
        }
    }
}
