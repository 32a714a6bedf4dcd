//! Which budgets are nearly used up, remembered for the alarms.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::db::Error;
use crate::reporting::costs::Costs;
use crate::reporting::costs::month_costs::{self, BudgetLine};

#[derive(Debug, Default)]
pub struct BudgetWatch(Mutex<Vec<BudgetLine>>);

impl BudgetWatch {
    /// Computes how much of each budget is used.
    pub async fn refresh(
        &self,
        costs: &Costs,
        config: &Config,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let has_budget = config.monthly_budget.is_some()
            || config
                .accounts
                .iter()
                .any(|account| account.monthly_budget.is_some());
        if has_budget {
            let month = month_costs::compute(costs, config, now).await?;
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = month.budgets;
        }
        Ok(())
    }

    /// As of the last refresh.
    pub fn list(&self) -> Vec<BudgetLine> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
