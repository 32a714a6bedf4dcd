//! `/login` and `/logout`: a one-time link shows a button that starts a session; an e-mail address and
//! a password start one, too.
//!
//! **Invariant:** GET does not consume the link, because chat programs open links to preview them.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, ContentType, LOCATION, REFERRER_POLICY, RETRY_AFTER, USER_AGENT,
};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use url::Url;

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::keyed_limit::LimitWait;
use crate::domain::scope::CallerKind;
use crate::domain::secret::Secret;
use crate::operating::users_and_tokens::password_sign_in::{SignInError, sign_in_with_password};
use crate::reporting::access_refusals::AccessRefusal;
use crate::store::sessions::{NewSession, SignInOrigin};
use crate::web::auth::{self, Access};
use crate::web::client_address::{client_address, rate_limit_key};
use crate::web::dashboard::login_page::{LoginPage, SignInForm};
use crate::web::error::ApiError;
use crate::web::live_streams::LiveStreams;
use crate::web::session_cookie;

/// In bytes: browsers accept 4,096 bytes of a cookie, which holds the session encrypted.
pub(super) const NEXT_LIMIT: usize = 1_024;
/// In bytes. The page repeats the token; the tokens of our links are much shorter.
const TOKEN_LIMIT: usize = 256;
/// In bytes, of an address that the page repeats.
const EMAIL_LIMIT: usize = 254;
/// In characters, of the stored `User-Agent`.
const BROWSER_LIMIT: usize = 200;

/// The session keeps the requested page, because the link may be opened in another tab.
pub async fn show(request: HttpRequest, session: Session) -> Result<HttpResponse, ApiError> {
    let query = request.query_string().as_bytes();
    if let Some(next) = find(query, "next").filter(|next| is_local(next)) {
        session_cookie::remember_next(&session, &next)?;
    }
    let token = find(query, "token").filter(|token| token.len() <= TOKEN_LIMIT);
    page(token.map_or(SignInForm::Empty, SignInForm::Link), None)
}

/// Consumes the link, or checks the password.
pub async fn sign_in(
    request: HttpRequest,
    session: Session,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let access = auth::access_of(&request)?;
    auth::refuse_other_sites(&access, &request)?;
    let signed_in = match find(&form, "token") {
        Some(token) => by_link(&access, &request, &token).await?,
        None => by_password(&access, &request, &form).await?,
    };
    let new = match signed_in {
        Ok(new) => new,
        Err(refused) => return page(refused, find(&form, "email")),
    };
    let next = find(&form, "next")
        .or_else(|| session_cookie::next(&session))
        .filter(|next| is_local(next))
        .unwrap_or_else(|| "/".to_owned());
    session_cookie::begin(&session, &new.secret)?;
    Ok(redirect_to(next))
}

async fn by_link(
    access: &Access,
    request: &HttpRequest,
    token: &str,
) -> Result<Result<NewSession, SignInForm>, ApiError> {
    let origin = origin(access, request);
    let signed_in = access.store.sign_in_with_link(token, &origin).await?;
    Ok(signed_in.ok_or_else(|| {
        access.refusals.record(AccessRefusal::SignInLink);
        SignInForm::ExpiredLink
    }))
}

async fn by_password(
    access: &Access,
    request: &HttpRequest,
    form: &[u8],
) -> Result<Result<NewSession, SignInForm>, ApiError> {
    let email = find(form, "email").unwrap_or_default();
    let password = Secret::new(find(form, "password").unwrap_or_default());
    let (origin, network) = (
        origin(access, request),
        rate_limit_key(client_address(request)),
    );
    let (store, throttle) = (&access.store, &access.sign_ins);
    let signed_in =
        sign_in_with_password(store, throttle, &email, password, &network, &origin).await;
    Ok(Err(match signed_in {
        Ok(new) => return Ok(Ok(new)),
        Err(SignInError::Wrong) => {
            access.refusals.record(AccessRefusal::Password);
            SignInForm::Wrong
        }
        Err(SignInError::TooMany(wait)) => {
            access.refusals.record(AccessRefusal::SignInThrottled);
            SignInForm::TooMany(wait)
        }
        Err(SignInError::Password(error)) => return Err(ApiError::Internal(error.into())),
        Err(SignInError::Store(error)) => return Err(error.into()),
    }))
}

fn origin(access: &Access, request: &HttpRequest) -> SignInOrigin {
    let browser = request.headers().get(USER_AGENT);
    let browser = browser.and_then(|value| value.to_str().ok());
    SignInOrigin {
        now: access.clock.now(),
        address: client_address(request).map(|address| address.to_string()),
        browser: browser.map(|name| name.chars().take(BROWSER_LIMIT).collect()),
    }
}

/// Ends the session and its streams, so that a copy of its cookie has no effect.
pub async fn sign_out(
    request: HttpRequest,
    session: Session,
    streams: web::Data<LiveStreams>,
) -> Result<HttpResponse, ApiError> {
    let access = auth::access_of(&request)?;
    auth::refuse_other_sites(&access, &request)?;
    let secret = session_cookie::secret(&session);
    if let Some(secret) = secret {
        let now = access.clock.now();
        if let Some((session, user)) = access.store.find_session(&secret, now).await? {
            let mut action = Action::new(user.email.as_str(), ActionKind::SignOut, now);
            action.address = client_address(&request).map(|address| address.to_string());
            let store = &access.store;
            store.end_session(user.id, session.id, &action).await?;
            streams.end_all_of(&CallerKind::Session {
                session: session.id,
                user: user.id,
            });
        }
    }
    session.purge();
    Ok(redirect_to("/login".to_owned()))
}

fn find(pairs: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(pairs)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn redirect_to(address: String) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, address))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

/// The page with the form, and the e-mail address of a refused attempt.
fn page(form: SignInForm, email: Option<String>) -> Result<HttpResponse, ApiError> {
    let (status, wait) = match &form {
        SignInForm::Link(_) | SignInForm::Empty => (StatusCode::OK, None),
        SignInForm::ExpiredLink | SignInForm::Wrong => (StatusCode::FORBIDDEN, None),
        SignInForm::TooMany(wait) => (StatusCode::TOO_MANY_REQUESTS, Some(*wait)),
    };
    let mut page = LoginPage::new(form);
    page.keep_email(
        email
            .filter(|email| email.len() <= EMAIL_LIMIT)
            .unwrap_or_default(),
    );
    let html = page
        .render()
        .map_err(|error| ApiError::Internal(error.into()))?;
    let mut response = HttpResponse::build(status);
    if let Some(wait) = wait.map(LimitWait::seconds) {
        response.insert_header((RETRY_AFTER, wait));
    }
    Ok(response
        .insert_header(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-store"))
        // The URL contains the token, which other sites must not see. `no-referrer` would also
        // remove the `Origin` of our own POST.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .body(html))
}

/// Whether the address is a path of our own that fits into a session. Browsers take `//host` and
/// `/\host` for other hosts, and ignore some white space.
fn is_local(address: &str) -> bool {
    let plain = address
        .chars()
        .all(|c| c.is_ascii_graphic() && c != '\\' && c != '"');
    let Ok(base) = Url::parse("http://bluetick.invalid/") else {
        return false;
    };
    plain
        && address.len() <= NEXT_LIMIT
        && address.starts_with('/')
        && !address.starts_with("//")
        && base
            .join(address)
            .is_ok_and(|url| url.origin() == base.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_our_own_pages_are_accepted() {
        for good in ["/", "/messages?state=failed&q=a%20b", "/messages/1#x"] {
            assert!(is_local(good), "{good}");
        }
        for bad in [
            "",
            "messages",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x",
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }
}
