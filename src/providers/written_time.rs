//! Reads times with names of months or zones, and numeric dates: year first, or day first with `-` or
//! `.`. A date such as `03/04/2026` may begin with the day or the month and is not read.

use chrono::{Datelike, FixedOffset, Month, NaiveDate, NaiveTime, Timelike, Weekday};
use chrono_tz::Tz;

use crate::domain::reported_time::ReportedTime;

/// Maximum bytes; `Sun Nov 29 2026 14:32:07 GMT+0000 (Coordinated Universal Time)` has 62.
const LENGTH_LIMIT: usize = 80;
/// Abbreviations of zones with their offsets in seconds: UTC and Indian Standard Time.
const ZONES: &[(&str, i32)] = &[("UTC", 0), ("GMT", 0), ("Z", 0), ("IST", 19_800)];
const DATE_SEPARATORS: &[char] = &['-', '/', '.'];

/// `None` if a word is unknown or the time is incomplete.
pub(super) fn parse(text: &str) -> Option<ReportedTime> {
    if text.len() > LENGTH_LIMIT {
        return None;
    }
    let mut read = WrittenTime::default();
    for word in time_words(text) {
        read.add(word)?;
    }
    read.finish()
}

/// The words up to a comment in parentheses. A `T` between date and time separates as a space does,
/// and a bracket begins the name of a zone.
fn time_words(text: &str) -> impl Iterator<Item = &str> {
    let text = text.split('(').next().unwrap_or_default();
    text.split(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"'))
        .flat_map(|word| match word.split_once(['T', 't']) {
            Some((date, time)) if ends_with_digit(date) && begins_with_digit(time) => [date, time],
            _ => [word, ""],
        })
        .map(|word| word.trim_end_matches(','))
        .filter(|word| !word.is_empty())
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn ends_with_digit(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_digit())
}

#[derive(Default)]
struct WrittenTime {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    time: Option<NaiveTime>,
    afternoon: Option<bool>,
    offset: Option<FixedOffset>,
    zone: Option<Tz>,
    weekday: Option<Weekday>,
    /// The year had only two digits.
    is_short_year: bool,
}

impl WrittenTime {
    fn add(&mut self, word: &str) -> Option<()> {
        let begins_with_digit = begins_with_digit(word);
        if begins_with_digit && word.contains(':') {
            return match self.time {
                None => self.add_time(word),
                // The offset of a zone that lost its sign.
                Some(_) => None,
            };
        }
        if begins_with_digit && word.contains(DATE_SEPARATORS) && self.year.is_none() {
            return self.add_date(word);
        }
        if begins_with_digit {
            return self.add_number(word);
        }
        // `PM+05:30`
        if let Some((meridiem, zone)) = word.split_at_checked(2)
            && is_am_or_pm(meridiem)
            && let Some(offset) = parse_offset(zone)
        {
            self.offset = Some(offset);
            return self.add(meridiem);
        }
        if let Some(offset) = parse_offset(word) {
            self.offset = Some(offset);
        } else if let Ok(month) = word.parse::<Month>() {
            self.month = Some(month.number_from_month());
        } else if is_am_or_pm(word) {
            self.afternoon = Some(word.eq_ignore_ascii_case("PM"));
        } else if let Ok(zone) = word.parse::<Tz>() {
            self.zone = Some(zone);
        } else {
            self.weekday = Some(word.parse::<Weekday>().ok()?);
        }
        Some(())
    }

    /// `14:32`, `14:32:07.5`, `02:32PM`, and any of them with a zone.
    fn add_time(&mut self, word: &str) -> Option<()> {
        let end = word.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ','));
        let (time, rest) = word.split_at(end.unwrap_or(word.len()));
        let time = time.replace(',', ".");
        let mut formats = ["%H:%M:%S%.f", "%H:%M"].iter();
        let read = formats.find_map(|format| NaiveTime::parse_from_str(&time, format).ok());
        self.time = Some(read?);
        if rest.is_empty() {
            return Some(());
        }
        self.add(rest)
    }

    /// `2026-11-29`, `2026/11/29`, `29-11-2026`, `29.11.2026`, and `29-Nov-26` of RFC 850.
    fn add_date(&mut self, word: &str) -> Option<()> {
        let parts: Vec<&str> = word.split(DATE_SEPARATORS).collect();
        let [first, middle, last] = <[&str; 3]>::try_from(parts).ok()?;
        let (year, day) = match (first.len(), last.len()) {
            (4, 1 | 2) => (first, last),
            (1 | 2, 4) if !word.contains('/') => (last, first),
            (2, 2) if middle.parse::<Month>().is_ok() => {
                self.is_short_year = true;
                (last, first)
            }
            _ => return None,
        };
        let year: i32 = year.parse().ok()?;
        self.year = Some(if self.is_short_year {
            2000 + year
        } else {
            year
        });
        self.month = match middle.parse() {
            Ok(month) => Some(month),
            Err(_) => Some(middle.parse::<Month>().ok()?.number_from_month()),
        };
        self.day = Some(day.parse().ok()?);
        Some(())
    }

    /// `20261129`, then `143207` or `143207Z`; a year, or a day.
    fn add_number(&mut self, word: &str) -> Option<()> {
        let end = word.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = word.split_at(end.unwrap_or(word.len()));
        match digits.len() {
            8 => {
                let date = NaiveDate::parse_from_str(digits, "%Y%m%d").ok()?;
                (self.year, self.month, self.day) = parts_of(date);
            }
            6 if self.day.is_some() => {
                self.time = Some(NaiveTime::parse_from_str(digits, "%H%M%S").ok()?);
            }
            4 if self.year.is_none() => self.year = Some(digits.parse().ok()?),
            1 | 2 if self.day.is_none() => self.day = Some(digits.parse().ok()?),
            _ => return None,
        }
        if rest.is_empty() {
            return Some(());
        }
        self.add(rest)
    }

    fn finish(self) -> Option<ReportedTime> {
        let date = NaiveDate::from_ymd_opt(self.year?, self.month?, self.day?)?;
        // Which of two numbers is the year shows only the day of the week.
        if self.is_short_year && self.weekday != Some(date.weekday()) {
            return None;
        }
        let time = match self.afternoon {
            Some(afternoon) => to_24_hours(self.time?, afternoon)?,
            None => self.time?,
        };
        let local = date.and_time(time);
        Some(match (self.offset, self.zone) {
            (Some(offset), _) => ReportedTime::Instant(local.checked_sub_offset(offset)?.and_utc()),
            (None, Some(zone)) => ReportedTime::Instant(ReportedTime::Local(local).in_zone(zone)),
            (None, None) => ReportedTime::Local(local),
        })
    }
}

fn parts_of(date: NaiveDate) -> (Option<i32>, Option<u32>, Option<u32>) {
    (Some(date.year()), Some(date.month()), Some(date.day()))
}

fn is_am_or_pm(word: &str) -> bool {
    word.eq_ignore_ascii_case("AM") || word.eq_ignore_ascii_case("PM")
}

/// Converts a time of the 12-hour clock.
fn to_24_hours(time: NaiveTime, afternoon: bool) -> Option<NaiveTime> {
    let hour = time.hour();
    if !(1..=12).contains(&hour) {
        return None;
    }
    time.with_hour(hour % 12 + if afternoon { 12 } else { 0 })
}

/// `Z`, `UTC`, `+00`, `+0530`, `-03:00`, `GMT+0530`
fn parse_offset(word: &str) -> Option<FixedOffset> {
    if let Some((_, seconds)) = ZONES
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
    {
        return FixedOffset::east_opt(*seconds);
    }
    let signed = ["UTC", "GMT"]
        .iter()
        .find_map(|name| word.strip_prefix(name))
        .unwrap_or(word);
    let (sign, digits) = match signed.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = match digits.len() {
        1 | 2 => (number, 0),
        4 => (number / 100, number % 100),
        _ => return None,
    };
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::*;

    fn instant(text: &str) -> Option<DateTime<Utc>> {
        parse(text).map(|time| time.in_zone(Tz::UTC))
    }

    #[test]
    fn an_unambiguous_time_is_read_in_every_format() {
        let expected = DateTime::from_timestamp(1_795_962_727, 0).unwrap();
        for text in [
            "2026-11-29 14:32:07 UTC",
            "2026-11-29 14:32:07 GMT",
            "2026-11-29T14:32:07+00",
            "2026-11-29t14:32:07z",
            "2026-11-29 20:02:07 IST",
            "2026-11-29 20:02:07 UTC+05:30",
            "2026-11-29T20:02:07+05:30[Asia/Kolkata]",
            "2026-11-29T20:02:07[Asia/Kolkata]",
            "2026-11-29 14:32:07,000",
            "2026/11/29 14:32:07",
            "29-11-2026 14:32:07",
            "29.11.2026 14:32:07",
            "29-Nov-2026 14:32:07",
            "Sunday, 29-Nov-26 14:32:07 GMT",
            "20261129T143207Z",
            "29 Nov 2026 14:32:07",
            "Nov 29, 2026 14:32:07",
            "November 29, 2026 2:32:07 PM",
            "2026-11-29 02:32:07PM",
            "2026-11-29 08:02:07 PM+05:30",
            "Sun Nov 29 14:32:07 2026",
            "Sun Nov 29 14:32:07 UTC 2026",
            "Sun Nov 29 2026 14:32:07 GMT+0000 (Coordinated Universal Time)",
            "2026-11-29 14:32:07.000000000 +0000 UTC",
            "\"2026-11-29 14:32:07\"",
        ] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        let minute = DateTime::from_timestamp(1_795_962_720, 0);
        assert_eq!(instant("2026-11-29T14:32Z"), minute);
        assert_eq!(
            instant("29 Nov 2026, 12:00 am").map(|at| at.timestamp()),
            Some(1_795_910_400)
        );
    }

    #[test]
    fn an_ambiguous_incomplete_or_unsupported_time_is_not_read() {
        for text in [
            "",
            "soon",
            "11/29/2026 14:32:07",
            "03/04/2026 10:00:00",
            "2026-11-29",
            "14:32:07",
            "2026-13-40 00:00:00",
            "29-Nov-26 14:32:07",
            "Monday, 29-Nov-26 14:32:07 GMT",
            "Sunday, 29-11-26 14:32:07 GMT",
            "2026-11-29 25:00:00",
            "2026-11-29 14:32:07 PM",
            "2026-11-29 14:32:07 XYZ",
            "29 11 2026 14:32:07",
            "2026-11-29 14:32:07 05:30",
            "2026-11-29 14:32:07 0530",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled_without_panic(text in "\\PC{0,90}|[0-9TZ:+/., -]{0,40}") {
            let _ = parse(&text);
        }
    }
}
