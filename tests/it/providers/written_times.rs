//! Times in random notations of date, time and zone: each is read as the instant that chrono wrote, and one with two meanings is not.

use bluetick::providers::vocabulary::parse_time;
use chrono::{DateTime, FixedOffset, TimeZone, Timelike};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::sample::select;

use crate::harness::generator::cases;

const DATES: &[&str] = &[
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%d %b %Y",
    "%-d %B %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%B %-d, %Y",
    "%b %d %Y",
    "%a, %d %b %Y",
    "%A, %d %B %Y",
    "%a %b %d %Y",
    "%A, %B %-d, %Y",
];
const BETWEEN: &[&str] = &[" ", ", ", "  "];
/// Each with the nanoseconds that it leaves out.
const TIMES: &[(&str, i64)] = &[
    ("%H:%M:%S", 1_000_000_000),
    ("%H:%M:%S%.3f", 1_000_000),
    ("%H:%M:%S,%3f", 1_000_000),
    ("%H:%M:%S%.6f", 1_000),
    ("%H:%M:%S%.9f", 1),
    ("%H:%M", 60_000_000_000),
    ("%I:%M:%S %p", 1_000_000_000),
    ("%-I:%M:%S %p", 1_000_000_000),
    ("%-I:%M:%S\u{202f}%p", 1_000_000_000),
    ("%I:%M:%S%P", 1_000_000_000),
    ("%-I:%M %p", 60_000_000_000),
];
/// How an offset is written behind a time.
const OFFSETS: &[&str] = &[
    "%:z",
    " %:z",
    " %z",
    "%z",
    " GMT%z",
    " UTC%:z",
    " GMT%z (India Standard Time)",
];
/// Names of zones without summer time, and their offsets in minutes.
const NAMES: &[(&str, i32)] = &[
    ("Z", 0),
    (" UTC", 0),
    (" GMT", 0),
    (" IST", 330),
    (" Asia/Kolkata", 330),
    ("[Asia/Kolkata]", 330),
    (" America/Sao_Paulo", -180),
    (" Asia/Dubai", 240),
];
const MINUTES: &[i32] = &[0, 330, 345, 60, -180, -210, 240, 480, -720, 840];

fn offset(minutes: i32) -> FixedOffset {
    FixedOffset::east_opt(minutes * 60).unwrap()
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn a_time_is_read_as_it_was_written(
        nanos in 1_600_000_000_000_000_000_i64..1_893_456_000_000_000_000,
        date in select(DATES),
        between in select(BETWEEN),
        (time, unit) in select(TIMES),
        zone in prop_oneof![
            (select(OFFSETS), select(MINUTES)).prop_map(|(format, minutes)| (format, minutes, true)),
            select(NAMES).prop_map(|(name, minutes)| (name, minutes, true)),
            Just(("", 0, false)),
        ],
    ) {
        let (zone, minutes, is_instant) = zone;
        let at = DateTime::from_timestamp_nanos(nanos - nanos.rem_euclid(unit));
        let written = at.with_timezone(&offset(minutes)).format(&format!("{date}{between}{time}{zone}")).to_string();
        let read = parse_time(&written);
        // A time without a zone is one of the account's.
        let account = if is_instant { Tz::America__New_York } else { Tz::UTC };
        prop_assert_eq!(read.map(|it| it.in_zone(account)), Some(at), "{}", written);
    }

    #[test]
    fn a_date_with_two_meanings_is_no_time(
        (day, month, year) in (1_u32..13, 1_u32..13, 2020_i32..2030),
        seconds in 0_u32..86_400,
        format in select(&["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y, %I:%M:%S %p", "%d/%m/%Y %H:%M:%S +0530"][..]),
    ) {
        let midnight = offset(330).with_ymd_and_hms(year, month, day, 0, 0, 0).unwrap();
        let at = midnight.with_hour(seconds / 3600).unwrap().with_minute(seconds / 60 % 60).unwrap();
        let written = at.format(format).to_string();
        prop_assert_eq!(parse_time(&written), None, "{}", written);
    }
}
