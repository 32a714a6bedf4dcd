//! `/api/v1/stats`: the messages of a period, from the stored counts.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::scope::Caller;
use crate::reporting::bucketed_statistics::{self, BucketWidth, GroupStatistics, StatisticsGroup};
use crate::reporting::headline;
use crate::services::Services;
use crate::web::api::statistics_query::{
    BucketParameter, PeriodParameters, StatisticsQuery, parse,
};
use crate::web::api::wire::statistics_responses::{
    BucketResponse, HeadlineResponse, StatisticsResponse,
};
use crate::web::api::wire::time;
use crate::web::error::ApiError;

/// States, failures and percentiles per account, kind and bucket
///
/// Messages count in the bucket of their first submission; until then, of their acceptance.
/// Messages sent elsewhere (`observed`) and dry runs are counted separately. Percentiles are of the
/// time from acceptance to a stage, for stages that a report named.
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
        headline: HeadlineResponse::of(
            headline::find(&services, &caller.accounts, chrono_tz::UTC).await?,
        ),
        data: figures
            .iter()
            .map(|(group, figures)| BucketResponse::of(group, figures))
            .collect(),
    }))
}

async fn figures(
    services: &Services,
    query: &StatisticsQuery,
) -> Result<BTreeMap<StatisticsGroup, GroupStatistics>, ApiError> {
    let store = &services.store;
    Ok(bucketed_statistics::compute(store, &query.period, query.width, query.zone).await?)
}
