//! The cost of a campaign.

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::Campaign;
use crate::reporting::bucketed_statistics::BucketWidth;
use crate::reporting::costs::month_costs::CostFigures;
use crate::reporting::costs::pricer::Pricer;
use crate::store::bucket_counts::Period;

impl Pricer {
    /// The cost of its messages until `now`.
    pub async fn of_campaign(
        mut self,
        campaign: &Campaign,
        now: DateTime<Utc>,
    ) -> Result<CostFigures, Error> {
        let from = BucketWidth::QuarterHour.start(campaign.created_at, self.zone);
        let period = Period {
            from,
            to: now.max(from),
            account: Some(campaign.account.clone()),
            limit: AccountLimit::default(),
        };
        let mut cost = CostFigures::default();
        for sum in self.sum(&period, &[from], Some(&campaign.id)).await? {
            cost.add(&sum);
        }
        Ok(cost)
    }
}
