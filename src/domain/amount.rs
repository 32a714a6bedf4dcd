//! Amounts of money: decimals, never floats, and one sum per currency.

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;

/// The largest price or rate; its product with any number of messages is exact.
const LARGEST_AMOUNT: i64 = 1_000_000_000;
const DECIMAL_PLACES: u32 = 9;
/// The longest currency code, in characters.
const CURRENCY_LIMIT: usize = 8;

/// Parses a price as providers and rate files write it; `None` if the text is not a price.
pub fn parse_amount(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let number = Decimal::from_str_exact(text)
        .or_else(|_| Decimal::from_scientific(text))
        .ok()?
        .normalize();
    let fits = number.abs() <= Decimal::from(LARGEST_AMOUNT) && number.scale() <= DECIMAL_PLACES;
    fits.then_some(number)
}

/// Parses a currency code in upper or lower case.
pub fn parse_currency(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=CURRENCY_LIMIT).contains(&text.len())
        && text.bytes().all(|letter| letter.is_ascii_alphabetic());
    fits.then(|| text.to_ascii_uppercase())
}

/// Sums by currency. Amounts without a currency are summed under the empty string.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CurrencyTotals(BTreeMap<String, Decimal>);

impl CurrencyTotals {
    pub fn add(&mut self, currency: &str, amount: Decimal) {
        let sum = self.0.entry(currency.to_owned()).or_default();
        *sum = sum.saturating_add(amount);
    }

    pub fn add_all(&mut self, other: &Self) {
        for (currency, amount) in other.iter() {
            self.add(currency, amount);
        }
    }

    pub fn get(&self, currency: &str) -> Decimal {
        self.0.get(currency).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Decimal)> {
        self.0
            .iter()
            .map(|(currency, amount)| (currency.as_str(), *amount))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `INR 207437.5 · USD 3`, unrounded.
impl fmt::Display for CurrencyTotals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .iter()
            .map(|(currency, amount)| {
                let amount = amount.normalize();
                format!("{currency} {amount}").trim_start().to_owned()
            })
            .collect();
        out.write_str(&parts.join(" · "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_an_exact_decimal() {
        for (text, amount) in [
            ("0.7846", Some("0.7846")),
            (" 12 ", Some("12")),
            ("-0.005", Some("-0.005")),
            ("7.8E-1", Some("0.78")),
            ("0.10", Some("0.1")),
            ("1000000000", Some("1000000000")),
            ("1000000000.5", None),
            ("0.0000000001", None),
            ("1,5", None),
            ("free", None),
            ("NaN", None),
            ("", None),
            ("99999999999999999999999999999999999", None),
        ] {
            let parsed = parse_amount(text).map(|amount| amount.to_string());
            assert_eq!(parsed.as_deref(), amount, "{text}");
        }
    }

    #[test]
    fn amounts_in_different_currencies_are_never_added() {
        let mut totals = CurrencyTotals::default();
        for (currency, amount) in [("INR", "0.1"), ("USD", "2"), ("INR", "0.2"), ("", "1")] {
            totals.add(currency, parse_amount(amount).unwrap());
        }
        assert_eq!(totals.to_string(), "1 · INR 0.3 · USD 2");
    }
}
