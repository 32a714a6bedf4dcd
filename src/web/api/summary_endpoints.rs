//! `/api/v1/reports/summary` and `/api/v1/reports/costs`: deliveries and money, from the stored
//! counts.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::db;
use crate::domain::scope::Caller;
use crate::reporting::costs::month_costs;
use crate::reporting::delivery_summary::ROW_LIMIT;
use crate::reporting::export::summary::{SummaryFile, SummaryFormat};
use crate::reporting::export::{CSV_TYPE, XLSX_TYPE};
use crate::reporting::summary_report::{self, SummaryReport};
use crate::services::Services;
use crate::web::api::filter::MarkParameter;
use crate::web::api::parameters::pairs;
use crate::web::api::statistics_query::PeriodParameters;
use crate::web::api::summary_query::{SummaryParameters, SummaryQuery, parse_summary};
use crate::web::api::wire::summary_responses::{CostsResponse, SummaryResponse};
use crate::web::error::ApiError;
use crate::web::problem_json::FieldError;

/// Deliveries and cost per day, week or month, by account, kind and campaign
///
/// Messages count on the day of their first attempt; until then, on the day of their creation. The
/// response also has the total, and the total of the period before with the same length.
#[utoipa::path(
    get,
    path = "/api/v1/reports/summary.json",
    operation_id = "showSummary",
    params(SummaryParameters, PeriodParameters),
    responses((status = 200, body = SummaryResponse, description = "The rows, and the time of the query.")),
)]
pub(crate) async fn json(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (query, report) = load(&services, &caller, &request, SummaryFormat::Json).await?;
    Ok(HttpResponse::Ok().json(SummaryResponse::of(&report, query.interval, &query.by)))
}

/// The delivery summary as CSV
#[utoipa::path(
    get,
    path = "/api/v1/reports/summary.csv",
    operation_id = "showSummaryCsv",
    params(SummaryParameters, PeriodParameters, MarkParameter),
    responses((status = 200, body = String, content_type = CSV_TYPE, description = "A header and the rows of the JSON; every row states `as_of` and `tz`. Costs have one column per currency.")),
)]
pub(crate) async fn csv(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let format = SummaryFormat::Csv;
    let (query, report) = load(&services, &caller, &request, format).await?;
    let body = write(&services, &query, &report, format)?;
    Ok(file(&report, format, "text/csv; charset=utf-8", body))
}

/// The delivery summary as an Excel workbook
#[utoipa::path(
    get,
    path = "/api/v1/reports/summary.xlsx",
    operation_id = "showSummaryXlsx",
    params(SummaryParameters, PeriodParameters),
    responses((status = 200, body = Vec<u8>, content_type = XLSX_TYPE, description = "The rows of the CSV and their total.")),
)]
pub(crate) async fn xlsx(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let format = SummaryFormat::Xlsx;
    let (query, report) = load(&services, &caller, &request, format).await?;
    let (state, read) = (services.clone(), report.clone());
    let building = web::block(move || write(&state, &query, &read, format));
    let body = building
        .await
        .map_err(|error| ApiError::Internal(error.into()))??;
    Ok(file(&report, format, XLSX_TYPE, body))
}

/// What this month has cost so far, by account and category, and the budgets
#[utoipa::path(
    get,
    path = "/api/v1/reports/costs.json",
    operation_id = "showCosts",
    responses((status = 200, body = CostsResponse, description = "The month so far, and the same part of the month before.")),
)]
pub(crate) async fn costs(services: web::Data<Services>) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let month = month_costs::compute(&services.costs, &services.config, now, now).await?;
    let zone = services.costs.zone.name();
    Ok(HttpResponse::Ok().json(CostsResponse::of(&month, now, zone)))
}

async fn load(
    services: &Services,
    caller: &Caller,
    request: &HttpRequest,
    format: SummaryFormat,
) -> Result<(SummaryQuery, SummaryReport), ApiError> {
    let now = services.clock.now();
    let pairs = pairs(request.query_string());
    if format != SummaryFormat::Csv && pairs.iter().any(|(name, _)| name == "bom") {
        let error = FieldError::new("bom", "is for CSV only");
        return Err(ApiError::Invalid(vec![error]));
    }
    let mut query = parse_summary(&pairs, services.config.report_time_zone, now)?;
    query.period.limit = caller.accounts.clone();
    let report = summary_report::compute(&services.costs, &query.request(), now)
        .await
        .map_err(|error| match error {
            db::Error::TooMuch(reason) => ApiError::field("from", reason),
            other => other.into(),
        })?;
    if report.sums.by_interval(&query.by).len() > ROW_LIMIT {
        let message = format!("gives more than {ROW_LIMIT} rows for this period");
        return Err(ApiError::field("by", message));
    }
    Ok((query, report))
}

fn write(
    services: &Services,
    query: &SummaryQuery,
    report: &SummaryReport,
    format: SummaryFormat,
) -> Result<Vec<u8>, ApiError> {
    let file = SummaryFile::new(report, &query.by);
    match format {
        SummaryFormat::Xlsx => file
            .write_xlsx(&services.exporter.folder)
            .map_err(|error| ApiError::Internal(error.into())),
        SummaryFormat::Csv | SummaryFormat::Json => Ok(file.write_csv(query.mark)),
    }
}

fn file(
    report: &SummaryReport,
    format: SummaryFormat,
    content_type: &'static str,
    body: Vec<u8>,
) -> HttpResponse {
    let name = format!(
        "attachment; filename=\"summary-{}.{}\"",
        report.as_of.format("%Y%m%dT%H%M%SZ"),
        format.as_str()
    );
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}
