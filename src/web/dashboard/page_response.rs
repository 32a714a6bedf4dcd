//! Renders a page into a response, with open problems and alarms in its frame.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION};
use askama::Template;

use crate::db;
use crate::domain::ids::AccountId;
use crate::reporting::alarms;
use crate::services::Services;
use crate::web::dashboard::page_frame::Frame;
use crate::web::dashboard::problem_counts::total_problems;
use crate::web::error::ApiError;

/// Rows per page of a list.
pub(super) const ROWS_PER_PAGE: usize = 50;

pub(super) trait FramedPage: Template {
    fn frame_mut(&mut self) -> &mut Frame;
}

/// Renders a page with the number of open problems in its navigation. It contains personal data, so
/// it is not cached.
pub(super) async fn respond(
    services: &Services,
    template: impl FramedPage,
) -> Result<HttpResponse, ApiError> {
    respond_with_status(services, StatusCode::OK, template).await
}

pub(super) async fn respond_with_status(
    services: &Services,
    status: StatusCode,
    mut template: impl FramedPage,
) -> Result<HttpResponse, ApiError> {
    let problems = services.store.count_problems(services.clock.now()).await?;
    let alarms = alarms::list(services);
    let alarm_count = u64::try_from(alarms.len()).unwrap_or_default();
    let frame = template.frame_mut();
    frame.set_problem_count(total_problems(&problems).saturating_add(alarm_count));
    frame.set_alarms(alarms);
    frame.set_zone(services.config.report_time_zone);
    let html = template
        .render()
        .map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::build(status)
        .insert_header(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html))
}

pub(super) fn redirect_to(url: String) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish()
}

pub(super) async fn account_ids(services: &Services) -> Result<Vec<AccountId>, db::Error> {
    Ok(services.store.list_accounts().await?.into_keys().collect())
}
