//! `/api/v1/stats` and `/api/v1/reports/summary`: the messages of a period, from the stored counts.

use std::collections::BTreeMap;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::scope::Caller;
use crate::reporting::bucketed_statistics::{self, BucketWidth, GroupStatistics, StatisticsGroup};
use crate::reporting::export::summary::write_summary;
use crate::reporting::headline;
use crate::services::Services;
use crate::web::api::filter::MarkParameter;
use crate::web::api::statistics_query::{
    BucketParameter, PeriodParameters, StatisticsQuery, parse,
};
use crate::web::api::wire::statistics_responses::{
    BucketResponse, DayResponse, HeadlineResponse, StatisticsResponse, SummaryResponse,
};
use crate::web::api::wire::time;
use crate::web::error::ApiError;

/// States, failures and percentiles per account, kind and bucket
///
/// Messages count in the bucket of their first submission, until then in that of their acceptance. Messages sent elsewhere (`observed`)
/// and dry runs are counted separately. Percentiles are of the time from acceptance to a stage, for
/// stages that a report named.
#[utoipa::path(
    get,
    path = "/api/v1/stats",
    operation_id = "showStatistics",
    params(BucketParameter, PeriodParameters),
    responses((status = 200, body = StatisticsResponse, description = "All buckets that are not empty, oldest first.")),
)]
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let known = [BucketParameter::LIST, PeriodParameters::LIST];
    let query = parse(
        &services,
        &caller,
        request.query_string(),
        &known,
        BucketWidth::Hour,
        now,
    )?;
    let figures = figures(&services, &query).await?;
    Ok(HttpResponse::Ok().json(StatisticsResponse {
        bucket: query.width.as_str(),
        tz: query.zone.name(),
        from: time(query.period.from),
        to: time(query.period.to),
        as_of: time(now),
        headline: HeadlineResponse::of(headline::find(&services, &caller.accounts).await?),
        data: figures
            .iter()
            .map(|(group, figures)| BucketResponse::of(group, figures))
            .collect(),
    }))
}

/// Messages per day, account and kind
#[utoipa::path(
    get,
    path = "/api/v1/reports/summary.json",
    operation_id = "showSummary",
    params(PeriodParameters),
    responses((status = 200, body = SummaryResponse, description = "The rows, and the time of the query.")),
)]
pub(crate) async fn summary_json(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let known = [PeriodParameters::LIST];
    let query = parse(
        &services,
        &caller,
        request.query_string(),
        &known,
        BucketWidth::Day,
        now,
    )?;
    let figures = figures(&services, &query).await?;
    Ok(HttpResponse::Ok().json(SummaryResponse {
        as_of: time(now),
        tz: query.zone.name(),
        data: figures
            .iter()
            .map(|(group, figures)| DayResponse::of(group, figures, query.zone))
            .collect(),
    }))
}

/// Messages per day, account and kind, as CSV
#[utoipa::path(
    get,
    path = "/api/v1/reports/summary.csv",
    operation_id = "showSummaryCsv",
    params(PeriodParameters, MarkParameter),
    responses((status = 200, body = String, content_type = "text/csv", description = "A header and one row per day, account and kind; every row states `as_of` and `tz`.")),
)]
pub(crate) async fn summary_csv(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let known = [PeriodParameters::LIST, MarkParameter::LIST];
    let query = parse(
        &services,
        &caller,
        request.query_string(),
        &known,
        BucketWidth::Day,
        now,
    )?;
    let figures = figures(&services, &query).await?;
    let body = write_summary(figures.iter(), query.zone, now, query.mark);
    let name = format!(
        "attachment; filename=\"summary-{}.csv\"",
        now.format("%Y%m%dT%H%M%SZ")
    );
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body))
}

async fn figures(
    services: &Services,
    query: &StatisticsQuery,
) -> Result<BTreeMap<StatisticsGroup, GroupStatistics>, ApiError> {
    let store = &services.store;
    Ok(bucketed_statistics::compute(store, &query.period, query.width, query.zone).await?)
}
