//! The activity of each account: its last hour, the seven days before for comparison, and its
//! messages without a report, from the stored counts.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::db;
use crate::domain::health_thresholds::{DeliveryTime, FailedShare, FailureRate};
use crate::domain::ids::AccountId;
use crate::services::Services;
use crate::store::account_records::AccountRecord;
use crate::store::bucket_counts::QUARTER_HOUR;
use crate::store::period_totals::AccountTotals;

/// The last hour is compared with this many days before it.
const COMPARED_DAYS: i64 = 7;
/// A message may be this old before its missing report counts as silence.
const REPORT_GRACE: TimeDelta = TimeDelta::minutes(5);
/// Messages without a report are counted this far back, or since the last callback of an account
/// that has been silent for longer.
const UNREPORTED_HOURS: i64 = 24;
/// Most messages are attempted within this time after their creation.
const MOST_TIME_IN_QUEUE: TimeDelta = TimeDelta::hours(1);
/// After this time no report is expected any more: WhatsApp drops a message after 30 days.
const REPORTS_EXPECTED_DAYS: i64 = 30;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountActivity {
    /// Start of the last hour, rounded down to a quarter hour.
    pub since: DateTime<Utc>,
    pub failures: FailureRate,
    /// `None` if nothing was delivered in the last hour.
    pub delivery: Option<DeliveryTime>,
    /// Submitted messages without any report, by the quarter hour of their submission.
    unreported: Vec<(DateTime<Utc>, i64)>,
}

impl AccountActivity {
    /// The quarter hour of the oldest message without a report.
    pub fn first_unreported(&self) -> Option<DateTime<Utc>> {
        self.unreported.iter().map(|(at, _)| *at).min()
    }

    /// Messages without a report that were submitted after `last`, or in the same quarter hour.
    pub fn unreported_since(&self, last: DateTime<Utc>) -> i64 {
        let since = self
            .unreported
            .iter()
            .filter(|(at, _)| *at + QUARTER_HOUR > last);
        since.map(|(_, messages)| messages).sum()
    }
}

/// Accounts that sent something within the last seven days, or wait for reports.
pub async fn list_activity(
    services: &Services,
    records: &BTreeMap<AccountId, AccountRecord>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<AccountId, AccountActivity>, db::Error> {
    let store = &services.store;
    let hour_start = now - TimeDelta::hours(1);
    let hour_start = hour_start
        .duration_trunc(QUARTER_HOUR)
        .unwrap_or(hour_start);
    let recent = store.sum_by_account(hour_start, now + QUARTER_HOUR).await?;
    let usual = store
        .sum_by_account(hour_start - TimeDelta::days(COMPARED_DAYS), hour_start)
        .await?;
    let mut activities: BTreeMap<AccountId, AccountActivity> = BTreeMap::new();
    for (account, totals) in &usual {
        let activity = activities.entry(account.clone()).or_default();
        activity.failures.usual = share(totals);
    }
    for (account, totals) in &recent {
        let activity = activities.entry(account.clone()).or_default();
        activity.failures.recent = share(totals);
        let times = &totals.delivery_time;
        activity.delivery = times.percentile(50).map(|recent_millis| DeliveryTime {
            recent_millis,
            delivered: times.count(),
            usual_millis: usual
                .get(account)
                .and_then(|usual| usual.delivery_time.percentile(50)),
        });
    }
    for activity in activities.values_mut() {
        activity.since = hour_start;
    }
    let since = unreported_start(services, records, now).await?;
    for (account, at, messages) in store.count_unreported(since).await? {
        if at + QUARTER_HOUR + REPORT_GRACE <= now {
            let activity = activities.entry(account).or_default();
            activity.unreported.push((at, messages));
        }
    }
    Ok(activities)
}

/// The time from which messages without a report count towards silence. Silence ends only with a
/// callback, or when no message waits for a report.
async fn unreported_start(
    services: &Services,
    records: &BTreeMap<AccountId, AccountRecord>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, db::Error> {
    let recent = now - TimeDelta::hours(UNREPORTED_HOURS);
    let oldest = now - TimeDelta::days(REPORTS_EXPECTED_DAYS);
    let mut since = recent;
    for record in records.values() {
        let last = record.last_callback_at.map_or(oldest, |at| at.max(oldest));
        // Most accounts have no such message, and the counts of a day suffice.
        let attempted = last - MOST_TIME_IN_QUEUE..recent;
        if last < since && services.store.has_unreported(&record.id, attempted).await? {
            since = last;
        }
    }
    Ok(since.duration_trunc(QUARTER_HOUR).unwrap_or(since))
}

fn share(totals: &AccountTotals) -> FailedShare {
    FailedShare {
        failed: totals.states.failed_after_attempt(),
        attempted: totals.states.attempted(),
    }
}
