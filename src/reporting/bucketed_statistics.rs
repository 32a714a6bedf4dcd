//! Statistics per account, kind and bucket of local time, summed from the stored counts.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::db::Error;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::enum_words::enum_words;
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::latency::{Histogram, LatencySpan};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::bucket_counts::{Period, QUARTER_HOUR};
use crate::store::summed_counts::SumDetail;

#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum BucketWidth {
    #[strum(serialize = "15m")]
    QuarterHour,
    /// An hour of the zone's clock.
    Hour,
    /// A day of the zone's calendar, which may have 23 or 25 hours.
    Day,
}
enum_words!(BucketWidth);

impl BucketWidth {
    /// Start of the bucket that contains an instant.
    pub fn start(self, at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        let step = match self {
            Self::QuarterHour => QUARTER_HOUR,
            Self::Hour => TimeDelta::hours(1),
            Self::Day => return day_start(at.with_timezone(&zone).date_naive(), zone),
        };
        let offset = at.with_timezone(&zone).offset().fix().local_minus_utc();
        let local = at + TimeDelta::seconds(i64::from(offset));
        let elapsed = local.timestamp_millis().rem_euclid(step.num_milliseconds());
        at - TimeDelta::milliseconds(elapsed)
    }

    /// The starts of the buckets of a period: its own start, and those after it.
    fn starts(self, period: &Period, zone: Tz) -> Vec<DateTime<Utc>> {
        let mut starts = vec![period.from];
        let mut last = period.from;
        loop {
            let next = self.next(last, zone);
            if next >= period.to {
                return starts;
            }
            starts.push(next);
            last = next;
        }
    }

    fn next(self, start: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::QuarterHour => start + QUARTER_HOUR,
            Self::Day => day_end(start.with_timezone(&zone).date_naive(), zone),
            Self::Hour => {
                let mut next = start + QUARTER_HOUR;
                while self.start(next, zone) == start {
                    next += QUARTER_HOUR;
                }
                next
            }
        }
    }

    /// Approximate number of buckets between two instants.
    pub fn count(self, from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
        let step = match self {
            Self::QuarterHour => QUARTER_HOUR,
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
        };
        (to - from).num_seconds() / step.num_seconds()
    }
}

/// Start of a day; where midnight does not exist, the first quarter hour that does.
pub fn day_start(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let mut local = day.and_time(NaiveTime::MIN);
    // No zone ever skipped more than a day.
    for _ in 0..=96 {
        if let Some(at) = zone.from_local_datetime(&local).earliest() {
            return at.to_utc();
        }
        local += QUARTER_HOUR;
    }
    local.and_utc()
}

/// Start of the next day.
pub fn day_end(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    day_start(next, zone)
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StatisticsGroup {
    /// Start of the bucket.
    pub at: DateTime<Utc>,
    pub account: AccountId,
    /// Empty if unknown.
    pub kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GroupStatistics {
    /// Messages sent by us, by state.
    pub states: BTreeMap<DeliveryState, i64>,
    /// Messages sent elsewhere, by state.
    pub observed: BTreeMap<DeliveryState, i64>,
    /// Dry-run messages, by state.
    pub dry_run: BTreeMap<DeliveryState, i64>,
    /// Failed messages sent by us, by class.
    pub classes: BTreeMap<FailureClass, i64>,
    /// Failed messages sent by us, by code; empty if no code was given.
    pub codes: BTreeMap<String, i64>,
    /// Time from acceptance to a stage.
    pub latencies: BTreeMap<Stage, Histogram>,
}

/// Oldest bucket first.
pub async fn compute(
    store: &Store,
    period: &Period,
    width: BucketWidth,
    zone: Tz,
) -> Result<BTreeMap<StatisticsGroup, GroupStatistics>, Error> {
    let starts = width.starts(period, zone);
    let mut statistics: BTreeMap<StatisticsGroup, GroupStatistics> = BTreeMap::new();
    let group = |interval: usize, account, kind: Option<MediaKind>| StatisticsGroup {
        at: starts.get(interval).copied().unwrap_or(period.from),
        account,
        kind: kind.map_or("", MediaKind::as_str),
    };
    let detail = SumDetail::KindAndClass;
    for sum in store.sum_states(period, &starts, detail).await? {
        let key = group(sum.interval, sum.account, sum.kind);
        let statistics = statistics.entry(key).or_default();
        let column = match sum.origin {
            Origin::Api => &mut statistics.states,
            Origin::Observed => &mut statistics.observed,
            Origin::DryRun => &mut statistics.dry_run,
            Origin::Orphan => continue,
        };
        *column.entry(sum.state).or_default() += sum.messages;
        if sum.origin == Origin::Api && sum.state == DeliveryState::Failed {
            let class = sum.class.unwrap_or(FailureClass::Unknown);
            *statistics.classes.entry(class).or_default() += sum.messages;
            *statistics.codes.entry(sum.code).or_default() += sum.messages;
        }
    }
    let spans = [LatencySpan::Sent, LatencySpan::Delivered, LatencySpan::Read];
    for sum in store.sum_latencies(period, &starts, &spans).await? {
        let Some(stage) = sum.span.stage_since_acceptance() else {
            continue;
        };
        let key = group(sum.interval, sum.account, sum.kind);
        let statistics = statistics.entry(key).or_default();
        let times = statistics.latencies.entry(stage).or_default();
        times.add_all(&sum.histogram);
    }
    Ok(statistics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn buckets_follow_the_clock_of_the_zone() {
        let zone = chrono_tz::Asia::Kolkata;
        let instant = at("2026-11-20T10:50:00Z");
        for (width, start) in [
            (BucketWidth::QuarterHour, "2026-11-20T10:45:00Z"),
            (BucketWidth::Hour, "2026-11-20T10:30:00Z"),
            (BucketWidth::Day, "2026-11-19T18:30:00Z"),
        ] {
            assert_eq!(width.start(instant, zone), at(start), "{width:?}");
        }
    }

    #[test]
    fn days_may_be_longer_or_shorter_and_may_begin_late() {
        let berlin = chrono_tz::Europe::Berlin;
        let day = NaiveDate::from_ymd_opt(2026, 10, 25).unwrap();
        let hours = (day_end(day, berlin) - day_start(day, berlin)).num_hours();
        assert_eq!(hours, 25);
        // Beirut's clocks went from 24:00 to 01:00.
        let beirut = chrono_tz::Asia::Beirut;
        let day = NaiveDate::from_ymd_opt(2022, 3, 27).unwrap();
        assert_eq!(day_start(day, beirut), at("2022-03-26T22:00:00Z"));
        let first = BucketWidth::Day.start(at("2022-03-26T22:10:00Z"), beirut);
        assert_eq!(first, day_start(day, beirut));
    }

    #[test]
    fn an_hour_that_a_clock_change_repeats_is_two_buckets() {
        let berlin = chrono_tz::Europe::Berlin;
        let first = BucketWidth::Hour.start(at("2026-10-25T00:30:00Z"), berlin);
        let second = BucketWidth::Hour.start(at("2026-10-25T01:30:00Z"), berlin);
        assert_eq!(second - first, TimeDelta::hours(1));
    }
}
