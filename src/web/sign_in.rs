//! `/login` and `/logout`: a one-time link shows a button that starts a session.
//!
//! **Invariant:** GET does not consume the link, because chat programs open links to preview them.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION, REFERRER_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use url::Url;

use crate::domain::audit_action::{Action, Verb};
use crate::domain::scope::CallerKind;
use crate::web::auth;
use crate::web::dashboard::login_page::{LoginPage, SignInLink};
use crate::web::error::ApiError;
use crate::web::live_streams::LiveStreams;

/// Session key of the page to show after signing in.
const NEXT: &str = "next";
/// In bytes: browsers accept 4,096 bytes of a cookie, which holds the session encrypted.
pub(super) const NEXT_LIMIT: usize = 1_024;
/// In bytes. The page repeats the token; those of our links are much shorter.
const TOKEN_LIMIT: usize = 256;

/// The session keeps the requested page, because the link may be opened in another tab.
pub async fn show(request: HttpRequest, session: Session) -> Result<HttpResponse, ApiError> {
    let query = request.query_string().as_bytes();
    if let Some(next) = find(query, "next").filter(|next| is_local(next)) {
        session
            .insert(NEXT, next)
            .map_err(|error| ApiError::Internal(error.to_string().into()))?;
    }
    let token = find(query, "token").filter(|token| token.len() <= TOKEN_LIMIT);
    let link = token.map_or(SignInLink::None, SignInLink::Token);
    page(StatusCode::OK, link)
}

/// Consumes the link.
pub async fn sign_in(
    request: HttpRequest,
    session: Session,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let access = auth::access_of(&request)?;
    auth::refuse_other_sites(&access, &request)?;
    let now = access.clock.now();
    let token = find(&form, "token").unwrap_or_default();
    let action = Action::new(auth::SESSION_NAME, Verb::SignIn, now);
    if !access.store.consume_sign_in_link(&token, &action).await? {
        return page(StatusCode::FORBIDDEN, SignInLink::Expired);
    }
    let next = find(&form, "next")
        .or_else(|| session.get::<String>(NEXT).ok().flatten())
        .filter(|next| is_local(next))
        .unwrap_or_else(|| "/".to_owned());
    auth::sign_in(&session, now)?;
    Ok(lead_to(next))
}

/// Ends the streams of the session too.
pub async fn sign_out(
    request: HttpRequest,
    session: Session,
    streams: web::Data<LiveStreams>,
) -> Result<HttpResponse, ApiError> {
    let access = auth::access_of(&request)?;
    auth::refuse_other_sites(&access, &request)?;
    if auth::has_session(&session) {
        streams.end_all_of(&CallerKind::Session(auth::session_id(&session)));
    }
    session.purge();
    Ok(lead_to("/login".to_owned()))
}

fn find(pairs: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(pairs)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn lead_to(address: String) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, address))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

fn page(status: StatusCode, link: SignInLink) -> Result<HttpResponse, ApiError> {
    let html = LoginPage::new(link)
        .render()
        .map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::build(status)
        .insert_header(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-store"))
        // The URL contains the token, which other sites must not see. `no-referrer` would also
        // remove the `Origin` of our own POST.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .body(html))
}

/// Whether it is a path of our own that fits into a session. Browsers take `//host` and `/\host` for other hosts, and ignore
/// some white space.
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
    fn only_our_own_pages_are_led_to() {
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
