//! Identifies the caller by a bearer token or a session of the dashboard.
//!
//! **Invariant:** a session authorizes a request that is not GET or HEAD only if it comes from our
//! own pages.

use std::fmt;
use std::sync::Arc;

use actix_session::config::PersistentSession;
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionExt, SessionMiddleware};
use actix_web::cookie::{Key, SameSite, time};
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use serde::Serialize;
use url::Url;

use crate::domain::clock::Clock;
use crate::domain::scope::{Caller, CallerKind, Scope, Scopes};
use crate::store::Store;
use crate::store::api_tokens::TOKEN_PREFIX;
use crate::web::error::ApiError;

/// Of the session.
pub const COOKIE: &str = "bluetick_session";
/// After the last use.
const SESSION_LIFE: TimeDelta = TimeDelta::hours(12);
/// The cookie is renewed when its time of last use is older.
const SESSION_REFRESH: TimeDelta = TimeDelta::minutes(5);
/// The actor in the audit log.
pub(super) const SESSION_NAME: &str = "dashboard";
/// Session key of the last use, in milliseconds since the epoch.
const SEEN_AT: &str = "seen_at";
/// Session key of a random id, so that sign-out can end what the session still does.
const ID: &str = "id";

/// What `identify` needs; shared as `web::Data`.
pub struct Access {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// With `https`, browsers send cookies over HTTPS only.
    pub public_url: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Access({})", self.public_url)
    }
}

/// Sessions in an encrypted cookie that scripts cannot read.
pub fn session_middleware(
    key: &[u8; 64],
    public_url: &str,
) -> SessionMiddleware<CookieSessionStore> {
    let life = time::Duration::milliseconds(SESSION_LIFE.num_milliseconds());
    SessionMiddleware::builder(CookieSessionStore::default(), Key::from(key))
        .cookie_name(COOKIE.to_owned())
        .cookie_secure(public_url.starts_with("https:"))
        .cookie_http_only(true)
        // With Strict, a link from a chat would show the sign-in page.
        .cookie_same_site(SameSite::Lax)
        .session_lifecycle(PersistentSession::default().session_ttl(life))
        .build()
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The route's access check has identified the caller already.
        if let Some(caller) = request.extensions().get::<Self>() {
            return ready(Ok(caller.clone())).boxed_local();
        }
        let request = request.clone();
        async move { identify(&request).await }.boxed_local()
    }
}

pub(super) async fn identify(request: &HttpRequest) -> Result<Caller, ApiError> {
    let access = access_of(request)?;
    // Basic authentication is that of a reverse proxy.
    match bearer(request.headers()) {
        Some(token) => by_token(&access, token).await,
        None => by_session(&access, request),
    }
}

pub(super) fn access_of(request: &HttpRequest) -> Result<web::Data<Access>, ApiError> {
    request
        .app_data::<web::Data<Access>>()
        .cloned()
        .ok_or_else(|| ApiError::Internal("the server was built without Access".into()))
}

/// Empty if the token is not UTF-8.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| std::str::from_utf8(token).unwrap_or_default().trim())
}

async fn by_token(access: &Access, text: &str) -> Result<Caller, ApiError> {
    if !text.starts_with(TOKEN_PREFIX) {
        return Err(ApiError::Unauthenticated);
    }
    let token = access
        .store
        .find_token(text)
        .await?
        .ok_or(ApiError::Unauthenticated)?;
    if let Err(error) = access
        .store
        .record_token_use(&token, access.clock.now())
        .await
    {
        tracing::warn!(%error, "the last use of a token was not stored");
    }
    Ok(Caller {
        name: token.name,
        scopes: token.scopes,
        kind: CallerKind::Token(token.id),
    })
}

fn by_session(access: &Access, request: &HttpRequest) -> Result<Caller, ApiError> {
    let session = request.get_session();
    let now = access.clock.now();
    let age = seen_at(&session).map(|seen| now - seen);
    let Some(age) = age.filter(|age| *age < SESSION_LIFE) else {
        return Err(ApiError::Unauthenticated);
    };
    if !request.method().is_safe() {
        refuse_other_sites(access, request)?;
    }
    if age > SESSION_REFRESH {
        mark_seen(&session, now)?;
    }
    Ok(Caller {
        name: SESSION_NAME.to_owned(),
        scopes: Scopes::new(&[Scope::Admin]),
        kind: CallerKind::Session(session_id(&session)),
    })
}

/// Discards the previous content of the cookie.
pub(super) fn sign_in(session: &Session, now: DateTime<Utc>) -> Result<(), ApiError> {
    session.clear();
    session.renew();
    let id = format!("{:032x}", rand::random::<u128>());
    insert(session, ID, id)?;
    mark_seen(session, now)
}

pub(super) fn session_id(session: &Session) -> String {
    let id = session.get::<String>(ID).ok().flatten();
    id.unwrap_or_default()
}

/// When a session ends without further use.
pub(super) fn session_end(session: &Session) -> Option<DateTime<Utc>> {
    seen_at(session).map(|seen| seen + SESSION_LIFE)
}

/// Also true for an expired session.
pub(super) fn has_session(session: &Session) -> bool {
    session.contains_key(SEEN_AT)
}

fn seen_at(session: &Session) -> Option<DateTime<Utc>> {
    let millis = session.get::<i64>(SEEN_AT).ok()??;
    DateTime::from_timestamp_millis(millis)
}

fn mark_seen(session: &Session, now: DateTime<Utc>) -> Result<(), ApiError> {
    insert(session, SEEN_AT, now.timestamp_millis())
}

fn insert(session: &Session, key: &str, value: impl Serialize) -> Result<(), ApiError> {
    session
        .insert(key, value)
        .map_err(|error| ApiError::Internal(error.to_string().into()))
}

/// Rejects requests that a page of another site sent.
///
/// Browsers send `Sec-Fetch-Site` (over HTTPS and on localhost) or `Origin` with a POST. Without
/// both, the client is not a browser, or an old one that `SameSite=Lax` keeps from sending the
/// cookie.
pub(super) fn refuse_other_sites(access: &Access, request: &HttpRequest) -> Result<(), ApiError> {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let own = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_own_origin(origin, text(HOST.as_str()), &access.public_url),
        (None, None) => true,
    };
    if own {
        Ok(())
    } else {
        Err(ApiError::CrossSite)
    }
}

fn is_own_origin(origin: &str, host: Option<&str>, public_url: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else {
        return false;
    };
    let public = Url::parse(public_url).is_ok_and(|public| public.origin() == origin.origin());
    let here = host
        .and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok())
        .is_some_and(|here| here.origin() == origin.origin());
    origin.origin().is_tuple() && (public || here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_origin_is_the_public_url_or_the_host_that_was_asked() {
        let own = |origin: &str, host: &str| {
            is_own_origin(origin, Some(host), "https://hooks.example.com/base")
        };
        assert!(own("https://hooks.example.com", "127.0.0.1:8080"));
        assert!(own("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(own("http://box", "box:80"));
        assert!(!own("https://evil.example.com", "127.0.0.1:8080"));
        assert!(!own("http://hooks.example.com", "127.0.0.1:8080"));
        assert!(!own("null", "127.0.0.1:8080"));
    }
}
