//! Budgets and amounts that an alert of the kind `budget` reports as exceeded.

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::domain::alert::AlertRule;
use crate::domain::ids::AccountId;
use crate::reporting::costs::month_costs::MonthCosts;

/// The account, or `None` for all accounts together, and the summary of the alert.
pub(super) type Overspent = (Option<AccountId>, String);

/// With a threshold, the rule's account, or all accounts together, once the costs in one currency
/// reach it. Without one, every budget that is used to 80 % or more.
pub(super) fn list_overspent(rule: &AlertRule, month: &MonthCosts) -> Vec<Overspent> {
    if rule.threshold > 0.0 {
        return find_overspent(rule, month).into_iter().collect();
    }
    let concerned = month
        .budgets
        .iter()
        .filter(|line| rule.account.is_none() || line.account == rule.account);
    let mut overspent: Vec<Overspent> = Vec::new();
    for line in concerned.filter(|line| line.used.alarm_share().is_some()) {
        // Only the currency that is used most, which comes first.
        if overspent
            .iter()
            .all(|(account, _)| *account != line.account)
        {
            let used = &line.used;
            let text = format!(
                "{}: {} of {} spent this month",
                name(line.account.as_ref()),
                amount(used.spent, &used.currency),
                amount(used.budget, &used.currency)
            );
            overspent.push((line.account.clone(), text));
        }
    }
    overspent
}

fn find_overspent(rule: &AlertRule, month: &MonthCosts) -> Option<Overspent> {
    let threshold = Decimal::from_f64(rule.threshold)?;
    let spent = match &rule.account {
        Some(account) => month.of_account(account),
        None => month.total(),
    };
    let mut over = spent.totals.iter().filter(|(_, spent)| *spent >= threshold);
    let (currency, spent) = over.next()?;
    let text = format!(
        "{}: {} spent this month",
        name(rule.account.as_ref()),
        amount(spent, currency)
    );
    Some((rule.account.clone(), text))
}

fn name(account: Option<&AccountId>) -> &str {
    account.map_or("all accounts", AccountId::as_str)
}

fn amount(amount: Decimal, currency: &str) -> String {
    format!("{currency} {}", amount.normalize())
        .trim_start()
        .to_owned()
}
