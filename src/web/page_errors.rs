//! Errors of pages: a redirect to the sign-in page for visitors who are not signed in, an HTML page
//! for everything else.

use actix_session::SessionExt;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, ContentType, HeaderName, LOCATION, RETRY_AFTER,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use askama::Template;
use form_urlencoded::byte_serialize;

use crate::domain::scope::Caller;
use crate::web::auth;
use crate::web::dashboard::error_page::{ErrorPage, ErrorPageKind, Viewer};
use crate::web::dashboard::page_response;
use crate::web::error::UPGRADE_RETRY_SECONDS;
use crate::web::problem_code::ProblemCode;
use crate::web::problem_json::Problem;
use crate::web::session_cookie;
use crate::web::sign_in;

/// Headers of a problem that its page keeps.
const KEPT_HEADERS: [HeaderName; 2] = [ALLOW, RETRY_AFTER];

/// Middleware of all pages: replaces the JSON of a problem.
pub async fn show<B>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    let response = next.call(request).await?;
    let problem = response.response().extensions().get::<Problem>().cloned();
    Ok(match problem {
        None => response.map_into_boxed_body(),
        Some(problem) if problem.status == StatusCode::UNAUTHORIZED => {
            let location = login_address(response.request());
            let redirect = HttpResponse::SeeOther()
                .insert_header((LOCATION, location))
                .insert_header((CACHE_CONTROL, "no-store"))
                .finish();
            response.into_response(redirect)
        }
        Some(problem) => {
            let page = render(&problem, response.request()).await?;
            let mut shown = HttpResponse::build(response.status());
            shown.insert_header(ContentType::html());
            for name in KEPT_HEADERS {
                if let Some(value) = response.headers().get(&name) {
                    shown.insert_header((name, value.clone()));
                }
            }
            response.into_response(shown.body(page))
        }
    })
}

/// The address of the sign-in page. After a GET, signing in leads back to the requested page, unless
/// that page's address is too long.
fn login_address(request: &HttpRequest) -> String {
    if !request.method().is_safe() {
        return "/login".to_owned();
    }
    let wanted = request
        .uri()
        .path_and_query()
        .map_or("/", |address| address.as_str());
    if wanted.len() > sign_in::NEXT_LIMIT {
        return "/login".to_owned();
    }
    let wanted: String = byte_serialize(wanted.as_bytes()).collect();
    format!("/login?next={wanted}")
}

/// The invalid fields, if there are any: the detail does not explain them.
fn reason(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        return problem.detail.clone();
    }
    let fields = problem.errors.iter();
    let texts: Vec<String> = fields
        .map(|error| format!("{} {}", error.field, error.message))
        .collect();
    texts.join("; ")
}

async fn render(problem: &Problem, request: &HttpRequest) -> Result<String, Error> {
    let is_upgrading = problem.code == ProblemCode::Upgrading.as_str();
    let kind = match problem.status {
        404 => ErrorPageKind::NotFound,
        410 => ErrorPageKind::NoLongerKept,
        403 => ErrorPageKind::Forbidden,
        503 if is_upgrading => ErrorPageKind::Upgrading,
        500.. => ErrorPageKind::Internal,
        _ => ErrorPageKind::Refused,
    };
    let reason = match kind {
        ErrorPageKind::NotFound | ErrorPageKind::Internal => None,
        ErrorPageKind::NoLongerKept
        | ErrorPageKind::Forbidden
        | ErrorPageKind::Refused
        | ErrorPageKind::Upgrading => Some(reason(problem)),
    };
    let has_session = !is_upgrading && session_cookie::secret(&request.get_session()).is_some();
    let viewer = if has_session {
        Viewer::SignedIn
    } else {
        Viewer::SignedOut
    };
    let request_id = problem.request_id.map(|id| id.to_string());
    let mut page = ErrorPage::new(problem.status, kind, reason, request_id, viewer);
    if is_upgrading && request.method().is_safe() {
        page.reload_after(UPGRADE_RETRY_SECONDS);
    }
    let html = if has_session {
        let caller = find_caller(problem, request).await;
        page_response::render_error_page(page, request, caller.as_ref()).await
    } else {
        page.render()
    };
    html.map_err(actix_web::error::ErrorInternalServerError)
}

/// Unknown addresses have no access check that identifies the viewer. `None` after an error of the
/// server, when the database may not respond.
async fn find_caller(problem: &Problem, request: &HttpRequest) -> Option<Caller> {
    let known = request.extensions().get::<Caller>().cloned();
    match known {
        None if problem.status < 500 => auth::identify(request).await.ok(),
        known => known.filter(|_| problem.status < 500),
    }
}
