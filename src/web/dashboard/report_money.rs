//! The costs of the month on `/reports`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::amount::Totals;
use crate::domain::ids::AccountId;
use crate::reporting::costs::month_costs::{BudgetLine, CostFigures, MonthCosts, average};
use crate::web::dashboard::number_format::counted;
use crate::web::dashboard::report_figures::{
    Figure, amount_text, cost_change, money, number, positive,
};

#[derive(Clone, Debug)]
pub(super) struct MoneySection {
    pub(super) title: String,
    pub(super) compared_with: String,
    pub(super) accounts: Vec<AccountCosts>,
    pub(super) total: CostRow,
    pub(super) budgets: Vec<BudgetBar>,
    /// Deliveries that no rate fits.
    pub(super) unknown: Option<String>,
    pub(super) estimated: bool,
    /// Why the file of rates is not used.
    pub(super) rates_problem: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct AccountCosts {
    pub(super) row: CostRow,
    pub(super) per_delivered: String,
    pub(super) per_read: String,
    /// By category, if there are several.
    pub(super) categories: Vec<CostRow>,
}

#[derive(Clone, Debug)]
pub(super) struct CostRow {
    pub(super) label: String,
    pub(super) deliveries: String,
    pub(super) free: String,
    pub(super) cost: Figure,
    pub(super) before: String,
}

#[derive(Clone, Debug)]
pub(super) struct BudgetBar {
    pub(super) label: String,
    pub(super) percent: u64,
    pub(super) over: bool,
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
        let title = if total.totals.is_empty() {
            format!("Nothing charged in {name} so far")
        } else {
            format!("{} in {name} so far", money(&total.totals))
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
            compared_with: format!(
                "until {}; compared with the same part of the month before",
                now.with_timezone(&zone).format("%-d %B %H:%M")
            ),
            accounts: accounts
                .iter()
                .map(|account| account_costs(month, account))
                .collect(),
            budgets: month.budgets.iter().map(BudgetBar::new).collect(),
            unknown: (total.unknown > 0)
                .then(|| counted(positive(total.unknown), "delivery is", "deliveries are")),
            estimated: total.estimated,
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
            over: used.alarm_share().is_some(),
        }
    }
}

fn account_costs(month: &MonthCosts, account: &AccountId) -> AccountCosts {
    let (now, before) = (
        month.of_account(account),
        month.previous_of_account(account),
    );
    let reached = month.reached.get(account).copied().unwrap_or_default();
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
    // Messages without a rate are in the number and not in the sum.
    let known = if now.unknown == 0 {
        now.totals.clone()
    } else {
        Totals::default()
    };
    let per = |messages: i64| average_text(&known, messages);
    AccountCosts {
        per_delivered: per(reached.delivered),
        per_read: per(reached.read),
        row: cost_row(account.to_string(), &now, &before),
        categories: categories.collect(),
    }
}

fn average_text(totals: &Totals, messages: i64) -> String {
    money(&average(totals, messages))
}

fn cost_row(label: String, figures: &CostFigures, before: &CostFigures) -> CostRow {
    CostRow {
        label,
        deliveries: number(figures.deliveries),
        free: number(figures.free),
        cost: Figure {
            text: money(&figures.totals),
            change: cost_change(&figures.totals, &before.totals),
        },
        before: money(&before.totals),
    }
}
