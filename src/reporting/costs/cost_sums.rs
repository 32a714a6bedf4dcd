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
use crate::store::bucket_counts::{Period, QUARTER};
use crate::store::charges::ChargeCount;

/// The cost of deliveries that cost the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CostSum {
    /// Start of the part of the period that was asked for.
    pub start: DateTime<Utc>,
    pub count: ChargeCount,
    /// How many of the deliveries cost nothing.
    pub free: i64,
    /// Of all of them.
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
        let cuts: Vec<DateTime<Utc>> = self.cuts(period, starts).await?.into_iter().collect();
        let counts = self.store.sum_charges(period, &cuts, campaign).await?;
        let mut sums = Vec::with_capacity(counts.len());
        for (cut, count) in counts {
            let from = cuts.get(cut).copied().unwrap_or(period.from);
            let place = starts.partition_point(|start| *start <= from);
            let start = starts.get(place.saturating_sub(1)).copied();
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
    async fn cuts(
        &mut self,
        period: &Period,
        starts: &[DateTime<Utc>],
    ) -> Result<BTreeSet<DateTime<Utc>>, Error> {
        let mut cuts: BTreeSet<DateTime<Utc>> = starts.iter().copied().collect();
        cuts.insert(period.from);
        let rates = self.rates.starts().map(|day| day_start(day, self.zone));
        cuts.extend(rates);
        let asked = |id: &_| period.account.as_ref().is_none_or(|account| account == id);
        let accounts: Vec<_> = self
            .accounts
            .values()
            .filter(|account| account.free_per_month > 0 && asked(&account.id))
            .map(|account| account.id.clone())
            .collect();
        for account in accounts {
            let mut month = month_start(period.from, self.zone);
            while month < period.to {
                let next = month_after(month, self.zone, 1);
                cuts.insert(month);
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
                        cuts.extend([last.quarter, last.quarter + QUARTER]);
                    }
                }
                month = next;
            }
        }
        Ok(cuts.range(period.from..period.to).copied().collect())
    }
}
