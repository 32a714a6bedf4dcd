//! What the month costs, remembered for alarms, alerts and the overview: summing it reads the counts of
//! two months.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Config;
use crate::db::Error;
use crate::domain::alert::AlertKind;
use crate::reporting::costs::Costs;
use crate::reporting::costs::month_costs::{self, BudgetLine, MonthCosts};

/// How old the costs on the overview may be.
const AGE: TimeDelta = TimeDelta::minutes(1);

#[derive(Debug, Default)]
pub struct BudgetWatch(Mutex<Option<(DateTime<Utc>, Arc<MonthCosts>)>>);

impl BudgetWatch {
    /// Sums the month, if a budget or an alert needs it.
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
        let known = self.known();
        match known {
            Some((at, month)) if (now - at).abs() < AGE => Ok(month),
            _ => self.compute(costs, config, now).await,
        }
    }

    /// As of the last refresh.
    pub fn list(&self) -> Vec<BudgetLine> {
        self.known()
            .map_or_else(Vec::new, |(_, month)| month.budgets.clone())
    }

    async fn compute(
        &self,
        costs: &Costs,
        config: &Config,
        now: DateTime<Utc>,
    ) -> Result<Arc<MonthCosts>, Error> {
        let month = Arc::new(month_costs::compute(costs, config, now, now).await?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((now, Arc::clone(&month)));
        Ok(month)
    }

    fn known(&self) -> Option<(DateTime<Utc>, Arc<MonthCosts>)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
