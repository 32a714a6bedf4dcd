//! Calendar months of a zone.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::reporting::bucketed_statistics::day_start;

/// Start of the calendar month that contains an instant.
pub(super) fn month_start(at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    day_start(first_day(at, zone), zone)
}

/// Start of the month that is `months` after the month of an instant.
pub(super) fn month_after(at: DateTime<Utc>, zone: Tz, months: u32) -> DateTime<Utc> {
    let first = first_day(at, zone);
    let later = first.checked_add_months(Months::new(months));
    day_start(later.unwrap_or(first), zone)
}

fn first_day(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let day = at.with_timezone(&zone).date_naive();
    day.with_day(1).unwrap_or(day)
}
