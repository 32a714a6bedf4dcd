//! The period that the overview counts, and the earlier period that it is compared with.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::reporting::bucketed_statistics::{BucketWidth, day_end, day_start};
use crate::reporting::period_figures::{BarWidth, ComparedPeriod};
use crate::store::bucket_counts::QUARTER_HOUR;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::page_url::with_query;

/// Days of the longest period.
pub const DAY_LIMIT: i64 = 366;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OverviewRange {
    Today,
    LastDay,
    /// Today and the six days before.
    #[default]
    Week,
    /// Today and the 29 days before.
    Month,
    Days {
        first: NaiveDate,
        /// Included.
        last: NaiveDate,
    },
}

/// What was typed into the form, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RangeForm {
    pub from: String,
    pub to: String,
    pub from_error: Option<String>,
    pub to_error: Option<String>,
}

impl OverviewRange {
    const LINKED: [Self; 4] = [Self::Today, Self::LastDay, Self::Week, Self::Month];

    /// Parses `days=1`, `days=7`, `days=30`, `hours=24`, or `from` and `to`. Anything else is a week.
    pub fn parse(query: &str, today: NaiveDate) -> (Self, RangeForm) {
        let value = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(name, _)| name == wanted);
            found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let (from, to) = (value("from"), value("to"));
        if from.is_empty() && to.is_empty() {
            let asked = [("days", value("days")), ("hours", value("hours"))];
            let linked = Self::LINKED.into_iter().find(|range| {
                range
                    .parameter()
                    .is_some_and(|(name, number)| asked.contains(&(name, number.to_owned())))
            });
            return (linked.unwrap_or_default(), RangeForm::default());
        }
        RangeForm::read(from, to, today)
    }

    fn parameter(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Today => Some(("days", "1")),
            Self::LastDay => Some(("hours", "24")),
            Self::Week => Some(("days", "7")),
            Self::Month => Some(("days", "30")),
            Self::Days { .. } => None,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::LastDay => "24 h",
            Self::Week => "7 d",
            Self::Month => "30 d",
            Self::Days { .. } => "custom",
        }
    }

    fn text(self) -> String {
        match self {
            Self::Today => "today".to_owned(),
            Self::LastDay => "in the last 24 hours".to_owned(),
            Self::Week => "in the last 7 days".to_owned(),
            Self::Month => "in the last 30 days".to_owned(),
            Self::Days { first, last } if first == last => {
                format!("on {}", first.format("%-d %B %Y"))
            }
            Self::Days { first, last } => {
                let (first, last) = (first.format("%-d %B %Y"), last.format("%-d %B %Y"));
                format!("from {first} to {last}")
            }
        }
    }

    /// The first and the last day, both included; `None` for the last 24 hours.
    fn days(self, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        let since = |days| today.checked_sub_days(Days::new(days)).unwrap_or(today);
        match self {
            Self::Today => Some((today, today)),
            Self::LastDay => None,
            Self::Week => Some((since(6), today)),
            Self::Month => Some((since(29), today)),
            Self::Days { first, last } => Some((first, last)),
        }
    }
}

impl RangeForm {
    fn read(from: String, to: String, today: NaiveDate) -> (OverviewRange, Self) {
        let mut form = Self {
            from,
            to,
            ..Self::default()
        };
        let day = |text: &str| {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d");
            day.map_err(|_| "must be a day, such as 2026-11-20".to_owned())
        };
        let (first, last) = match (day(&form.from), day(&form.to)) {
            (Ok(first), Ok(last)) => (first, last),
            (first, last) => {
                form.from_error = first.err();
                form.to_error = last.err();
                return (OverviewRange::default(), form);
            }
        };
        let error = if last < first {
            Some("is before the first day".to_owned())
        } else if (last - first).num_days() >= DAY_LIMIT {
            Some(format!("is more than {DAY_LIMIT} days after the first"))
        } else {
            None
        };
        if error.is_some() {
            form.to_error = error;
            return (OverviewRange::default(), form);
        }
        if first > today {
            form.from_error = Some("is in the future".to_owned());
            return (OverviewRange::default(), form);
        }
        (OverviewRange::Days { first, last }, form)
    }
}

/// A range at an instant, in the zone of the page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverviewPeriod {
    pub range: OverviewRange,
    /// `today`, `in the last 7 days`
    pub text: String,
    pub compared: ComparedPeriod,
    days: Option<(NaiveDate, NaiveDate)>,
    today: NaiveDate,
}

impl OverviewPeriod {
    pub fn new(range: OverviewRange, now: DateTime<Utc>, zone: Tz) -> Self {
        let today = now.with_timezone(&zone).date_naive();
        let days = range.days(today);
        // The end of the quarter hour that is being counted.
        let end = BucketWidth::QuarterHour.start(now, zone) + QUARTER_HOUR;
        let compared = match days {
            None => ComparedPeriod {
                from: end - TimeDelta::days(1),
                to: end,
                before: (end - TimeDelta::days(2))..(end - TimeDelta::days(1)),
                width: BarWidth::QuarterHour,
                now,
            },
            Some((first, last)) => compared_days(first, last, zone, end, now),
        };
        Self {
            range,
            text: range.text(),
            compared,
            days,
            today,
        }
    }

    /// The list of the messages that the period counts.
    pub(super) fn list(&self) -> MessageListUrl {
        let mut url = MessageListUrl::default();
        match self.days {
            None => url.query.filter.counted_after = Some(self.compared.from),
            Some((first, last)) => {
                url.since = Some(first);
                url.until = (last < self.today).then_some(last);
            }
        }
        url
    }
}

/// Whole days; today counts until now. The earlier period has as many days and ends at the same time of
/// day.
fn compared_days(
    first: NaiveDate,
    last: NaiveDate,
    zone: Tz,
    end: DateTime<Utc>,
    now: DateTime<Utc>,
) -> ComparedPeriod {
    let number = (last - first).num_days() + 1;
    let earlier = |day: NaiveDate| {
        let days = Days::new(u64::try_from(number).unwrap_or(1));
        day.checked_sub_days(days).unwrap_or(day)
    };
    let from = day_start(first, zone);
    let to = day_end(last, zone).min(end).max(from);
    let before_to = if to == day_end(last, zone) {
        from
    } else {
        let day = to.with_timezone(&zone).date_naive();
        day_start(earlier(day), zone) + (to - day_start(day, zone))
    };
    ComparedPeriod {
        from,
        to,
        before: day_start(earlier(first), zone)..before_to.min(from),
        width: match number {
            ..=1 => BarWidth::QuarterHour,
            2..=7 => BarWidth::Hour,
            8..=31 => BarWidth::SixHours,
            _ => BarWidth::Day,
        },
        now,
    }
}

#[derive(Clone, Debug)]
pub(super) struct PeriodLink {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

pub(super) fn period_links(current: OverviewRange) -> Vec<PeriodLink> {
    OverviewRange::LINKED
        .into_iter()
        .map(|range| PeriodLink {
            label: range.label(),
            href: match range.parameter() {
                Some((name, number)) if range != OverviewRange::default() => {
                    with_query("/", &[(name, number.to_owned())])
                }
                _ => "/".to_owned(),
            },
            current: range == current,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn parse(query: &str) -> (OverviewRange, RangeForm) {
        OverviewRange::parse(query, day("2026-11-20"))
    }

    #[test]
    fn a_range_is_named_by_days_by_hours_or_by_two_days() {
        for (query, range) in [
            ("", OverviewRange::Week),
            ("days=1", OverviewRange::Today),
            ("hours=24", OverviewRange::LastDay),
            ("days=30", OverviewRange::Month),
            ("days=24", OverviewRange::Week),
            (
                "from=2026-11-01&to=2026-11-12",
                OverviewRange::Days {
                    first: day("2026-11-01"),
                    last: day("2026-11-12"),
                },
            ),
        ] {
            assert_eq!(parse(query), (range, parse(query).1), "{query}");
            assert_eq!(parse(query).1.to_error, None, "{query}");
        }
    }

    #[test]
    fn an_invalid_range_is_reported_at_its_field() {
        let errors = |query: &str| {
            let (range, form) = parse(query);
            assert_eq!(range, OverviewRange::Week);
            (form.from_error, form.to_error)
        };
        let error = |text: &str| Some(text.to_owned());
        assert_eq!(
            errors("from=2026-11-12&to=2026-11-01"),
            (None, error("is before the first day"))
        );
        assert_eq!(
            errors("from=2025-01-01&to=2026-11-01"),
            (None, error("is more than 366 days after the first"))
        );
        assert_eq!(
            errors("from=2026-12-01&to=2026-12-02"),
            (error("is in the future"), None)
        );
        let no_day = error("must be a day, such as 2026-11-20");
        assert_eq!(errors("from=yesterday"), (no_day.clone(), no_day));
    }

    #[test]
    fn a_period_is_compared_with_as_many_earlier_days_until_the_same_time_of_day() {
        let berlin = chrono_tz::Europe::Berlin;
        // 14:05 in Berlin, the day after the clocks went back.
        let now = at("2026-10-26T13:05:00Z");
        let period = |range| OverviewPeriod::new(range, now, berlin).compared;
        let today = period(OverviewRange::Today);
        assert_eq!(
            (today.from, today.to),
            (at("2026-10-25T23:00:00Z"), at("2026-10-26T13:15:00Z"))
        );
        assert_eq!(
            today.before,
            at("2026-10-24T22:00:00Z")..at("2026-10-25T12:15:00Z")
        );
        let hours = period(OverviewRange::LastDay);
        assert_eq!(hours.to - hours.from, TimeDelta::days(1));
        assert_eq!(hours.before.end, hours.from);
        let week = period(OverviewRange::Week);
        assert_eq!(week.from, at("2026-10-19T22:00:00Z"));
        assert_eq!(
            week.before,
            at("2026-10-12T22:00:00Z")..at("2026-10-19T12:15:00Z")
        );
        let past = period(OverviewRange::Days {
            first: day("2026-10-24"),
            last: day("2026-10-25"),
        });
        // 49 hours.
        assert_eq!(past.to - past.from, TimeDelta::hours(49));
        assert_eq!(past.before, at("2026-10-21T22:00:00Z")..past.from);
    }
}
