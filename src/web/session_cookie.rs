//! The session cookie: the secret of a session, and the page to show after signing in, encrypted.

use actix_session::config::PersistentSession;
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::{Key, SameSite, time};

use crate::domain::secret::Secret;
use crate::domain::user_session::SESSION_LIFE;
use crate::web::error::ApiError;

const COOKIE: &str = "bluetick_session";
/// Browsers accept it only over HTTPS, for all paths, and from no other host of the domain.
const HOST_COOKIE: &str = "__Host-bluetick_session";
/// Session key of the secret.
const SECRET: &str = "secret";
/// Session key of the page to show after signing in.
const NEXT: &str = "next";

pub fn cookie_name(public_url: &str) -> &'static str {
    if is_secure(public_url) {
        HOST_COOKIE
    } else {
        COOKIE
    }
}

/// Whether browsers reach this server over HTTPS.
pub(super) fn is_secure(public_url: &str) -> bool {
    public_url.starts_with("https:")
}

/// What the cookies of this server depend on.
#[derive(Clone, Copy)]
pub struct SessionCookies<'a> {
    pub key: &'a [u8; 64],
    pub public_url: &'a str,
}

impl SessionCookies<'_> {
    /// Provides handlers with the session in an encrypted cookie that scripts cannot read. Whether the
    /// session has ended is in the database.
    pub fn middleware(self) -> SessionMiddleware<CookieSessionStore> {
        let life = time::Duration::milliseconds(SESSION_LIFE.num_milliseconds());
        SessionMiddleware::builder(CookieSessionStore::default(), Key::from(self.key))
            .cookie_name(cookie_name(self.public_url).to_owned())
            .cookie_path("/".to_owned())
            .cookie_secure(is_secure(self.public_url))
            .cookie_http_only(true)
            // With Strict, a link from a chat would show the sign-in page.
            .cookie_same_site(SameSite::Lax)
            .session_lifecycle(PersistentSession::default().session_ttl(life))
            .build()
    }
}

/// The secret in the cookie; its session may have ended.
pub(super) fn secret(session: &Session) -> Option<String> {
    session.get(SECRET).ok().flatten()
}

/// Discards the previous content of the cookie, so that a planted cookie has no effect.
pub(super) fn begin(session: &Session, secret: &Secret) -> Result<(), ApiError> {
    session.clear();
    session.renew();
    insert(session, SECRET, secret.expose())
}

pub(super) fn next(session: &Session) -> Option<String> {
    session.get(NEXT).ok().flatten()
}

pub(super) fn remember_next(session: &Session, next: &str) -> Result<(), ApiError> {
    insert(session, NEXT, next)
}

fn insert(session: &Session, key: &str, value: &str) -> Result<(), ApiError> {
    session
        .insert(key, value)
        .map_err(|error| ApiError::Internal(error.to_string().into()))
}
