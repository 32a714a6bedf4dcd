//! The alert rules whose conditions hold now, and the sentence that each of them sends.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::alert::{AlertKind, AlertRule};
use crate::domain::float_count::as_float;
use crate::domain::health_thresholds::{FailureRate, MIN_FAILURES, MIN_UNREPORTED, Silence};
use crate::domain::ids::AccountId;
use crate::domain::paused_by::PausedBy;
use crate::domain::scope::Visibility;
use crate::reporting::account_health::{self, AccountStatus, Health};
use crate::reporting::budget_alerts::list_overspent;
use crate::reporting::headline;
use crate::services::Services;
use crate::store::send_queue::QueuePart;

/// A rule whose condition holds.
#[derive(Clone, PartialEq, Debug)]
pub struct ActiveCondition {
    /// Index in the configuration.
    pub rule: usize,
    /// `None`: all accounts together.
    pub account: Option<AccountId>,
    /// Names the account and the value, and no customer.
    pub summary: String,
}

/// The active conditions, in the order of the rules.
pub async fn list_active(
    services: &Services,
    now: DateTime<Utc>,
) -> Result<Vec<ActiveCondition>, db::Error> {
    let rules = &services.config.alerts;
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let accounts = account_health::list_accounts(services).await?;
    let overdue = services.store.count_overdue_by_account(now).await?;
    let mut active = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if rule.kind == AlertKind::Budget {
            let (costs, config) = (&services.costs, &services.config);
            let month = services.month_costs.month(costs, config, now).await?;
            let overspent = list_overspent(rule, &month).into_iter();
            active.extend(overspent.map(|(account, summary)| ActiveCondition {
                rule: index,
                account,
                summary,
            }));
            continue;
        }
        if !rule.kind.is_per_account() {
            let quarantined = services.store.count_quarantined().await?;
            active.extend(reaches(rule, quarantined).then(|| ActiveCondition {
                rule: index,
                account: None,
                summary: format!("{quarantined} callbacks could not be parsed"),
            }));
            continue;
        }
        let concerned = accounts.iter().filter(|account| {
            account.mode.is_some() && rule.account.as_ref().is_none_or(|id| *id == account.id)
        });
        for account in concerned {
            let summary = match rule.kind {
                AlertKind::Overdue => {
                    let counted = overdue.iter().find(|(id, _)| *id == account.id);
                    let messages = counted.map_or(0, |(_, messages)| *messages);
                    let messages = u64::try_from(messages).unwrap_or_default();
                    reaches(rule, messages)
                        .then(|| format!("{}: {messages} messages are overdue", account.id))
                }
                AlertKind::Backlog => {
                    let part = QueuePart::Whole;
                    let messages = services.store.count_queued(&account.id, part).await?;
                    reaches(rule, messages)
                        .then(|| format!("{}: {messages} messages are queued", account.id))
                }
                _ => check_health(rule, account, now),
            };
            active.extend(summary.map(|summary| ActiveCondition {
                rule: index,
                account: Some(account.id.clone()),
                summary,
            }));
        }
    }
    Ok(active)
}

/// Checks the kinds of rules that depend only on the account's health.
fn check_health(rule: &AlertRule, account: &AccountStatus, now: DateTime<Utc>) -> Option<String> {
    match rule.kind {
        AlertKind::FailureRate => {
            let rate: FailureRate = account.activity.failures;
            let share = as_float(rate.recent.failed) / as_float(rate.recent.attempted.max(1));
            (rate.recent.failed >= MIN_FAILURES && share >= rule.threshold)
                .then(|| headline::failing(&account.id, rate))
        }
        AlertKind::Silent => {
            let last = account
                .last_callback_at
                .or_else(|| account.activity.first_unreported())?;
            let silence = Silence {
                lasting: now - last,
                unreported: account.activity.unreported_since(last),
            };
            (lasts(silence.lasting, rule) && silence.unreported >= MIN_UNREPORTED)
                .then(|| headline::silent(&account.id, silence))
        }
        AlertKind::Tripped => {
            let (since, reason) = find_stop(account)?;
            lasts(now - since, rule).then(|| {
                format!(
                    "{}: nothing sent since {}, {reason}",
                    account.id,
                    since.format("%Y-%m-%d %H:%M:%S UTC"),
                )
            })
        }
        AlertKind::Overdue | AlertKind::Backlog | AlertKind::Budget | AlertKind::Quarantine => None,
    }
}

/// Since when and why an account sends nothing; `None` if only an operator paused it. A pause does not
/// end a trip.
fn find_stop(account: &AccountStatus) -> Option<(DateTime<Utc>, String)> {
    if let Some(trip) = &account.trip {
        return Some((trip.since, Visibility::Masked.mask_text(&trip.reason)));
    }
    match &account.health {
        Health::Paused(pause) if pause.by == PausedBy::Provider => {
            // Not the provider's text, which may name a customer.
            let reason = "the provider rejects the account or its messages; correct the cause, then resume the account";
            Some((pause.since, reason.to_owned()))
        }
        _ => None,
    }
}

fn lasts(time: TimeDelta, rule: &AlertRule) -> bool {
    as_float(time.num_seconds()) >= rule.threshold
}

fn reaches(rule: &AlertRule, number: u64) -> bool {
    as_float(i64::try_from(number).unwrap_or(i64::MAX)) >= rule.threshold.max(1.0)
}
