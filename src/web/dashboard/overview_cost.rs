//! The cost of this month on the overview, compared with the month before and with the budgets.

use chrono_tz::Tz;

use crate::reporting::costs::month_costs::MonthCosts;
use crate::web::dashboard::report_figures::{cost_change, money};
use crate::web::dashboard::report_money::BudgetBar;

#[derive(Clone, Debug)]
pub(super) struct CostSection {
    /// `November 2026`
    pub(super) month: String,
    pub(super) amount: String,
    pub(super) change: Option<String>,
    pub(super) before: String,
    pub(super) estimated: bool,
    pub(super) budgets: Vec<BudgetBar>,
    /// The zone in which months begin, if it is not that of the page.
    pub(super) zone: Option<&'static str>,
}

impl CostSection {
    /// `None` if nothing was ever charged and no budget is set.
    pub(super) fn new(month: &MonthCosts, month_zone: Tz, page_zone: Tz) -> Option<Self> {
        let (now, before) = (month.total(), month.previous_total());
        if now.totals.is_empty() && before.totals.is_empty() && month.budgets.is_empty() {
            return None;
        }
        Some(Self {
            month: month.month.format("%B %Y").to_string(),
            amount: money(&now.totals),
            change: cost_change(&now.totals, &before.totals),
            before: if before.totals.is_empty() {
                "nothing".to_owned()
            } else {
                money(&before.totals)
            },
            estimated: now.estimated,
            budgets: month.budgets.iter().map(BudgetBar::new).collect(),
            zone: (month_zone != page_zone).then(|| month_zone.name()),
        })
    }
}
