//! Identifies the caller by a bearer token or a session of the dashboard.
//!
//! **Invariant:** a session authorises a request that is not GET or HEAD only if it comes from our
//! own pages.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actix_session::SessionExt;
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use url::Url;
use uuid::Uuid;

use crate::domain::account_limit::AccountLimit;
use crate::domain::api_token::TOKEN_PREFIX;
use crate::domain::clock::Clock;
use crate::domain::keyed_limit::KeyedLimit;
use crate::domain::scope::{Caller, CallerKind};
use crate::operating::users_and_tokens::sign_in_throttle::SignInThrottle;
use crate::reporting::access_refusals::{AccessRefusal, AccessRefusals};
use crate::store::Store;
use crate::web::client_address::client_address;
use crate::web::error::ApiError;
use crate::web::session_cookie;

/// The use of a session is recorded at most this often.
const SESSION_REFRESH: TimeDelta = TimeDelta::minutes(5);
/// Searches of a caller with masked numbers, per minute: each may confirm a guess.
const MASKED_SEARCHES: u32 = 60;

/// What `identify` needs; shared as `web::Data`.
pub struct Access {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// With `https`, browsers send cookies over HTTPS only.
    pub public_url: String,
    pub refusals: Arc<AccessRefusals>,
    pub(super) sign_ins: SignInThrottle,
    searches: Mutex<KeyedLimit<Uuid>>,
}

impl Access {
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        public_url: &str,
        refusals: Arc<AccessRefusals>,
    ) -> Self {
        Self {
            store,
            clock,
            public_url: public_url.to_owned(),
            refusals,
            sign_ins: SignInThrottle::default(),
            searches: Mutex::new(KeyedLimit::new(MASKED_SEARCHES, TimeDelta::minutes(1))),
        }
    }

    /// Counts a search of a caller that sees masked numbers.
    pub(super) fn admit_search(&self, caller: &Caller) -> Result<(), ApiError> {
        let caller_id = match caller.kind {
            CallerKind::Token(token) => token.uuid(),
            CallerKind::Session { user, .. } => user.uuid(),
        };
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        searches
            .admit(&caller_id, self.clock.now())
            .map_err(|wait| {
                self.refusals.record(AccessRefusal::SearchThrottled);
                ApiError::TooManySearches {
                    limit: MASKED_SEARCHES,
                    wait,
                }
            })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Access({})", self.public_url)
    }
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
    // Basic authentication belongs to a reverse proxy and is ignored.
    match bearer(request.headers()) {
        Some(token) => identify_by_token(&access, request, token).await,
        None => identify_by_session(&access, request).await,
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

async fn identify_by_token(
    access: &Access,
    request: &HttpRequest,
    text: &str,
) -> Result<Caller, ApiError> {
    let now = access.clock.now();
    let found = if text.starts_with(TOKEN_PREFIX) {
        access.store.find_token(text, now).await?
    } else {
        None
    };
    let token = found.ok_or_else(|| {
        access.refusals.record(AccessRefusal::Token);
        ApiError::Unauthenticated
    })?;
    if let Err(error) = access.store.record_token_use(&token, now).await {
        tracing::warn!(%error, "the last use of a token was not stored");
    }
    Ok(Caller {
        name: token.name,
        scopes: token.scopes,
        kind: CallerKind::Token(token.id),
        accounts: token.accounts,
        address: address_text(request),
    })
}

async fn identify_by_session(access: &Access, request: &HttpRequest) -> Result<Caller, ApiError> {
    let secret = session_cookie::secret(&request.get_session());
    let secret = secret.ok_or(ApiError::Unauthenticated)?;
    let now = access.clock.now();
    let found = access.store.find_session(&secret, now).await?;
    let (session, user) = found.ok_or(ApiError::Unauthenticated)?;
    if !request.method().is_safe() {
        refuse_other_sites(access, request)?;
    }
    if now - session.used_at > SESSION_REFRESH
        && let Err(error) = access.store.record_session_use(session.id, now).await
    {
        tracing::warn!(%error, "the last use of a session was not stored");
    }
    Ok(Caller {
        name: user.email.to_string(),
        scopes: user.role.scopes(),
        kind: CallerKind::Session {
            session: session.id,
            user: user.id,
        },
        accounts: AccountLimit::default(),
        address: address_text(request),
    })
}

fn address_text(request: &HttpRequest) -> Option<String> {
    client_address(request).map(|address| address.to_string())
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
    fn our_own_origin_is_the_public_url_or_the_requested_host() {
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
