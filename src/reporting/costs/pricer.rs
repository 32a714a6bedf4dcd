//! The pricer: a snapshot of the rates, and which deliveries of an account are free.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::db::Error;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::domain::rates::Rates;
use crate::reporting::costs::free_deliveries::{FreeDeliveries, SenderMonth, find};
use crate::reporting::costs::months::{month_after, month_start};
use crate::reporting::costs::rates_file::RatesFile;
use crate::store::Store;

/// Creates pricers, for everything that shows costs.
#[derive(Clone, Debug)]
pub struct Costs {
    pub store: Store,
    pub rates_file: Arc<RatesFile>,
    /// Configured accounts.
    pub accounts: Arc<BTreeMap<AccountId, Account>>,
    /// Time zone in which months and the days of rates begin.
    pub zone: Tz,
}

impl Costs {
    /// A pricer with the current rates.
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

/// Computes costs with a snapshot of the rates. It caches which deliveries are free.
#[derive(Debug)]
pub struct Pricer {
    pub(super) store: Store,
    pub(super) rates: Arc<Rates>,
    pub(super) accounts: Arc<BTreeMap<AccountId, Account>>,
    pub(super) zone: Tz,
    free: HashMap<SenderMonth, FreeDeliveries>,
}

impl Pricer {
    pub(super) fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// How many deliveries per sender and month cost nothing.
    fn free_deliveries_per_month(&self, account: &AccountId) -> i64 {
        let account = self.accounts.get(account);
        account.map_or(0, |account| i64::from(account.free_deliveries_per_month))
    }

    /// Finds the free deliveries of a sender in the month of an instant, once.
    pub(super) async fn load_free(
        &mut self,
        account: &AccountId,
        sender: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limit = self.free_deliveries_per_month(account);
        let key = self.sender_month(account, sender, at);
        if limit > 0 && !self.free.contains_key(&key) {
            let found = find(&self.store, &key, month_after(at, self.zone, 1), limit).await?;
            self.free.insert(key, found);
        }
        Ok(())
    }

    /// What [`Pricer::load_free`] found; `None` for an account without free deliveries.
    pub(super) fn free_deliveries(
        &self,
        account: &AccountId,
        sender: &str,
        at: DateTime<Utc>,
    ) -> Option<&FreeDeliveries> {
        self.free.get(&self.sender_month(account, sender, at))
    }

    fn sender_month(&self, account: &AccountId, sender: &str, at: DateTime<Utc>) -> SenderMonth {
        (
            account.clone(),
            sender.to_owned(),
            month_start(at, self.zone),
        )
    }
}
