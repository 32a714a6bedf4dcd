//! Turns a page into a response, with open problems and alarms in its frame. Handlers decide what a page
//! shows; a middleware of all pages renders it in the time zone of its viewer.

use std::any::Any;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use askama::Template;

use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::scope::{Caller, Scope};
use crate::reporting::alarms::{self, AlarmKind};
use crate::services::Services;
use crate::web::dashboard::page_frame::Frame;
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::problem_counts::total_problems;
use crate::web::dashboard::time_element::ZONE;
use crate::web::error::ApiError;

/// Rows per page of a list.
pub(super) const ROWS_PER_PAGE: usize = 50;

pub(crate) trait FramedPage: Template {
    fn frame_mut(&mut self) -> &mut Frame;
}

/// A page of any kind, which lacks only the time zone of its viewer.
struct UnrenderedPage(Box<dyn RenderablePage>);

trait RenderablePage {
    fn render_page(&mut self, page_zone: PageZone, may_send: bool) -> askama::Result<String>;
}

impl<T: FramedPage> RenderablePage for T {
    fn render_page(&mut self, page_zone: PageZone, may_send: bool) -> askama::Result<String> {
        let frame = self.frame_mut();
        frame.set_may_send(may_send);
        let zone = frame.set_page_zone(page_zone);
        self.render_with_values(&(ZONE, &zone as &dyn Any))
    }
}

/// Responds with a page that shows the number of open problems in its navigation. It contains
/// personal data, so it is not cached.
pub(super) async fn respond(
    services: &Services,
    page: impl FramedPage + 'static,
) -> Result<HttpResponse, ApiError> {
    respond_with_status(services, StatusCode::OK, page).await
}

pub(super) async fn respond_with_status(
    services: &Services,
    status: StatusCode,
    mut page: impl FramedPage + 'static,
) -> Result<HttpResponse, ApiError> {
    fill_frame(services, page.frame_mut()).await?;
    let mut response = HttpResponse::build(status)
        .insert_header(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish();
    let page = UnrenderedPage(Box::new(page));
    response.extensions_mut().insert(page);
    Ok(response)
}

/// Renders the error page for a viewer who is signed in. The page is shown even if alarms and open
/// problems cannot be loaded.
pub(crate) async fn render_error_page(
    mut page: impl FramedPage,
    request: &HttpRequest,
    caller: Option<&Caller>,
) -> askama::Result<String> {
    let services = request.app_data::<web::Data<Services>>();
    if let (Some(services), Some(caller)) = (services, caller)
        && !caller.accounts.is_limited()
        && let Err(error) = fill_frame(services, page.frame_mut()).await
    {
        tracing::warn!(%error, "an error page is shown without alarms and open problems");
    }
    let may_send = caller.is_some_and(|caller| caller.require(Scope::Send).is_ok());
    page.render_page(PageZone::of(request), may_send)
}

/// Adds the alarms, and the number of open problems.
async fn fill_frame(services: &Services, frame: &mut Frame) -> Result<(), db::Error> {
    let problems = services.store.count_problems(services.clock.now()).await?;
    let alarms = alarms::list(services);
    // Accounts that have stopped sending are among the problems already.
    let others = alarms
        .iter()
        .filter(|alarm| alarm.kind != AlarmKind::AccountTripped);
    let others = u64::try_from(others.count()).unwrap_or_default();
    frame.set_problem_count(total_problems(&problems).saturating_add(others));
    frame.set_alarms(alarms);
    Ok(())
}

/// Middleware of all pages: renders the page that a handler put into its response.
pub(crate) async fn render_pages<B>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    let page_zone = PageZone::of(request.request());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let page = response
        .response_mut()
        .extensions_mut()
        .remove::<UnrenderedPage>();
    let Some(UnrenderedPage(mut page)) = page else {
        return Ok(response);
    };
    let may_send = may_send(response.request());
    Ok(match page.render_page(page_zone, may_send) {
        Ok(html) => response.map_body(|_, _| BoxBody::new(html)),
        // A response and not an `Err`, which would bypass the other middleware.
        Err(error) => response.error_response(ApiError::Internal(error.into())),
    })
}

/// Whether the viewer whom the route's access check has identified may send messages.
fn may_send(request: &HttpRequest) -> bool {
    let extensions = request.extensions();
    let caller = extensions.get::<Caller>();
    caller.is_some_and(|caller| caller.require(Scope::Send).is_ok())
}

pub(super) fn redirect_to(url: String) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish()
}

pub(super) async fn account_ids(services: &Services) -> Result<Vec<AccountId>, db::Error> {
    Ok(services.store.list_accounts().await?.into_keys().collect())
}
