//! The days that the overview counts.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OverviewPeriod {
    Day,
    /// Today and the six days before.
    #[default]
    Week,
    /// Today and the 29 days before.
    Month,
}

impl OverviewPeriod {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Parses `days=1`, `7` or `30`; anything else is a week.
    pub fn parse(query: &str) -> Self {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "days")
            .and_then(|(_, value)| {
                Self::ALL
                    .into_iter()
                    .find(|period| period.days().to_string() == value)
            })
            .unwrap_or_default()
    }

    pub fn since(self, now: DateTime<Utc>, zone: Tz) -> NaiveDate {
        let today = now.with_timezone(&zone).date_naive();
        today
            .checked_sub_days(Days::new(self.days() - 1))
            .unwrap_or(today)
    }

    /// Length of a bar of the chart.
    pub fn step(self) -> TimeDelta {
        match self {
            Self::Day => TimeDelta::minutes(15),
            Self::Week => TimeDelta::hours(1),
            Self::Month => TimeDelta::hours(6),
        }
    }

    pub(super) fn days(self) -> u64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Day => "today",
            Self::Week => "in the last 7 days",
            Self::Month => "in the last 30 days",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Day => "today",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct PeriodLink {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

pub(super) fn period_links(current: OverviewPeriod) -> Vec<PeriodLink> {
    OverviewPeriod::ALL
        .into_iter()
        .map(|period| PeriodLink {
            label: period.label(),
            href: match period {
                OverviewPeriod::Week => "/".to_owned(),
                other => format!("/?days={}", other.days()),
            },
            current: period == current,
        })
        .collect()
}
