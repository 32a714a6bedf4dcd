//! `/api/v1/stats` and `/reports/summary`: what became of the messages of a period, counted from the rollups.

use std::collections::BTreeMap;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure::FailureClass;
use crate::domain::latency::Histogram;
use crate::reporting::bucketed_statistics::{
    self, BucketWidth, GroupStatistics, StatisticsGroup, day_end,
};
use crate::reporting::export::ByteOrderMark;
use crate::reporting::export::summary::write_summary;
use crate::services::Services;
use crate::store::bucket_counts::Period;
use crate::web::api::filter::{
    MarkParameter, parse_account, parse_instant, parse_mark, parse_zone,
};
use crate::web::api::parameters::{ACCOUNT, Parameters, QueryParameter, pairs, query_parameters};
use crate::web::api::wire::time;
use crate::web::error::ApiError;

query_parameters!(
    BucketParameter,
    [QueryParameter::new(
        "bucket",
        "15m, hour or day; default hour."
    )]
);

query_parameters!(
    PeriodParameters,
    [
        QueryParameter::new(
            "from",
            "An RFC 3339 instant, or a day (2026-11-20) in the zone; inclusive, rounded down to its bucket."
        ),
        QueryParameter::new(
            "to",
            "An RFC 3339 instant (exclusive), or a day (inclusive); default now."
        ),
        QueryParameter::new(
            "tz",
            "Zone of days and hours, such as Asia/Kolkata; default the configured one."
        ),
        ACCOUNT,
    ]
);

/// The most buckets of one answer, per account and kind: a quarter of a year of hours.
const BUCKETS: i64 = 2300;

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct StatisticsResponse {
    /// `15m`, `hour` or `day`.
    pub(crate) bucket: &'static str,
    /// The zone of days and hours.
    pub(crate) tz: &'static str,
    /// Where the first bucket begins.
    pub(crate) from: String,
    /// Messages created at or after it are not counted.
    pub(crate) to: String,
    /// When it was counted.
    pub(crate) as_of: String,
    pub(crate) data: Vec<BucketResponse>,
}

/// What became of the messages of one bucket, account and kind.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct BucketResponse {
    /// When the bucket began.
    pub(crate) at: String,
    pub(crate) account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    /// Messages that we sent, by state.
    pub(crate) states: BTreeMap<&'static str, i64>,
    /// Messages sent elsewhere, by state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) observed: BTreeMap<&'static str, i64>,
    /// Messages that were never to be handed over, by state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) dry_run: BTreeMap<&'static str, i64>,
    /// Why messages failed that we sent.
    pub(crate) failures: FailuresResponse,
    /// Time from acceptance, by stage: `sent`, `delivered`, `read`.
    pub(crate) time_to: BTreeMap<&'static str, TimesResponse>,
}

/// Why messages failed.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct FailuresResponse {
    /// By class.
    pub(crate) classes: BTreeMap<&'static str, i64>,
    /// By the provider's code; those without a code are counted by class alone.
    pub(crate) codes: BTreeMap<String, i64>,
}

/// Percentiles, in milliseconds.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TimesResponse {
    /// How many messages had this stage reported.
    pub(crate) count: i64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct SummaryResponse {
    /// When it was counted.
    pub(crate) as_of: String,
    /// The zone of the days.
    pub(crate) tz: &'static str,
    pub(crate) data: Vec<DayResponse>,
}

/// One day, account and kind.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct DayResponse {
    pub(crate) day: String,
    pub(crate) account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    /// How many we sent.
    pub(crate) messages: i64,
    /// Those, by state; every state is there.
    pub(crate) states: BTreeMap<&'static str, i64>,
    /// How many were sent elsewhere.
    pub(crate) observed: i64,
    /// How many were never to be handed over.
    pub(crate) dry_run: i64,
    /// Time from acceptance, by stage.
    pub(crate) time_to: BTreeMap<&'static str, TimesResponse>,
}

/// What was asked for.
struct Query {
    period: Period,
    width: BucketWidth,
    zone: Tz,
    mark: ByteOrderMark,
}

/// States, failures and percentiles per account, kind and bucket
///
/// Messages count in the bucket in which they were created. Messages sent elsewhere (`observed`) and
/// dry runs are counted separately. Percentiles are of the time from acceptance to a stage, for
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
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let known = [BucketParameter::LIST, PeriodParameters::LIST];
    let query = parse(
        &services,
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
        data: figures.iter().map(bucket_response).collect(),
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
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let known = [PeriodParameters::LIST];
    let query = parse(
        &services,
        request.query_string(),
        &known,
        BucketWidth::Day,
        now,
    )?;
    let figures = figures(&services, &query).await?;
    let days = figures.iter();
    Ok(HttpResponse::Ok().json(SummaryResponse {
        as_of: time(now),
        tz: query.zone.name(),
        data: days.map(|day| day_response(day, query.zone)).collect(),
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
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let known = [PeriodParameters::LIST, MarkParameter::LIST];
    let query = parse(
        &services,
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
    query: &Query,
) -> Result<BTreeMap<StatisticsGroup, GroupStatistics>, ApiError> {
    let store = &services.store;
    Ok(bucketed_statistics::compute(store, &query.period, query.width, query.zone).await?)
}

/// One end of a period: an instant, or a day.
#[derive(Debug)]
enum End {
    Instant(DateTime<Utc>),
    Day(NaiveDate),
}

fn parse(
    services: &Services,
    query: &str,
    known: &[&[QueryParameter]],
    width: BucketWidth,
    now: DateTime<Utc>,
) -> Result<Query, ApiError> {
    let mut parameters = Parameters::read(&pairs(query), known);
    let width = parameters
        .parse_with("bucket", |word| {
            let found = BucketWidth::ALL
                .into_iter()
                .find(|width| width.as_str() == word);
            found.ok_or_else(|| "must be one of 15m, hour, day".to_owned())
        })
        .unwrap_or(width);
    let zone = parameters
        .parse_with("tz", parse_zone)
        .unwrap_or(services.config.report_time_zone);
    let to = match parameters.parse_with("to", parse_end) {
        Some(End::Instant(at)) => at,
        Some(End::Day(day)) => day_end(day, zone),
        None => now,
    };
    let from = match parameters.parse_with("from", parse_end) {
        Some(End::Instant(at)) => at,
        Some(End::Day(day)) => bucketed_statistics::day_start(day, zone),
        None => usual_start(width, to),
    };
    let account = parameters.parse_with("account", parse_account);
    let mark = parameters.parse_with("bom", parse_mark);
    let from = width.start(from, zone);
    if from >= to {
        parameters.refuse("from", "is not before `to`");
    } else if width.count(from, to) > BUCKETS {
        parameters.refuse("from", "is too far from `to` for buckets this narrow");
    }
    Ok(parameters.finish(Query {
        period: Period { from, to, account },
        width,
        zone,
        mark: mark.unwrap_or(ByteOrderMark::Absent),
    })?)
}

/// A day of narrow buckets, thirty days of wide ones.
fn usual_start(width: BucketWidth, to: DateTime<Utc>) -> DateTime<Utc> {
    match width {
        BucketWidth::Quarter | BucketWidth::Hour => to - TimeDelta::days(1),
        BucketWidth::Day => to.checked_sub_days(Days::new(30)).unwrap_or(to),
    }
}

/// Years beyond four digits are typing errors, and reckoning with them may overflow.
fn parse_end(text: &str) -> Result<End, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(End::Day);
    let end = day
        .or_else(|_| parse_instant(text).map(End::Instant))
        .map_err(|_| "must be a day (2026-11-20) or an RFC 3339 instant".to_owned())?;
    let year = match &end {
        End::Day(day) => chrono::Datelike::year(day),
        End::Instant(at) => chrono::Datelike::year(at),
    };
    if (2000..=9000).contains(&year) {
        Ok(end)
    } else {
        Err("must be a year from 2000 to 9000".to_owned())
    }
}

fn bucket_response((group, figures): (&StatisticsGroup, &GroupStatistics)) -> BucketResponse {
    let classes = figures.classes.iter().filter(|(_, count)| **count != 0);
    let codes = figures.codes.iter();
    BucketResponse {
        at: time(group.at),
        account: group.account.to_string(),
        kind: Some(group.kind).filter(|kind| !kind.is_empty()),
        states: states(&figures.states),
        observed: states(&figures.observed),
        dry_run: states(&figures.dry_run),
        failures: FailuresResponse {
            classes: classes
                .map(|(class, count)| (FailureClass::as_str(*class), *count))
                .collect(),
            codes: codes
                .filter(|(code, count)| !code.is_empty() && **count != 0)
                .map(|(code, count)| (code.clone(), *count))
                .collect(),
        },
        time_to: times(&figures.latencies),
    }
}

fn day_response((group, figures): (&StatisticsGroup, &GroupStatistics), zone: Tz) -> DayResponse {
    let every = DeliveryState::ALL.into_iter();
    DayResponse {
        day: group.at.with_timezone(&zone).date_naive().to_string(),
        account: group.account.to_string(),
        kind: Some(group.kind).filter(|kind| !kind.is_empty()),
        messages: figures.states.values().sum(),
        states: every
            .map(|state| {
                let count = figures.states.get(&state).copied().unwrap_or(0);
                (state.as_str(), count)
            })
            .collect(),
        observed: figures.observed.values().sum(),
        dry_run: figures.dry_run.values().sum(),
        time_to: times(&figures.latencies),
    }
}

fn states(counts: &BTreeMap<DeliveryState, i64>) -> BTreeMap<&'static str, i64> {
    let counts = counts.iter().filter(|(_, count)| **count != 0);
    counts
        .map(|(state, count)| (state.as_str(), *count))
        .collect()
}

fn times(histograms: &BTreeMap<Stage, Histogram>) -> BTreeMap<&'static str, TimesResponse> {
    let told = histograms.iter().filter_map(|(stage, times)| {
        let percentile = |percent| times.percentile(percent).map(f64::round);
        let response = TimesResponse {
            count: times.count(),
            p50_ms: percentile(50)?,
            p95_ms: percentile(95)?,
            p99_ms: percentile(99)?,
        };
        Some((stage.as_str(), response))
    });
    told.collect()
}
