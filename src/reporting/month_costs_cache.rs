//! A cache of this month's costs, for alarms, alerts and the overview: computing them reads the
//! counts of two months.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Config;
use crate::db::Error;
use crate::domain::alert::AlertKind;
use crate::reporting::costs::Costs;
use crate::reporting::costs::month_costs::{self, BudgetLine, MonthCosts};

/// Costs up to this age are returned without being computed again.
const MAX_AGE: TimeDelta = TimeDelta::minutes(1);

#[derive(Debug, Default)]
pub struct MonthCostsCache(Mutex<Option<(DateTime<Utc>, Arc<MonthCosts>)>>);

impl MonthCostsCache {
    /// Computes the costs, if a budget or an alert needs them.
    pub async fn refresh(
        &self,
        costs: &Costs,
        config: &Config,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut accounts = config.accounts.iter();
        let mut alerts = config.alerts.iter();
        if config.monthly_budget.is_some()
            || accounts.any(|account| account.monthly_budget.is_some())
            || alerts.any(|rule| rule.kind == AlertKind::Budget)
        {
            self.compute(costs, config, now).await?;
        }
        Ok(())
    }

    /// The costs of this month, at most a minute old.
    pub async fn month(
        &self,
        costs: &Costs,
        config: &Config,
        now: DateTime<Utc>,
    ) -> Result<Arc<MonthCosts>, Error> {
        let cached = self.cached();
        match cached {
            Some((at, month)) if (now - at).abs() < MAX_AGE => Ok(month),
            _ => self.compute(costs, config, now).await,
        }
    }

    /// The budgets as of the last computation.
    pub fn list(&self) -> Vec<BudgetLine> {
        self.cached()
            .map_or_else(Vec::new, |(_, month)| month.budgets.clone())
    }

    async fn compute(
        &self,
        costs: &Costs,
        config: &Config,
        now: DateTime<Utc>,
    ) -> Result<Arc<MonthCosts>, Error> {
        let month = Arc::new(month_costs::compute(costs, config, now, now).await?);
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *cached = Some((now, Arc::clone(&month)));
        Ok(month)
    }

    fn cached(&self) -> Option<(DateTime<Utc>, Arc<MonthCosts>)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
