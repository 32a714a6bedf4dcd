//! What one delivery costs: nothing if it is free, else the reported price, else the rate.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::domain::amount::parse_amount;
use crate::domain::charge::Charge;
use crate::domain::rates::{Rate, Rates};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitCost<'a> {
    /// Nothing, as the provider reported.
    Free,
    /// The provider reported the price.
    Reported(Decimal),
    Estimated(&'a Rate),
    /// No rate fits.
    Unknown,
}

impl<'a> UnitCost<'a> {
    /// `day` is that of the message, in the zone of the rates.
    pub fn of(charge: &Charge, rates: &'a Rates, day: NaiveDate) -> Self {
        if charge.free {
            return Self::Free;
        }
        if let Some(price) = parse_amount(&charge.price) {
            return Self::Reported(price);
        }
        let rate = rates.find(&charge.account, &charge.country, &charge.category, day);
        rate.map_or(Self::Unknown, Self::Estimated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::charge::ReportedPrice;

    fn unit_cost(reported: ReportedPrice<'_>) -> String {
        let day = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let charge = Charge::new("k".parse().unwrap(), None, Some("IN"), reported);
        format!("{:?}", UnitCost::of(&charge, &Rates::default(), day))
    }

    #[test]
    fn free_beats_a_price_and_a_price_beats_rates() {
        let priced = ReportedPrice {
            billable: Some(true),
            price: Some("0.78"),
            ..ReportedPrice::default()
        };
        assert_eq!(unit_cost(priced), "Reported(0.78)");
        let not_billable = ReportedPrice {
            billable: Some(false),
            ..priced
        };
        assert_eq!(unit_cost(not_billable), "Free");
        let free_type = ReportedPrice {
            pricing_type: Some("free_entry_point"),
            ..priced
        };
        assert_eq!(unit_cost(free_type), "Free");
        assert_eq!(unit_cost(ReportedPrice::default()), "Unknown");
    }
}
