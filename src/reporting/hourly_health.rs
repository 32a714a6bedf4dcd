//! The last hour of each account and its seven days before, from the stored counts.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::db;
use crate::domain::account_hour::{DeliveryTime, FailedShare, FailureRate};
use crate::domain::ids::AccountId;
use crate::services::Services;
use crate::store::bucket_counts::QUARTER;
use crate::store::period_totals::AccountTotals;

const USUAL_DAYS: i64 = 7;
/// A message may be this old before its missing report counts as silence.
const ANSWER_TIME: TimeDelta = TimeDelta::minutes(5);
/// Silence is looked for this far back.
const UNANSWERED_HOURS: i64 = 24;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountHour {
    pub failures: FailureRate,
    /// `None` if nothing was delivered in the last hour.
    pub delivery: Option<DeliveryTime>,
    /// Submitted messages without any report, by the quarter hour of their submission.
    unanswered: Vec<(DateTime<Utc>, i64)>,
}

impl AccountHour {
    /// The quarter hour of the oldest message without a report.
    pub fn first_unanswered(&self) -> Option<DateTime<Utc>> {
        self.unanswered.iter().map(|(at, _)| *at).min()
    }

    /// Messages without a report that were submitted after `last`, or in the same quarter hour.
    pub fn unanswered_since(&self, last: DateTime<Utc>) -> i64 {
        let since = self
            .unanswered
            .iter()
            .filter(|(at, _)| *at + QUARTER > last);
        since.map(|(_, messages)| messages).sum()
    }
}

/// Accounts that sent something within the last seven days.
pub async fn list_hours(
    services: &Services,
    now: DateTime<Utc>,
) -> Result<BTreeMap<AccountId, AccountHour>, db::Error> {
    let store = &services.store;
    let hour = now - TimeDelta::hours(1);
    let hour = hour.duration_trunc(QUARTER).unwrap_or(hour);
    let recent = store.sum_by_account(hour, now + QUARTER).await?;
    let usual = store
        .sum_by_account(hour - TimeDelta::days(USUAL_DAYS), hour)
        .await?;
    let mut hours: BTreeMap<AccountId, AccountHour> = BTreeMap::new();
    for (account, totals) in &usual {
        let hour = hours.entry(account.clone()).or_default();
        hour.failures.usual = share(totals);
    }
    for (account, totals) in &recent {
        let hour = hours.entry(account.clone()).or_default();
        hour.failures.recent = share(totals);
        let times = &totals.time_to_delivered;
        hour.delivery = times.percentile(50).map(|recent_millis| DeliveryTime {
            recent_millis,
            delivered: times.count(),
            usual_millis: usual
                .get(account)
                .and_then(|usual| usual.time_to_delivered.percentile(50)),
        });
    }
    let since = now - TimeDelta::hours(UNANSWERED_HOURS);
    for (account, at, messages) in store.count_unanswered(since).await? {
        if at + QUARTER + ANSWER_TIME <= now {
            let hour = hours.entry(account).or_default();
            hour.unanswered.push((at, messages));
        }
    }
    Ok(hours)
}

fn share(totals: &AccountTotals) -> FailedShare {
    FailedShare {
        failed: totals.failed(),
        attempted: totals.attempted(),
    }
}
