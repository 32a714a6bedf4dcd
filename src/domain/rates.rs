//! Rates: what one delivery costs, by account, country and category, from a day on.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::domain::ids::AccountId;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rate {
    pub amount: Decimal,
    pub currency: String,
}

/// What a rate applies to; `None` means all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct RateScope {
    pub account: Option<AccountId>,
    /// ISO 3166, in capitals.
    pub country: Option<String>,
    /// In lower case.
    pub category: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rates(BTreeMap<RateScope, BTreeMap<NaiveDate, Rate>>);

impl Rates {
    /// Returns the replaced rate, if any: two rates for one scope and day contradict each other.
    pub fn insert(&mut self, scope: RateScope, valid_from: NaiveDate, rate: Rate) -> Option<Rate> {
        self.0.entry(scope).or_default().insert(valid_from, rate)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The days on which a rate begins.
    pub fn start_days(&self) -> impl Iterator<Item = NaiveDate> {
        self.0.values().flat_map(BTreeMap::keys).copied()
    }

    /// The most specific rate that is valid on a day: one for the account before one for all
    /// accounts, then one for the country, then one for the category.
    pub fn find(
        &self,
        account: &AccountId,
        country: &str,
        category: &str,
        day: NaiveDate,
    ) -> Option<&Rate> {
        let choices = [true, false];
        let scopes = choices.into_iter().flat_map(|by_account| {
            choices.into_iter().flat_map(move |by_country| {
                choices.map(move |by_category| RateScope {
                    account: by_account.then(|| account.clone()),
                    country: by_country.then(|| country.to_owned()),
                    category: by_category.then(|| category.to_owned()),
                })
            })
        });
        scopes.into_iter().find_map(|scope| {
            let rates = self.0.get(&scope)?;
            rates.range(..=day).next_back().map(|(_, rate)| rate)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn scope(account: &str, country: &str, category: &str) -> RateScope {
        let part = |text: &str| (text != "*").then(|| text.to_owned());
        RateScope {
            account: part(account).map(|id| id.parse().unwrap()),
            country: part(country),
            category: part(category),
        }
    }

    #[test]
    fn the_most_specific_valid_rate_applies() {
        let mut rates = Rates::default();
        for (scope, from, amount) in [
            (scope("*", "*", "marketing"), "2026-01-01", 9),
            (scope("*", "IN", "marketing"), "2026-01-01", 5),
            (scope("*", "IN", "marketing"), "2026-07-01", 6),
            (scope("k", "*", "marketing"), "2026-06-01", 3),
            (scope("k", "*", "*"), "2026-06-01", 2),
        ] {
            let rate = Rate {
                amount: Decimal::from(amount),
                currency: "INR".to_owned(),
            };
            assert_eq!(rates.insert(scope, day(from), rate), None);
        }
        for (account, country, category, on, amount) in [
            ("s", "IN", "marketing", "2026-06-30", Some(5)),
            ("s", "IN", "marketing", "2026-07-01", Some(6)),
            ("s", "BR", "marketing", "2026-07-01", Some(9)),
            ("s", "BR", "utility", "2026-07-01", None),
            ("s", "IN", "marketing", "2025-12-31", None),
            ("k", "IN", "marketing", "2026-05-31", Some(5)),
            ("k", "IN", "marketing", "2026-06-01", Some(3)),
            ("k", "IN", "", "2026-06-01", Some(2)),
        ] {
            let found = rates.find(&account.parse().unwrap(), country, category, day(on));
            let found = found.map(|rate| rate.amount);
            assert_eq!(
                found,
                amount.map(Decimal::from),
                "{account} {country} {category} {on}"
            );
        }
    }
}
