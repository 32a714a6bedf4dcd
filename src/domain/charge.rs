//! The properties of a delivered message that determine its price. On any one day, messages with
//! equal charges cost the same.

use crate::domain::amount::{parse_amount, parse_currency};
use crate::domain::ids::AccountId;
use crate::domain::receipt::Pricing;

/// The prefix of Meta's pricing types for free messages.
const FREE_TYPE_PREFIX: &str = "free";

/// Unknown texts are empty strings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Charge {
    pub account: AccountId,
    /// The business number: `+` and digits.
    pub sender: String,
    /// ISO 3166 code of the recipient's number.
    pub country: String,
    /// `marketing`, `utility` … in lower case.
    pub category: String,
    /// Meta's `type`: `regular`, `free_customer_service` …
    pub pricing_type: String,
    /// Reported as not billable, or of a free type.
    pub free: bool,
    /// A decimal in its shortest form, if the provider reported a price.
    pub price: String,
    pub currency: String,
}

/// What was reported about the price of a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportedPrice<'a> {
    pub billable: Option<bool>,
    pub category: Option<&'a str>,
    pub pricing_type: Option<&'a str>,
    pub price: Option<&'a str>,
    pub currency: Option<&'a str>,
}

impl<'a> From<&'a Pricing> for ReportedPrice<'a> {
    fn from(pricing: &'a Pricing) -> Self {
        Self {
            billable: pricing.billable,
            category: pricing.category.as_deref(),
            pricing_type: pricing.kind.as_deref(),
            price: pricing.price.as_deref(),
            currency: pricing.currency.as_deref(),
        }
    }
}

impl Charge {
    pub fn new(
        account: AccountId,
        sender: Option<&str>,
        country: Option<&str>,
        reported: ReportedPrice<'_>,
    ) -> Self {
        let lower = |text: Option<&str>| text.unwrap_or_default().trim().to_lowercase();
        let pricing_type = lower(reported.pricing_type);
        let price = reported.price.and_then(parse_amount);
        let currency = reported.currency.and_then(parse_currency);
        Self {
            account,
            sender: sender.unwrap_or_default().to_owned(),
            country: country.unwrap_or_default().to_owned(),
            category: lower(reported.category),
            free: reported.billable == Some(false) || pricing_type.starts_with(FREE_TYPE_PREFIX),
            pricing_type,
            currency: currency.filter(|_| price.is_some()).unwrap_or_default(),
            price: price.map_or_else(String::new, |price| price.to_string()),
        }
    }

    /// Whether its cost is known only from a rate. Such messages count against the account's free
    /// messages of the month.
    pub fn needs_rate(&self) -> bool {
        !self.free && self.price.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(reported: ReportedPrice<'_>) -> Charge {
        Charge::new("k".parse().unwrap(), None, Some("IN"), reported)
    }

    #[test]
    fn equal_prices_are_one_charge_however_they_are_written() {
        let price = |price, currency| {
            charge(ReportedPrice {
                price: Some(price),
                currency: Some(currency),
                ..ReportedPrice::default()
            })
        };
        assert_eq!(price("0.50", "inr"), price("0.5", "INR"));
        assert!(price("n/a", "INR").needs_rate());
        assert_eq!(price("n/a", "INR").currency, "");
    }
}
