//! Instants as stored: milliseconds since the epoch, UTC.

use chrono::{DateTime, Utc};

use crate::db::error::Error;

pub(crate) fn to_millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

pub(crate) fn from_millis(
    table: &'static str,
    column: &'static str,
    millis: i64,
) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_millis(millis)
        .ok_or_else(|| Error::inconsistent(table, column, millis))
}

pub(crate) fn from_optional_millis(
    table: &'static str,
    column: &'static str,
    millis: Option<i64>,
) -> Result<Option<DateTime<Utc>>, Error> {
    millis
        .map(|millis| from_millis(table, column, millis))
        .transpose()
}
