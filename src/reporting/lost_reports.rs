//! Messages without any report, by account: since yesterday, and in the seven days before.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, DurationRound, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::db::Error;
use crate::domain::account_limit::AccountLimit;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::health_thresholds::{LostReports, UnreportedShare};
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::state_totals::StateTotals;
use crate::reporting::bucketed_statistics::day_start;
use crate::store::Store;
use crate::store::bucket_counts::{Period, QUARTER_HOUR};
use crate::store::summed_counts::SumDetail;

/// Reports on younger messages may still arrive.
const MIN_AGE: TimeDelta = TimeDelta::hours(1);
const COMPARED_DAYS: i64 = 7;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LostReportsByAccount {
    /// The start of yesterday, in the zone.
    pub since: DateTime<Utc>,
    /// Exclusive.
    pub until: DateTime<Utc>,
    pub accounts: BTreeMap<AccountId, LostReports>,
}

pub async fn find(
    store: &Store,
    now: DateTime<Utc>,
    zone: Tz,
) -> Result<LostReportsByAccount, Error> {
    let today = now.with_timezone(&zone).date_naive();
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let since = day_start(yesterday, zone);
    let until = now - MIN_AGE;
    let until = until.duration_trunc(QUARTER_HOUR).unwrap_or(until);
    let period = Period {
        from: since - TimeDelta::days(COMPARED_DAYS),
        to: until,
        account: None,
        limit: AccountLimit::default(),
    };
    let starts = [period.from, since];
    let mut totals: BTreeMap<AccountId, [StateTotals; 2]> = BTreeMap::new();
    for sum in store
        .sum_states(&period, &starts, SumDetail::Totals)
        .await?
    {
        let of_account = totals.entry(sum.account).or_default();
        if let Some(states) = of_account.get_mut(sum.interval)
            && sum.origin == Origin::Api
        {
            states.add(sum.state, &sum.code, sum.messages);
        }
    }
    let accounts = totals.into_iter().map(|(account, [usual, recent])| {
        let lost = LostReports {
            recent: share(&recent),
            usual: share(&usual),
        };
        (account, lost)
    });
    Ok(LostReportsByAccount {
        since,
        until,
        accounts: accounts.collect(),
    })
}

fn share(states: &StateTotals) -> UnreportedShare {
    UnreportedShare {
        unreported: states.get(DeliveryState::Submitted),
        attempted: states.attempted(),
    }
}
