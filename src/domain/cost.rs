//! What a message costs, and how that is known.

use rust_decimal::Decimal;
use strum::{IntoStaticStr, VariantArray};

use crate::domain::enum_words::enum_words;
use crate::domain::unit_cost::UnitCost;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum CostBasis {
    /// The provider reported the price.
    Reported,
    /// Computed from the rates.
    Estimated,
    /// Of a free pricing type, or one of the account's free messages of the month.
    Free,
    /// Not delivered, so not charged.
    None,
    /// Delivered, and no rate fits.
    Unknown,
}
enum_words!(CostBasis);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cost {
    pub basis: CostBasis,
    /// Zero if it is free; absent if nothing is charged, or no rate fits.
    pub amount: Option<Decimal>,
    pub currency: Option<String>,
}

impl Cost {
    pub const NONE: Self = Self {
        basis: CostBasis::None,
        amount: None,
        currency: None,
    };

    /// The cost of `deliveries`, `free` of which are among the account's free messages. `currency`
    /// is that of a reported price.
    pub fn of(unit: UnitCost<'_>, currency: &str, deliveries: i64, free: i64) -> Self {
        let charged = |basis, amount: Decimal, currency: &str| Self {
            basis,
            amount: Some(amount.normalize()),
            currency: Some(currency.to_owned()).filter(|currency| !currency.is_empty()),
        };
        match unit {
            _ if deliveries == 0 => Self::NONE,
            UnitCost::Free => charged(CostBasis::Free, Decimal::ZERO, ""),
            UnitCost::Reported(price) => charged(
                CostBasis::Reported,
                price.saturating_mul(Decimal::from(deliveries)),
                currency,
            ),
            UnitCost::Estimated(_) | UnitCost::Unknown if free >= deliveries => {
                charged(CostBasis::Free, Decimal::ZERO, "")
            }
            UnitCost::Estimated(rate) => charged(
                CostBasis::Estimated,
                rate.amount.saturating_mul(Decimal::from(deliveries - free)),
                &rate.currency,
            ),
            UnitCost::Unknown => Self {
                basis: CostBasis::Unknown,
                amount: None,
                currency: None,
            },
        }
    }
}
