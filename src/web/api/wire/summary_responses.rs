//! The JSON of the delivery summary and of costs.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::statistics_responses::{TimesResponse, times};
use super::time;
use crate::domain::amount::CurrencyTotals;
use crate::domain::delivery_state::DeliveryState;
use crate::reporting::costs::month_costs::{BudgetLine, CostFigures, MonthCosts};
use crate::reporting::delivery_summary::{Dimension, Interval, SummaryFigures, SummaryGroup};
use crate::reporting::summary_report::SummaryReport;

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct SummaryResponse {
    /// When the messages were counted.
    pub(crate) as_of: String,
    /// The zone of the days.
    pub(crate) tz: &'static str,
    /// `day`, `week` or `month`.
    pub(crate) interval: &'static str,
    /// Dimensions that rows are grouped by besides the interval.
    pub(crate) by: Vec<&'static str>,
    /// Inclusive; messages count at their first attempt.
    pub(crate) from: String,
    /// Exclusive.
    pub(crate) to: String,
    pub(crate) data: Vec<SummaryRowResponse>,
    /// The sums of the whole period.
    pub(crate) total: FiguresResponse,
    pub(crate) previous: PreviousResponse,
}

/// The period before, with the same length.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct PreviousResponse {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) total: FiguresResponse,
}

/// One interval, account, kind and campaign, as far as rows are grouped by them.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct SummaryRowResponse {
    /// The first day of the interval that is in the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    /// Absent outside of campaigns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) campaign: Option<String>,
    #[serde(flatten)]
    pub(crate) figures: FiguresResponse,
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct FiguresResponse {
    /// How many messages we sent.
    pub(crate) messages: i64,
    /// The same, by state; every state is present.
    pub(crate) states: BTreeMap<&'static str, i64>,
    /// Messages whose submission began; percentages are of these.
    pub(crate) attempted: i64,
    /// Delivered, read or played.
    pub(crate) delivered: i64,
    /// Read or played.
    pub(crate) read: i64,
    pub(crate) failed: i64,
    /// Failed messages that were never attempted, for example because they expired in the queue.
    pub(crate) failed_in_queue: i64,
    /// How many messages were sent elsewhere.
    pub(crate) observed: i64,
    /// How many belong to accounts in dry-run.
    pub(crate) dry_run: i64,
    /// Time from acceptance, by stage.
    pub(crate) time_to: BTreeMap<&'static str, TimesResponse>,
    pub(crate) cost: CostSumResponse,
}

/// The cost of messages that were sent by us or elsewhere.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CostSumResponse {
    /// One per currency; amounts of different currencies are never added up.
    pub(crate) amounts: Vec<AmountResponse>,
    /// All deliveries.
    pub(crate) deliveries: i64,
    /// Deliveries that cost nothing.
    pub(crate) free: i64,
    /// Deliveries that are not in the amounts because no rate fits.
    pub(crate) unknown: i64,
    /// Whether some of the amounts are estimated from rates.
    pub(crate) estimated: bool,
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AmountResponse {
    /// A decimal.
    pub(crate) amount: String,
    /// Absent if the provider named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
}

/// What this month has cost so far.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CostsResponse {
    pub(crate) as_of: String,
    /// The zone in which the month begins.
    pub(crate) tz: &'static str,
    /// Such as `2026-11`.
    pub(crate) month: String,
    pub(crate) data: Vec<CostGroupResponse>,
    pub(crate) total: CostSumResponse,
    /// The same part of the month before.
    pub(crate) previous_total: CostSumResponse,
    pub(crate) budgets: Vec<BudgetResponse>,
}

/// The cost of one account and category.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CostGroupResponse {
    pub(crate) account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) category: Option<String>,
    #[serde(flatten)]
    pub(crate) cost: CostSumResponse,
    /// In the same part of the month before.
    pub(crate) previous: CostSumResponse,
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct BudgetResponse {
    /// Absent for the budget of all accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
    pub(crate) budget: String,
    pub(crate) spent: String,
    /// Rounded down.
    pub(crate) percent: u64,
}

impl SummaryResponse {
    pub(crate) fn of(report: &SummaryReport, interval: Interval, by: &[Dimension]) -> Self {
        Self {
            as_of: time(report.as_of),
            tz: report.zone.name(),
            interval: interval.as_str(),
            by: by.iter().copied().map(Dimension::as_str).collect(),
            from: time(report.period.from),
            to: time(report.period.to),
            data: report
                .sums
                .by_interval(by)
                .iter()
                .map(|(group, figures)| SummaryRowResponse::of(group, figures))
                .collect(),
            total: (&report.sums.total()).into(),
            previous: PreviousResponse {
                from: time(report.previous_period.from),
                to: time(report.previous_period.to),
                total: (&report.previous.total()).into(),
            },
        }
    }
}

impl SummaryRowResponse {
    fn of(group: &SummaryGroup, figures: &SummaryFigures) -> Self {
        Self {
            day: group.day.map(|day| day.to_string()),
            account: group.account.as_ref().map(ToString::to_string),
            kind: group.kind.filter(|kind| !kind.is_empty()),
            campaign: group.campaign.clone().filter(|id| !id.is_empty()),
            figures: figures.into(),
        }
    }
}

impl From<&SummaryFigures> for FiguresResponse {
    fn from(figures: &SummaryFigures) -> Self {
        Self {
            messages: figures.states.messages(),
            states: DeliveryState::ALL
                .into_iter()
                .map(|state| (state.as_str(), figures.states.get(state)))
                .collect(),
            attempted: figures.states.attempted(),
            delivered: figures.delivered(),
            read: figures.read(),
            failed: figures.states.get(DeliveryState::Failed),
            failed_in_queue: figures.states.failed_in_queue(),
            observed: figures.observed,
            dry_run: figures.dry_run,
            time_to: times(&figures.latencies),
            cost: (&figures.cost).into(),
        }
    }
}

impl From<&CostFigures> for CostSumResponse {
    fn from(cost: &CostFigures) -> Self {
        Self {
            amounts: amounts(&cost.totals),
            deliveries: cost.deliveries,
            free: cost.free,
            unknown: cost.unknown,
            estimated: cost.estimated,
        }
    }
}

impl CostsResponse {
    pub(crate) fn of(month: &MonthCosts, as_of: DateTime<Utc>, tz: &'static str) -> Self {
        let none = CostFigures::default();
        Self {
            as_of: time(as_of),
            tz,
            month: month.month.format("%Y-%m").to_string(),
            // Includes groups with costs only in the month before, so that the rows add up to both totals.
            data: month
                .groups
                .keys()
                .chain(month.previous.keys())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|group| CostGroupResponse {
                    account: group.0.to_string(),
                    category: Some(group.1.clone()).filter(|text| !text.is_empty()),
                    cost: month.groups.get(group).unwrap_or(&none).into(),
                    previous: month.previous.get(group).unwrap_or(&none).into(),
                })
                .collect(),
            total: (&month.total()).into(),
            previous_total: (&month.previous_total()).into(),
            budgets: month.budgets.iter().map(BudgetResponse::of).collect(),
        }
    }
}

impl BudgetResponse {
    fn of(line: &BudgetLine) -> Self {
        let used = &line.used;
        Self {
            account: line.account.as_ref().map(ToString::to_string),
            currency: Some(used.currency.clone()).filter(|text| !text.is_empty()),
            budget: used.budget.to_string(),
            spent: used.spent.normalize().to_string(),
            percent: used.percent,
        }
    }
}

fn amounts(totals: &CurrencyTotals) -> Vec<AmountResponse> {
    let amounts = totals.iter();
    amounts
        .map(|(currency, amount)| AmountResponse {
            amount: amount.normalize().to_string(),
            currency: Some(currency.to_owned()).filter(|text| !text.is_empty()),
        })
        .collect()
}
