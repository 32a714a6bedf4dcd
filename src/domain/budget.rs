//! The monthly budget of an account.

use std::cmp::Reverse;

use rust_decimal::Decimal;

use crate::domain::amount::{CurrencyTotals, parse_amount, parse_currency};

/// Shares of a budget at which an alarm is raised, in percent.
pub const ALARM_SHARES: [u32; 2] = [80, 100];

/// The length of a currency code of ISO 4217. Rates and prices of providers may have other codes,
/// for which there are no budgets.
const CURRENCY_LETTERS: usize = 3;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Above 0.
    pub amount: Decimal,
    /// Absent: the amount applies to each currency separately.
    pub currency: Option<String>,
}

/// How much of a budget one currency has used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BudgetUse {
    pub currency: String,
    pub spent: Decimal,
    pub budget: Decimal,
    /// In percent, rounded down.
    pub percent: u64,
}

impl Budget {
    /// `5000` or `5000 INR`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let problem = || format!("`{text}` is not a budget; write an amount such as \"5000 INR\"");
        let mut words = text.split_whitespace();
        let amount = words.next().and_then(parse_amount).ok_or_else(problem)?;
        let currency = words
            .next()
            .map(|word| {
                parse_currency(word)
                    .filter(|currency| currency.len() == CURRENCY_LETTERS)
                    .ok_or_else(|| format!("`{word}` is not a currency; write its three letters, such as \"5000 INR\""))
            })
            .transpose()?;
        if words.next().is_some() || amount <= Decimal::ZERO {
            return Err(problem());
        }
        Ok(Self { amount, currency })
    }

    /// The use of this budget by each currency, the highest percentage first.
    pub fn used_by(&self, totals: &CurrencyTotals) -> Vec<BudgetUse> {
        let covered = totals.iter().filter(|(currency, _)| {
            self.currency
                .as_deref()
                .is_none_or(|wanted| wanted == *currency)
        });
        let mut used: Vec<BudgetUse> = covered
            .map(|(currency, spent)| BudgetUse {
                currency: currency.to_owned(),
                spent,
                budget: self.amount,
                percent: percent(spent, self.amount),
            })
            .collect();
        used.sort_by_key(|used| Reverse(used.percent));
        used
    }
}

impl BudgetUse {
    /// The highest of [`ALARM_SHARES`] that is reached.
    pub fn alarm_share(&self) -> Option<u32> {
        let mut shares = ALARM_SHARES.into_iter().rev();
        shares.find(|share| self.percent >= u64::from(*share))
    }
}

fn percent(part: Decimal, whole: Decimal) -> u64 {
    let share = part
        .saturating_mul(Decimal::ONE_HUNDRED)
        .checked_div(whole)
        .unwrap_or_default();
    u64::try_from(share.floor()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_has_an_amount_and_may_have_a_currency() {
        let budget = Budget::parse("5000 inr").unwrap();
        assert_eq!(budget.currency.as_deref(), Some("INR"));
        assert_eq!(Budget::parse("0.5").unwrap().currency, None);
        for text in ["", "0", "-5 INR", "much", "5 5", "5 INR USD"] {
            assert!(Budget::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn alarms_begin_at_80_and_100_percent_of_one_currency() {
        let budget = Budget::parse("100 INR").unwrap();
        for (spent, percent, alarm) in [
            ("79.99", 79, None),
            ("80", 80, Some(80)),
            ("99.99", 99, Some(80)),
            ("100", 100, Some(100)),
            ("-5", 0, None),
        ] {
            let mut totals = CurrencyTotals::default();
            totals.add("INR", parse_amount(spent).unwrap());
            totals.add("USD", Decimal::from(1_000));
            let used = budget.used_by(&totals);
            assert_eq!(used.len(), 1);
            assert_eq!(
                (used[0].percent, used[0].alarm_share()),
                (percent, alarm),
                "{spent}"
            );
        }
    }
}
