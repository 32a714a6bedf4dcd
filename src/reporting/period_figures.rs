//! The figures of a period for the overview: messages over time, and each account compared
//! with the period before.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::db;
use crate::domain::account_event::AccountEvent;
use crate::domain::account_limit::AccountLimit;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::state_totals::StateTotals;
use crate::reporting::bucketed_statistics::day_end;
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::period_totals::AccountTotals;
use crate::store::summed_counts::{StateSum, SumDetail};

/// The most events of each account that the chart marks.
const EVENTS_PER_ACCOUNT: usize = 8;
/// After these times, almost every report of `delivered` and of `read` has arrived.
const DELIVERED_AGE: TimeDelta = TimeDelta::hours(1);
const READ_AGE: TimeDelta = TimeDelta::hours(24);

/// A period, and the one before it. All bounds are on quarter hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComparedPeriod {
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
    pub before: Range<DateTime<Utc>>,
    pub width: BarWidth,
    pub now: DateTime<Utc>,
}

/// The width of a bar of the chart. Days and quarters of a day are those of the zone's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BarWidth {
    QuarterHour,
    Hour,
    SixHours,
    Day,
}

#[derive(Clone, PartialEq, Debug)]
pub struct PeriodFigures {
    /// Where each bar begins.
    pub starts: Vec<DateTime<Utc>>,
    pub to: DateTime<Utc>,
    pub width: BarWidth,
    pub bars: Vec<StateCounts>,
    pub total: AccountFigures,
    /// Accounts that sent something in the period.
    pub accounts: BTreeMap<AccountId, AccountFigures>,
    /// Oldest first.
    pub events: Vec<AccountEvent>,
}

pub type StateCounts = BTreeMap<DeliveryState, i64>;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountFigures {
    pub current: AccountTotals,
    pub before: AccountTotals,
    /// The part of the period that is old enough for reports of `delivered`.
    pub old_enough_for_delivered: AccountTotals,
    /// The part of the period that is old enough for reports of `read`.
    pub old_enough_for_read: AccountTotals,
    /// Attempted messages of each bar.
    pub volume: Vec<i64>,
}

impl BarWidth {
    /// Where the bars of a period begin. Where the clock is changed, one is longer or shorter.
    pub fn starts(self, from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Vec<DateTime<Utc>> {
        let mut starts = vec![from];
        let mut last = from;
        loop {
            last = self.next(last, zone);
            if last >= to {
                return starts;
            }
            starts.push(last);
        }
    }

    fn next(self, start: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        let local = start.with_timezone(&zone).naive_local();
        match self {
            Self::QuarterHour => start + TimeDelta::minutes(15),
            Self::Hour => start + TimeDelta::hours(1),
            Self::Day => day_end(local.date(), zone),
            Self::SixHours => {
                let midnight = local.date().and_time(NaiveTime::MIN);
                let later = [6, 12, 18].into_iter().find_map(|hour| {
                    let clock = midnight + TimeDelta::hours(hour);
                    let at = zone.from_local_datetime(&clock).earliest()?.to_utc();
                    (at > start).then_some(at)
                });
                later.unwrap_or_else(|| day_end(local.date(), zone))
            }
        }
    }
}

/// Counts the period and the one before.
pub async fn compute(
    store: &Store,
    accounts: impl IntoIterator<Item = &AccountId>,
    period: &ComparedPeriod,
    zone: Tz,
) -> Result<PeriodFigures, db::Error> {
    let &ComparedPeriod {
        from,
        to,
        width,
        now,
        ..
    } = period;
    let mut totals = store.sum_by_account(from, to).await?;
    let mut before = store
        .sum_by_account(period.before.start, period.before.end)
        .await?;
    let mut events = store
        .list_events_since(accounts, from, EVENTS_PER_ACCOUNT)
        .await?;
    events.retain(|event| event.at < to);
    let starts = width.starts(from, to, zone);
    let length = starts.len();
    let mut figures = PeriodFigures {
        to,
        width,
        bars: vec![StateCounts::new(); length],
        total: AccountFigures {
            volume: vec![0; length],
            ..AccountFigures::default()
        },
        accounts: BTreeMap::new(),
        events,
        starts,
    };
    for earlier in before.values() {
        figures.total.before.states.add_all(&earlier.states);
    }
    for current in totals.values() {
        figures.total.current.states.add_all(&current.states);
    }
    let counted = Period {
        from,
        to,
        account: None,
        limit: AccountLimit::default(),
    };
    let counts = store
        .sum_states(&counted, &figures.starts, SumDetail::Totals)
        .await?;
    for count in counts.into_iter().filter(|it| it.origin == Origin::Api) {
        let bar = count.interval;
        let end = figures.starts.get(bar + 1).copied().unwrap_or(to);
        let account = figures
            .accounts
            .entry(count.account.clone())
            .or_insert_with(|| AccountFigures {
                current: totals.remove(&count.account).unwrap_or_default(),
                before: before.remove(&count.account).unwrap_or_default(),
                volume: vec![0; length],
                ..AccountFigures::default()
            });
        for part in [account, &mut figures.total] {
            part.note(&count, now - end);
        }
        if let Some(bar) = figures.bars.get_mut(bar) {
            *bar.entry(count.state).or_default() += count.messages;
        }
    }
    Ok(figures)
}

impl AccountFigures {
    /// `age` is that of the youngest message of the bar.
    fn note(&mut self, count: &StateSum, age: TimeDelta) {
        let mut counted = StateTotals::default();
        counted.add(count.state, &count.code, count.messages);
        for (part, enough) in [
            (&mut self.old_enough_for_delivered, DELIVERED_AGE),
            (&mut self.old_enough_for_read, READ_AGE),
        ] {
            if age >= enough {
                part.states.add_all(&counted);
            }
        }
        if let Some(volume) = self.volume.get_mut(count.interval) {
            *volume += counted.attempted();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn bars_follow_the_clock_of_the_zone_where_it_is_changed() {
        let berlin = chrono_tz::Europe::Berlin;
        let (from, to) = (at("2026-10-23T22:00:00Z"), at("2026-10-26T23:00:00Z"));
        let days = BarWidth::Day.starts(from, to, berlin);
        assert_eq!(
            days,
            [from, at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z")]
        );
        let quarters = BarWidth::SixHours.starts(from, to, berlin);
        assert_eq!(quarters.len(), 12);
        let times: Vec<String> = quarters
            .iter()
            .map(|at| at.with_timezone(&berlin).format("%H:%M").to_string())
            .collect();
        let clock = ["00:00", "06:00", "12:00", "18:00"];
        assert!(times.chunks(4).all(|day| day == clock), "{times:?}");
        let ends = quarters.iter().skip(1).chain([&to]);
        let lengths: Vec<i64> = quarters
            .iter()
            .zip(ends)
            .map(|(start, end)| (*end - *start).num_hours())
            .collect();
        assert_eq!(lengths, [6, 6, 6, 6, 7, 6, 6, 6, 6, 6, 6, 6]);
    }

    #[test]
    fn the_last_bar_ends_with_the_period() {
        let from = at("2026-11-20T18:15:00Z");
        let starts = BarWidth::SixHours.starts(from, at("2026-11-21T01:00:00Z"), Tz::UTC);
        assert_eq!(starts, [from, at("2026-11-21T00:00:00Z")]);
    }
}
