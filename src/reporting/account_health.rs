//! The health of each account: is it connected, does it send, does its provider respond?

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::circuit_breaker::Trip;
use crate::domain::health_thresholds::{DeliveryTime, FailureRate, Silence};
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::AccountMode;
use crate::domain::send_rate::Slowdown;
use crate::reporting::account_activity::{self, AccountActivity};
use crate::reporting::account_warnings::{AccountWarning, list_warnings};
use crate::services::Services;
use crate::store::account_records::{AccountRecord, Pause};

#[derive(Clone, PartialEq, Debug)]
pub enum Health {
    Ok,
    /// No callback was ever received.
    Unconfigured,
    /// More messages fail than usual.
    Failing(FailureRate),
    /// Messages are sent, but no callbacks arrive.
    Silent(Silence),
    /// Messages take longer than usual to be delivered.
    Slow(DeliveryTime),
    /// Callbacks fail authentication.
    Refused,
    /// The provider refused the account, or an operator paused it; its messages stay queued.
    Paused(Pause),
    /// Submissions failed one after another: nothing is sent but probes.
    Tripped(Trip),
}

impl Health {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unconfigured => "unconfigured",
            Self::Failing(_) => "failing",
            Self::Silent(_) => "silent",
            Self::Slow(_) => "slow",
            Self::Refused => "refused",
            Self::Paused(_) => "paused",
            Self::Tripped(_) => "tripped",
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct AccountStatus {
    pub id: AccountId,
    pub provider: ProviderId,
    /// Business numbers.
    pub senders: Vec<String>,
    /// Absent if the account is no longer configured.
    pub mode: Option<AccountMode>,
    pub callback_url: String,
    pub health: Health,
    /// The trip of the circuit breaker, also while the account is paused.
    pub trip: Option<Trip>,
    /// The activity by which `health` is decided.
    pub activity: AccountActivity,
    pub last_callback_at: Option<DateTime<Utc>>,
    /// When a callback URL of an earlier generation or secret key was last used.
    pub old_address_at: Option<DateTime<Utc>>,
    pub warnings: Vec<AccountWarning>,
    /// Messages per second, as configured.
    pub rate: Option<f64>,
    /// The current limit in messages per second; `None`: no limit.
    pub effective_rate: Option<f64>,
    /// Why the effective rate is lower than the configured one.
    pub slowdown: Option<Slowdown>,
}

/// Every account ever known; configured ones with their configuration.
pub async fn list_accounts(services: &Services) -> Result<Vec<AccountStatus>, db::Error> {
    let now = services.clock.now();
    let inputs = HealthInputs {
        refused_at: services.store.list_last_unverified().await?,
        overdue: services.store.list_overdue_accounts(now).await?,
        now,
    };
    let records = services.store.list_accounts().await?;
    let mut activities = account_activity::list_activity(services, &records, now).await?;
    let mut flows = services.store.list_send_flows().await?;
    let slot_time = services.steady_clock.now();
    let statuses = records.into_values().map(|record| {
        let configured = services.accounts.get(&record.id);
        let deadline =
            configured.and_then(|account| TimeDelta::from_std(account.report_deadline).ok());
        let report_deadline = now - deadline.unwrap_or(TimeDelta::hours(24));
        let activity = activities.remove(&record.id).unwrap_or_default();
        let flow = flows.remove(&record.id).unwrap_or_default();
        let rate = configured.and_then(|account| account.rate);
        let effective_rate = flow.rate(rate, slot_time);
        AccountStatus {
            rate,
            effective_rate,
            slowdown: flow
                .slowdown
                .filter(|slowdown| effective_rate != rate || slot_time < slowdown.hold_until),
            health: inputs.health(
                &record,
                flow.breaker.trip.clone(),
                &activity,
                report_deadline,
            ),
            trip: flow.breaker.trip,
            activity,
            warnings: list_warnings(&record),
            callback_url: services.callback_url(&record.id, record.generation),
            provider: record.provider,
            senders: configured
                .map(|account| account.senders.clone())
                .unwrap_or_default(),
            mode: configured.map(|account| account.mode),
            last_callback_at: record.last_callback_at,
            old_address_at: record.old_address_at,
            id: record.id,
        }
    });
    Ok(statuses.collect())
}

struct HealthInputs {
    refused_at: HashMap<AccountId, DateTime<Utc>>,
    overdue: BTreeSet<AccountId>,
    now: DateTime<Utc>,
}

impl HealthInputs {
    fn health(
        &self,
        record: &AccountRecord,
        trip: Option<Trip>,
        activity: &AccountActivity,
        report_deadline: DateTime<Utc>,
    ) -> Health {
        if let Some(pause) = &record.pause {
            return Health::Paused(pause.clone());
        }
        if let Some(trip) = trip {
            return Health::Tripped(trip);
        }
        if activity.failures.is_raised() {
            return Health::Failing(activity.failures);
        }
        let Some(last) = record.last_callback_at else {
            return Health::Unconfigured;
        };
        let refused_at = self.refused_at.get(&record.id);
        if refused_at.is_some_and(|refused_at| *refused_at >= last) {
            return Health::Refused;
        }
        let silence = Silence {
            lasting: self.now - last,
            unreported: activity.unreported_since(last),
        };
        let is_overdue = last < report_deadline && self.overdue.contains(&record.id);
        if is_overdue || silence.is_unusual() {
            return Health::Silent(silence);
        }
        match activity.delivery {
            Some(delivery) if delivery.is_slow() => Health::Slow(delivery),
            _ => Health::Ok,
        }
    }
}
