//! The query strings of statistics: a period, and the width of its buckets.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::scope::Caller;
use crate::reporting::bucketed_statistics::{self, BucketWidth, day_end};
use crate::reporting::query_values::{parse_account, parse_instant, parse_word, parse_zone};
use crate::reporting::value_shape::ValueShape;
use crate::services::Services;
use crate::store::bucket_counts::Period;
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::query_parameter::{ACCOUNT, QueryParameter, query_parameters};
use crate::web::error::ApiError;

query_parameters!(
    BucketParameter,
    [QueryParameter::new(
        "bucket",
        "15m, hour or day; default hour.",
        ValueShape::Word(|| BucketWidth::ALL.map(BucketWidth::as_str).to_vec())
    )]
);

query_parameters!(
    PeriodParameters,
    [
        QueryParameter::new(
            "from",
            "An RFC 3339 instant, or a day (2026-11-20) in the zone; inclusive, rounded down to its bucket.",
            ValueShape::BoundedDayOrInstant
        ),
        QueryParameter::new(
            "to",
            "An RFC 3339 instant (exclusive), or a day (inclusive); default now.",
            ValueShape::BoundedDayOrInstant
        ),
        QueryParameter::new(
            "tz",
            "Zone of days and hours, such as Asia/Kolkata; default the configured one.",
            ValueShape::TimeZone
        ),
        ACCOUNT,
    ]
);

/// Buckets per account and kind: the hours of a quarter of a year.
const BUCKET_LIMIT: i64 = 2300;

pub(crate) struct StatisticsQuery {
    pub(crate) period: Period,
    pub(crate) width: BucketWidth,
    pub(crate) zone: Tz,
}

#[derive(Debug)]
pub(crate) enum PeriodBound {
    Instant(DateTime<Utc>),
    Day(NaiveDate),
}

pub(crate) fn parse(
    services: &Services,
    caller: &Caller,
    query: &str,
    known: &[&[QueryParameter]],
    width: BucketWidth,
    now: DateTime<Utc>,
) -> Result<StatisticsQuery, ApiError> {
    let mut parameters = Parameters::read(&pairs(query), known);
    let width = parameters
        .parse_with("bucket", |word| {
            parse_word(word, BucketWidth::ALL, BucketWidth::as_str)
        })
        .unwrap_or(width);
    let zone = parameters
        .parse_with("tz", parse_zone)
        .unwrap_or(services.config.report_time_zone);
    let to = match parameters.parse_with("to", parse_bound) {
        Some(PeriodBound::Instant(at)) => at,
        Some(PeriodBound::Day(day)) => day_end(day, zone),
        None => now,
    };
    let from = match parameters.parse_with("from", parse_bound) {
        Some(PeriodBound::Instant(at)) => at,
        Some(PeriodBound::Day(day)) => bucketed_statistics::day_start(day, zone),
        None => default_start(width, to),
    };
    let account = parameters.parse_with("account", parse_account);
    let limit = caller.accounts.clone();
    let from = width.start(from, zone);
    if from >= to {
        parameters.refuse("from", "is not before `to`");
    } else if width.count(from, to) > BUCKET_LIMIT {
        parameters.refuse("from", "is too far from `to` for buckets this narrow");
    }
    Ok(parameters.finish(StatisticsQuery {
        period: Period {
            from,
            to,
            account,
            limit,
        },
        width,
        zone,
    })?)
}

/// One day of quarters and hours, thirty days of days.
fn default_start(width: BucketWidth, to: DateTime<Utc>) -> DateTime<Utc> {
    match width {
        BucketWidth::QuarterHour | BucketWidth::Hour => to - TimeDelta::days(1),
        BucketWidth::Day => to.checked_sub_days(Days::new(30)).unwrap_or(to),
    }
}

/// Refuses distant years: a year of five digits is a typo, and arithmetic with it can overflow.
pub(crate) fn parse_bound(text: &str) -> Result<PeriodBound, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(PeriodBound::Day);
    let end = day
        .or_else(|_| parse_instant(text).map(PeriodBound::Instant))
        .map_err(|_| "must be a day (2026-11-20) or an RFC 3339 instant".to_owned())?;
    let year = match &end {
        PeriodBound::Day(day) => day.year(),
        PeriodBound::Instant(at) => at.year(),
    };
    if (2000..=9000).contains(&year) {
        Ok(end)
    } else {
        Err("must be a year from 2000 to 9000".to_owned())
    }
}
