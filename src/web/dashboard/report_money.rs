//! The costs of a month on `/reports`.

use chrono::{DateTime, Months, Utc};
use chrono_tz::Tz;

use crate::domain::ids::AccountId;
use crate::reporting::costs::month_costs::{BudgetLine, CostFigures, MonthCosts};
use crate::reporting::number_format::counted;
use crate::web::dashboard::report_figures::{
    Figure, amount_text, cost_change, count_text, money, non_negative,
};

#[derive(Clone, Debug)]
pub(super) struct MoneySection {
    pub(super) title: String,
    pub(super) compared_with: String,
    pub(super) accounts: Vec<AccountCosts>,
    pub(super) total: CostRow,
    pub(super) budgets: Vec<BudgetBar>,
    /// Deliveries without a price, which no sum includes.
    pub(super) unknown: Option<String>,
    pub(super) estimated: bool,
    /// Whether a provider reported prices without their currency.
    pub(super) has_unnamed_currency: bool,
    /// Why the file of rates is not used.
    pub(super) rates_problem: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct AccountCosts {
    pub(super) row: CostRow,
    pub(super) per_charged: String,
    pub(super) per_read: String,
    /// By category, if any was reported.
    pub(super) categories: Vec<CostRow>,
}

#[derive(Clone, Debug)]
pub(super) struct CostRow {
    pub(super) label: String,
    pub(super) deliveries: String,
    pub(super) free: String,
    /// Deliveries without a price.
    pub(super) unknown: String,
    pub(super) cost: Figure,
    pub(super) before: String,
}

#[derive(Clone, Debug)]
pub(super) struct BudgetBar {
    pub(super) label: String,
    pub(super) percent: u64,
    /// Whether an alarm is raised, which happens before the whole budget is used.
    pub(super) has_alarm: bool,
}

impl MoneySection {
    pub(super) fn new(
        month: &MonthCosts,
        rates_problem: Option<String>,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Self {
        let (total, before) = (month.total(), month.previous_total());
        let name = month.month.format("%B %Y");
        let (so_far, compared_with) = if month.is_complete {
            let before = month.month.checked_sub_months(Months::new(1));
            let before = before.unwrap_or(month.month).format("%B %Y");
            ("", format!("the whole month; compared with {before}"))
        } else {
            let until = now.with_timezone(&zone).format("%-d %B %H:%M");
            let text = format!("until {until}; compared with the same part of the month before");
            (" so far", text)
        };
        let title = if total.totals.is_empty() {
            format!("Nothing charged in {name}{so_far}")
        } else {
            format!("{} in {name}{so_far}", money(&total.totals))
        };
        let mut accounts: Vec<AccountId> = month
            .groups
            .keys()
            .map(|(account, _)| account.clone())
            .collect();
        accounts.extend(month.previous.keys().map(|(account, _)| account.clone()));
        accounts.sort_unstable();
        accounts.dedup();
        Self {
            title,
            compared_with,
            accounts: accounts
                .iter()
                .map(|account| account_costs(month, account))
                .collect(),
            budgets: month.budgets.iter().map(BudgetBar::new).collect(),
            unknown: (total.unknown > 0).then(|| {
                counted(
                    non_negative(total.unknown),
                    "delivery has",
                    "deliveries have",
                )
            }),
            estimated: total.estimated,
            has_unnamed_currency: [&total, &before]
                .iter()
                .any(|it| it.totals.iter().any(|(currency, _)| currency.is_empty())),
            rates_problem,
            total: cost_row("All accounts".to_owned(), &total, &before),
        }
    }
}

impl BudgetBar {
    pub(super) fn new(line: &BudgetLine) -> Self {
        let used = &line.used;
        let of = line
            .account
            .as_ref()
            .map_or("all accounts", AccountId::as_str);
        let money = |amount| {
            format!("{} {}", used.currency, amount_text(amount))
                .trim_start()
                .to_owned()
        };
        Self {
            label: format!(
                "{} % of the budget of {of}: {} of {}",
                used.percent,
                money(used.spent),
                money(used.budget)
            ),
            percent: used.percent.min(100),
            has_alarm: used.alarm_share().is_some(),
        }
    }
}

fn account_costs(month: &MonthCosts, account: &AccountId) -> AccountCosts {
    let (now, before) = (
        month.of_account(account),
        month.previous_of_account(account),
    );
    let read = month.read.get(account).copied().unwrap_or_default();
    let none = CostFigures::default();
    let own = |(owner, _): &&(AccountId, String)| owner == account;
    let groups: std::collections::BTreeSet<_> = month
        .groups
        .keys()
        .chain(month.previous.keys())
        .filter(own)
        .collect();
    let categories = groups.into_iter().map(|group| {
        let label = match group.1.as_str() {
            "" => "no category",
            category => category,
        };
        let figures = month.groups.get(group).unwrap_or(&none);
        let before = month.previous.get(group).unwrap_or(&none);
        cost_row(label.to_owned(), figures, before)
    });
    let has_categories = month
        .groups
        .keys()
        .chain(month.previous.keys())
        .any(|(owner, category)| owner == account && !category.is_empty());
    AccountCosts {
        per_charged: money(&now.per_charged_delivery()),
        per_read: money(&now.per_read(read).unwrap_or_default()),
        row: cost_row(account.to_string(), &now, &before),
        categories: categories.filter(|_| has_categories).collect(),
    }
}

fn cost_row(label: String, figures: &CostFigures, before: &CostFigures) -> CostRow {
    CostRow {
        label,
        deliveries: count_text(figures.deliveries),
        free: count_text(figures.free),
        unknown: count_text(figures.unknown),
        cost: Figure {
            text: money(&figures.totals),
            change: cost_change(&figures.totals, &before.totals),
        },
        before: money(&before.totals),
    }
}
