//! The cost of a month by account and category, compared with the month before and with the budgets.
//! The current month is counted until now and compared with the same part of the month before.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::config::Config;
use crate::db::Error;
use crate::domain::account_limit::AccountLimit;
use crate::domain::amount::CurrencyTotals;
use crate::domain::budget::BudgetUse;
use crate::domain::cost::CostBasis;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::reporting::costs::cost_sums::CostSum;
use crate::reporting::costs::months::{month_after, month_start};
use crate::reporting::costs::pricer::Costs;
use crate::reporting::previous_period::previous_period;
use crate::store::bucket_counts::Period;
use crate::store::summed_counts::SumDetail;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CostFigures {
    pub deliveries: i64,
    /// How many deliveries are free.
    pub free: i64,
    /// Deliveries without a matching rate; `totals` lack their cost.
    pub unknown: i64,
    /// Whether some of the cost is estimated from rates.
    pub estimated: bool,
    pub totals: CurrencyTotals,
    /// Deliveries that are charged, by currency.
    pub charged: BTreeMap<String, i64>,
}

impl CostFigures {
    pub fn add(&mut self, sum: &CostSum) {
        self.deliveries += sum.count.deliveries;
        self.free += sum.free;
        match sum.cost.basis {
            CostBasis::Unknown => self.unknown += sum.count.deliveries - sum.free,
            CostBasis::Estimated => self.estimated = true,
            CostBasis::Reported | CostBasis::Free | CostBasis::None => {}
        }
        if let Some(amount) = sum.cost.amount.filter(|amount| !amount.is_zero()) {
            let currency = sum.cost.currency.as_deref().unwrap_or_default();
            self.totals.add(currency, amount);
            let charged = self.charged.entry(currency.to_owned()).or_default();
            *charged += sum.count.deliveries - sum.free;
        }
    }

    pub fn add_all(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.free += other.free;
        self.unknown += other.unknown;
        self.estimated |= other.estimated;
        self.totals.add_all(&other.totals);
        for (currency, deliveries) in &other.charged {
            *self.charged.entry(currency.clone()).or_default() += deliveries;
        }
    }

    /// The average cost of a charged delivery, in each currency.
    pub fn per_charged_delivery(&self) -> CurrencyTotals {
        let mut averages = CurrencyTotals::default();
        for (currency, amount) in self.totals.iter() {
            let charged = self.charged.get(currency).copied().unwrap_or_default();
            if let Some(average) = average(amount, charged) {
                averages.add(currency, average);
            }
        }
        averages
    }

    /// The total cost divided by the messages that were read. `None` if the cost is in several
    /// currencies or not complete, so that it is not known how many read messages it is for.
    pub fn per_read(&self, read: i64) -> Option<CurrencyTotals> {
        let mut amounts = self.totals.iter();
        let (currency, amount) = amounts.next()?;
        let is_whole = amounts.next().is_none() && self.unknown == 0;
        let average = average(amount, read).filter(|_| is_whole)?;
        let mut averages = CurrencyTotals::default();
        averages.add(currency, average);
        Some(averages)
    }
}

/// Account and category; the category is empty where none was reported.
pub type CostGroup = (AccountId, String);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MonthCosts {
    /// The first day of the month.
    pub month: NaiveDate,
    /// Whether the month has ended.
    pub is_complete: bool,
    pub groups: BTreeMap<CostGroup, CostFigures>,
    /// The same part of the month before.
    pub previous: BTreeMap<CostGroup, CostFigures>,
    /// Messages of the month that were read or played, sent by us or elsewhere.
    pub read: BTreeMap<AccountId, i64>,
    pub budgets: Vec<BudgetLine>,
}

/// How much of a budget is used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BudgetLine {
    /// Absent for the budget of all accounts.
    pub account: Option<AccountId>,
    pub used: BudgetUse,
}

impl MonthCosts {
    pub fn total(&self) -> CostFigures {
        sum(self.groups.values())
    }

    pub fn previous_total(&self) -> CostFigures {
        sum(self.previous.values())
    }

    pub fn of_account(&self, account: &AccountId) -> CostFigures {
        sum(of_account(&self.groups, account))
    }

    pub fn previous_of_account(&self, account: &AccountId) -> CostFigures {
        sum(of_account(&self.previous, account))
    }
}

fn of_account<'a>(
    groups: &'a BTreeMap<CostGroup, CostFigures>,
    account: &'a AccountId,
) -> impl Iterator<Item = &'a CostFigures> {
    let matching = groups
        .iter()
        .filter(move |((owner, _), _)| owner == account);
    matching.map(|(_, figures)| figures)
}

fn sum<'a>(figures: impl Iterator<Item = &'a CostFigures>) -> CostFigures {
    figures.fold(CostFigures::default(), |mut total, figures| {
        total.add_all(figures);
        total
    })
}

/// Rounded to four decimals.
fn average(amount: Decimal, messages: i64) -> Option<Decimal> {
    let share = amount.checked_div(Decimal::from(messages))?;
    Some(share.round_dp(4))
}

/// The costs of the month that contains the instant `within`, until `now` at most.
pub async fn compute(
    costs: &Costs,
    config: &Config,
    within: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<MonthCosts, Error> {
    let mut pricer = costs.pricer().await;
    let start = month_start(within, costs.zone);
    let end = month_after(within, costs.zone, 1);
    let so_far = Period {
        from: start,
        to: end.min(now).max(start),
        account: None,
        limit: AccountLimit::default(),
    };
    let mut grouped = async |period: &Period| -> Result<_, Error> {
        let mut groups: BTreeMap<CostGroup, CostFigures> = BTreeMap::new();
        for sum in pricer.sum(period, &[period.from], None).await? {
            let charge = &sum.count.charge;
            let group = (charge.account.clone(), charge.category.clone());
            groups.entry(group).or_default().add(&sum);
        }
        Ok(groups)
    };
    let groups = grouped(&so_far).await?;
    let previous = grouped(&previous_period(&so_far, costs.zone)).await?;
    let mut month = MonthCosts {
        month: start.with_timezone(&costs.zone).date_naive(),
        is_complete: end <= now,
        groups,
        previous,
        read: count_read(costs, &so_far).await?,
        budgets: Vec::new(),
    };
    month.budgets = budgets(config, &month);
    Ok(month)
}

async fn count_read(costs: &Costs, period: &Period) -> Result<BTreeMap<AccountId, i64>, Error> {
    let mut read: BTreeMap<AccountId, i64> = BTreeMap::new();
    let store = &costs.store;
    for sum in store
        .sum_states(period, &[period.from], SumDetail::Totals)
        .await?
    {
        if matches!(sum.state, DeliveryState::Read | DeliveryState::Played) {
            *read.entry(sum.account).or_default() += sum.messages;
        }
    }
    Ok(read)
}

fn budgets(config: &Config, month: &MonthCosts) -> Vec<BudgetLine> {
    let line = |account: Option<&AccountId>, used| BudgetLine {
        account: account.cloned(),
        used,
    };
    let total = month.total().totals;
    let all = config
        .monthly_budget
        .iter()
        .flat_map(|budget| budget.used_by(&total));
    let mut lines: Vec<BudgetLine> = all.map(|used| line(None, used)).collect();
    for account in &config.accounts {
        let Some(budget) = &account.monthly_budget else {
            continue;
        };
        let spent = month.of_account(&account.id).totals;
        let used = budget.used_by(&spent).into_iter();
        lines.extend(used.map(|used| line(Some(&account.id), used)));
    }
    lines
}
