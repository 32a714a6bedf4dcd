//! Times and days in form fields. Browsers send them without a zone; they are in the zone of the page.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::reporting::bucketed_statistics::{day_end, day_start};

/// How browsers send a field of the type `datetime-local`, without or with seconds.
const FORMATS: [&str; 2] = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

/// `None` for other formats, and for a time that the zone skips when summer time begins.
pub(super) fn parse_local(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let local = FORMATS
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    let at = zone.from_local_datetime(&local).earliest()?;
    Some(at.to_utc())
}

pub(super) fn print_local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format(FORMATS[0]).to_string()
}

/// The first instant of a day.
pub(super) fn parse_day_start(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    Some(day_start(text.parse::<NaiveDate>().ok()?, zone))
}

/// The first instant after a day.
pub(super) fn parse_day_end(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    Some(day_end(text.parse::<NaiveDate>().ok()?, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_and_written_in_the_zone_of_the_page() {
        let berlin = chrono_tz::Europe::Berlin;
        let at = |text: &str| parse_local(text, berlin).map(|at| at.to_rfc3339());
        let summer = "2026-10-25T00:30:00+00:00".to_owned();
        assert_eq!(at("2026-10-25T02:30"), Some(summer));
        let winter = "2026-10-25T02:30:05+00:00".to_owned();
        assert_eq!(at("2026-10-25T03:30:05"), Some(winter));
        // Skipped when summer time begins.
        assert_eq!(at("2026-03-29T02:30"), None);
        assert_eq!(at("yesterday"), None);
        let printed = print_local("2026-07-01T10:00:00Z".parse().unwrap(), berlin);
        assert_eq!(printed, "2026-07-01T12:00");
        let (start, end) = (
            parse_day_start("2026-10-25", berlin).unwrap(),
            parse_day_end("2026-10-25", berlin).unwrap(),
        );
        assert_eq!((end - start).num_hours(), 25);
    }
}
