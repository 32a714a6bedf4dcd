//! The delivery summary of a period and of the one before.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::db::Error;
use crate::domain::campaign::CampaignId;
use crate::reporting::costs::Costs;
use crate::reporting::delivery_summary::{Interval, PeriodSums};
use crate::reporting::previous_period::previous_period;
use crate::store::bucket_counts::Period;

#[derive(Clone, PartialEq, Debug)]
pub struct SummaryReport {
    pub as_of: DateTime<Utc>,
    pub interval: Interval,
    pub zone: Tz,
    pub period: Period,
    pub sums: PeriodSums,
    pub previous_period: Period,
    pub previous: PeriodSums,
}

#[derive(Clone, Debug)]
pub struct SummaryRequest<'a> {
    pub period: &'a Period,
    pub interval: Interval,
    pub zone: Tz,
    pub campaign: Option<&'a CampaignId>,
}

/// Nothing after `now` is counted, in either period.
pub async fn compute(
    costs: &Costs,
    request: &SummaryRequest<'_>,
    now: DateTime<Utc>,
) -> Result<SummaryReport, Error> {
    let &SummaryRequest {
        period,
        interval,
        zone,
        campaign,
    } = request;
    let so_far = Period {
        to: period.to.min(now).max(period.from),
        ..period.clone()
    };
    let before = previous_period(&so_far, zone);
    let mut pricer = costs.pricer().await;
    let store = &costs.store;
    let sums =
        PeriodSums::load(store, &mut pricer, &so_far, Some(interval), zone, campaign).await?;
    let previous = PeriodSums::load(store, &mut pricer, &before, None, zone, campaign).await?;
    Ok(SummaryReport {
        as_of: now,
        interval,
        zone,
        period: period.clone(),
        sums,
        previous_period: before,
        previous,
    })
}
