//! What messages cost: from what providers reported, the rates of the operator, and the free messages
//! of an account.
//!
//! Nothing of it is stored: new rates change the cost of old messages.

mod cost_sums;
mod free_deliveries;
mod message_cost;
pub mod month_costs;
mod rates_file;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use chrono_tz::Tz;

pub use cost_sums::CostSum;
pub use message_cost::MessageCharge;
pub use rates_file::{RatesError, RatesFile};

use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::domain::rates::Rates;
use crate::reporting::bucketed_statistics::day_start;
use crate::reporting::costs::free_deliveries::FreeDeliveries;
use crate::store::Store;

/// Shared by everything that shows costs.
#[derive(Clone, Debug)]
pub struct Costs {
    pub store: Store,
    pub rates_file: Arc<RatesFile>,
    /// Configured accounts.
    pub accounts: Arc<BTreeMap<AccountId, Account>>,
    /// In which months and the days of rates begin.
    pub zone: Tz,
}

impl Costs {
    /// The rates as they are now.
    pub async fn pricer(&self) -> Pricer {
        Pricer {
            store: self.store.clone(),
            rates: self.rates_file.current().await,
            accounts: Arc::clone(&self.accounts),
            zone: self.zone,
            free: HashMap::new(),
        }
    }
}

/// The free deliveries of one sender in one month.
type SenderMonth = (AccountId, String, DateTime<Utc>);

/// Computes costs with one state of the rates. It remembers which messages are free.
#[derive(Debug)]
pub struct Pricer {
    store: Store,
    rates: Arc<Rates>,
    accounts: Arc<BTreeMap<AccountId, Account>>,
    zone: Tz,
    free: HashMap<SenderMonth, FreeDeliveries>,
}

impl Pricer {
    pub fn has_rates(&self) -> bool {
        !self.rates.is_empty()
    }

    fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// How many deliveries per sender and month cost nothing.
    fn free_per_month(&self, account: &AccountId) -> i64 {
        let account = self.accounts.get(account);
        account.map_or(0, |account| i64::from(account.free_per_month))
    }
}

/// Start of the calendar month with an instant.
pub fn month_start(at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    day_start(first_day(at, zone), zone)
}

/// Start of the month that is so many months after that of an instant.
pub fn month_after(at: DateTime<Utc>, zone: Tz, months: u32) -> DateTime<Utc> {
    let first = first_day(at, zone);
    let later = first.checked_add_months(Months::new(months));
    day_start(later.unwrap_or(first), zone)
}

/// Start of the month before that of an instant.
pub fn month_before(at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let first = first_day(at, zone);
    let earlier = first.checked_sub_months(Months::new(1));
    day_start(earlier.unwrap_or(first), zone)
}

fn first_day(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let day = at.with_timezone(&zone).date_naive();
    day.with_day(1).unwrap_or(day)
}
