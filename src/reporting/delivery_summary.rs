//! The delivery summary: messages and their cost by day, week or month, by account, kind and
//! campaign.
//!
//! The page and all files are grouped from the same sums.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::db::Error;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::AccountId;
use crate::domain::latency::{Histogram, LatencySpan};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::state_totals::StateTotals;
use crate::reporting::bucketed_statistics::day_start;
use crate::reporting::costs::month_costs::CostFigures;
use crate::reporting::costs::{CostSum, Pricer};
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::latency_sums::LatencySum;
use crate::store::summed_counts::{StateSum, SumDetail};

/// The most intervals of one summary: three years of days.
pub const INTERVAL_LIMIT: usize = 1100;
/// The most rows of one summary.
pub const ROW_LIMIT: usize = 100_000;

/// Times whose median is reported.
const MEDIAN_SPANS: [LatencySpan; 3] =
    [LatencySpan::Sent, LatencySpan::Delivered, LatencySpan::Read];

#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum Interval {
    Day,
    /// From Monday.
    Week,
    Month,
}
enum_words!(Interval, "an interval");

/// Rows are grouped by the interval and by any of these.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum Dimension {
    Account,
    Kind,
    Campaign,
}
enum_words!(Dimension, "a dimension");

impl Interval {
    fn first_day(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => day,
            Self::Week => day.week(chrono::Weekday::Mon).first_day(),
            Self::Month => day.with_day(1).unwrap_or(day),
        }
    }

    fn next(self, first: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => first.checked_add_days(Days::new(1)),
            Self::Week => first.checked_add_days(Days::new(7)),
            Self::Month => first.checked_add_months(Months::new(1)),
        }
    }

    /// The starts of the intervals of a period: its own start, and those after it.
    pub fn starts(self, period: &Period, zone: Tz) -> Vec<DateTime<Utc>> {
        let mut starts = vec![period.from];
        let mut day = self.first_day(period.from.with_timezone(&zone).date_naive());
        while let Some(next) = self.next(day) {
            let start = day_start(next, zone);
            if start >= period.to || starts.len() > INTERVAL_LIMIT {
                break;
            }
            starts.push(start);
            day = next;
        }
        starts
    }
}

/// Identifies a row. A field is `None` if rows are not grouped by it; a kind or campaign is empty where
/// messages have none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct SummaryGroup {
    /// The first day of the interval that is in the period.
    pub day: Option<NaiveDate>,
    pub account: Option<AccountId>,
    pub kind: Option<&'static str>,
    pub campaign: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SummaryFigures {
    /// Messages sent by us.
    pub states: StateTotals,
    /// Messages sent elsewhere.
    pub observed: i64,
    pub dry_run: i64,
    /// Time from acceptance to a stage, of messages sent by us.
    pub latencies: BTreeMap<Stage, Histogram>,
    /// The cost of messages sent by us and elsewhere.
    pub cost: CostFigures,
}

impl SummaryFigures {
    pub fn delivered(&self) -> i64 {
        self.states.at_least(DeliveryState::Delivered)
    }

    pub fn read(&self) -> i64 {
        self.states.at_least(DeliveryState::Read)
    }

    /// The median in milliseconds.
    pub fn median(&self, stage: Stage) -> Option<f64> {
        self.latencies.get(&stage)?.percentile(50)
    }
}

/// All sums of a period, by interval.
#[derive(Clone, PartialEq, Debug)]
pub struct PeriodSums {
    zone: Tz,
    /// The first day of each interval.
    days: Vec<NaiveDate>,
    states: Vec<StateSum>,
    latencies: Vec<LatencySum>,
    costs: Vec<CostSum>,
}

impl PeriodSums {
    /// Without `interval`, the whole period is one. `campaign` limits the sums to one campaign,
    /// which has no latencies.
    pub async fn load(
        store: &Store,
        pricer: &mut Pricer,
        period: &Period,
        interval: Option<Interval>,
        zone: Tz,
        campaign: Option<&CampaignId>,
    ) -> Result<Self, Error> {
        let starts = match interval {
            Some(interval) => interval.starts(period, zone),
            None => vec![period.from],
        };
        let day = |at: &DateTime<Utc>| at.with_timezone(&zone).date_naive();
        let mut sums = Self {
            zone,
            days: starts.iter().map(day).collect(),
            states: Vec::new(),
            latencies: Vec::new(),
            costs: pricer.sum(period, &starts, campaign).await?,
        };
        let detail = SumDetail::KindAndCampaign;
        let states = store.sum_states(period, &starts, detail).await?;
        let is_requested = |sum: &StateSum| campaign.is_none() || sum.campaign.as_ref() == campaign;
        sums.states.extend(states.into_iter().filter(is_requested));
        if campaign.is_none() {
            sums.latencies = store.sum_latencies(period, &starts, &MEDIAN_SPANS).await?;
        }
        Ok(sums)
    }

    fn first_day(&self, interval: usize) -> NaiveDate {
        self.days.get(interval).copied().unwrap_or_default()
    }

    fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// Rows by interval and dimensions, in order.
    pub fn by_interval(&self, by: &[Dimension]) -> BTreeMap<SummaryGroup, SummaryFigures> {
        self.group(by, Some)
    }

    /// Rows of the whole period by dimensions.
    pub fn whole(&self, by: &[Dimension]) -> BTreeMap<SummaryGroup, SummaryFigures> {
        self.group(by, |_| None)
    }

    pub fn total(&self) -> SummaryFigures {
        self.whole(&[])
            .remove(&SummaryGroup::default())
            .unwrap_or_default()
    }

    fn group(
        &self,
        by: &[Dimension],
        day: impl Fn(NaiveDate) -> Option<NaiveDate>,
    ) -> BTreeMap<SummaryGroup, SummaryFigures> {
        let has = |dimension| by.contains(&dimension);
        let group = |on: NaiveDate,
                     account: &AccountId,
                     kind: Option<MediaKind>,
                     campaign: Option<&CampaignId>| SummaryGroup {
            day: day(on),
            account: has(Dimension::Account).then(|| account.clone()),
            kind: has(Dimension::Kind).then(|| kind.map_or("", MediaKind::as_str)),
            campaign: has(Dimension::Campaign)
                .then(|| campaign.map_or_else(String::new, CampaignId::to_string)),
        };
        let mut rows: BTreeMap<SummaryGroup, SummaryFigures> = BTreeMap::new();
        for sum in &self.states {
            let on = self.first_day(sum.interval);
            let row = rows
                .entry(group(on, &sum.account, sum.kind, sum.campaign.as_ref()))
                .or_default();
            match sum.origin {
                Origin::Api => row.states.add(sum.state, &sum.code, sum.messages),
                Origin::Observed => row.observed += sum.messages,
                Origin::DryRun => row.dry_run += sum.messages,
                Origin::Orphan => {}
            }
        }
        for sum in &self.costs {
            let (charge, on) = (&sum.count.charge, self.day(sum.start));
            let group = group(
                on,
                &charge.account,
                sum.count.kind,
                sum.count.campaign.as_ref(),
            );
            rows.entry(group).or_default().cost.add(sum);
        }
        // Latencies are not counted by campaign.
        let latencies = self.latencies.iter().filter(|_| !has(Dimension::Campaign));
        for sum in latencies {
            let on = self.first_day(sum.interval);
            let Some(stage) = sum.span.stage_since_acceptance() else {
                continue;
            };
            rows.entry(group(on, &sum.account, sum.kind, None))
                .or_default()
                .latencies
                .entry(stage)
                .or_default()
                .add_all(&sum.histogram);
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account_limit::AccountLimit;

    fn period(from: &str, to: &str) -> Period {
        Period {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            account: None,
            limit: AccountLimit::default(),
        }
    }

    #[test]
    fn weeks_and_months_begin_with_their_first_day_within_the_period() {
        let period = period("2026-10-30T00:00:00Z", "2026-11-10T12:00:00Z");
        for (interval, starts) in [
            (
                Interval::Week,
                vec!["2026-10-30", "2026-11-02", "2026-11-09"],
            ),
            (Interval::Month, vec!["2026-10-30", "2026-11-01"]),
        ] {
            let days = interval.starts(&period, Tz::UTC);
            let days: Vec<String> = days.iter().map(|at| at.date_naive().to_string()).collect();
            assert_eq!(days, starts);
        }
        assert_eq!(Interval::Day.starts(&period, Tz::UTC).len(), 12);
    }
}
