//! The cost of all messages of a period, from the counts of deliveries.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::CampaignId;
use crate::domain::cost::Cost;
use crate::domain::unit_cost::UnitCost;
use crate::reporting::bucketed_statistics::day_start;
use crate::reporting::costs::free_deliveries::FreeDeliveries;
use crate::reporting::costs::months::{month_after, month_start};
use crate::reporting::costs::pricer::Pricer;
use crate::store::bucket_counts::{Period, QUARTER_HOUR};
use crate::store::charges::ChargeCount;

/// The cost of deliveries that cost the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CostSum {
    /// Start of the requested part of the period.
    pub start: DateTime<Utc>,
    pub count: ChargeCount,
    /// How many of the deliveries cost nothing.
    pub free: i64,
    /// The cost of all of them.
    pub cost: Cost,
}

impl Pricer {
    /// Sums the messages that count in a period, separately for each part that begins at one of
    /// `starts`. `starts` is sorted and begins with the start of the period.
    pub async fn sum(
        &mut self,
        period: &Period,
        starts: &[DateTime<Utc>],
        campaign: Option<&CampaignId>,
    ) -> Result<Vec<CostSum>, Error> {
        let boundaries: Vec<DateTime<Utc>> =
            self.boundaries(period, starts).await?.into_iter().collect();
        let counts = self
            .store
            .sum_charges(period, &boundaries, campaign)
            .await?;
        let mut sums = Vec::with_capacity(counts.len());
        for (index, count) in counts {
            let from = boundaries.get(index).copied().unwrap_or(period.from);
            let following = starts.partition_point(|start| *start <= from);
            let start = starts.get(following.saturating_sub(1)).copied();
            sums.push(self.cost_of(start.unwrap_or(from), from, count));
        }
        Ok(sums)
    }

    fn cost_of(&self, start: DateTime<Utc>, from: DateTime<Utc>, count: ChargeCount) -> CostSum {
        let charge = &count.charge;
        let allowed = self.free_deliveries(&charge.account, &charge.sender, from);
        let free = allowed
            .filter(|_| charge.needs_rate())
            .map_or(0, |free| free.of_count(from, &count));
        let unit = UnitCost::of(charge, &self.rates, self.day(from));
        let cost = Cost::of(unit, &charge.currency, count.deliveries, free);
        CostSum {
            start,
            free: if charge.free { count.deliveries } else { free },
            cost,
            count,
        }
    }

    /// Where costs may change: `starts`, days on which rates begin, and the quarter hours in which
    /// the free deliveries of a sender end.
    async fn boundaries(
        &mut self,
        period: &Period,
        starts: &[DateTime<Utc>],
    ) -> Result<BTreeSet<DateTime<Utc>>, Error> {
        let mut boundaries: BTreeSet<DateTime<Utc>> = starts.iter().copied().collect();
        boundaries.insert(period.from);
        let rates = self.rates.start_days().map(|day| day_start(day, self.zone));
        boundaries.extend(rates);
        let is_requested = |id: &_| period.account.as_ref().is_none_or(|account| account == id);
        let accounts: Vec<_> = self
            .accounts
            .values()
            .filter(|account| account.free_deliveries_per_month > 0 && is_requested(&account.id))
            .map(|account| account.id.clone())
            .collect();
        for account in accounts {
            let mut month = month_start(period.from, self.zone);
            while month < period.to {
                let next = month_after(month, self.zone, 1);
                boundaries.insert(month);
                let within = Period {
                    from: month,
                    to: next,
                    account: Some(account.clone()),
                    limit: AccountLimit::default(),
                };
                for (account, sender) in self.store.list_charged_senders(&within).await? {
                    self.load_free(&account, &sender, month).await?;
                    let free = self.free_deliveries(&account, &sender, month);
                    if let Some(FreeDeliveries::Until(last)) = free {
                        boundaries.extend([last.quarter_hour, last.quarter_hour + QUARTER_HOUR]);
                    }
                }
                month = next;
            }
        }
        Ok(boundaries.range(period.from..period.to).copied().collect())
    }
}
