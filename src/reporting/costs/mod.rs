//! The cost of messages: from prices that providers reported, the rates of the operator, and the free
//! messages of an account.
//!
//! Costs are not stored: new rates change the cost of old messages.

mod campaign_cost;
mod cost_sums;
mod free_deliveries;
mod message_cost;
pub mod month_costs;
mod months;
mod pricer;
mod rates_file;

pub use cost_sums::CostSum;
pub use message_cost::MessageCharge;
pub use pricer::{Costs, Pricer};
pub use rates_file::{RatesError, RatesFile};
