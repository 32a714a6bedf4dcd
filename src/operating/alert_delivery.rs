//! Delivers alert notifications: signed as Standard Webhooks, those of one incident in order, each
//! retried for about four and a half hours.
//!
//! A notification may arrive twice, with the same id, if the process stops or crashes while the
//! receiver responds.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use url::Url;

use crate::config::SIGNING_KEY_PREFIX;
use crate::db;
use crate::domain::alert::AlertRule;
use crate::services::Services;
use crate::store::alert_records::{Notification, NotificationResult};

/// Notifications per run.
const BATCH: u64 = 20;
/// The last attempt is four and a half hours after the first.
const MAX_ATTEMPTS: i64 = 9;
/// Between the first attempt and the second.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a batch takes. If this process dies before it has delivered a batch, another one
/// delivers the rest after this time.
const CLAIM_LENGTH: TimeDelta = TimeDelta::minutes(5);

/// Identifies a rule in the database: a hash, because the identity contains the URL.
pub fn rule_key(rule: &AlertRule) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(rule.identity()))
}

/// Delivers the notifications that are due, until the process is asked to stop.
pub async fn deliver_due(services: &Services) -> Result<(), db::Error> {
    let now = services.clock.now();
    let due = services
        .store
        .claim_due_notifications(now, now + CLAIM_LENGTH, BATCH)
        .await?;
    let mut by_rule: BTreeMap<&str, Vec<&Notification>> = BTreeMap::new();
    for notification in &due {
        let notifications = by_rule.entry(&notification.rule).or_default();
        notifications.push(notification);
    }
    // Concurrently by rule, so that a hanging receiver delays no other; in order within a rule.
    let deliveries = by_rule
        .into_values()
        .map(|notifications| deliver_in_order(services, notifications, now));
    // Waits for all before it returns an error: a cancelled delivery would be repeated.
    join_all(deliveries).await.into_iter().collect()
}

/// Postpones the rest after a failure, so that a hanging receiver costs only one timeout.
async fn deliver_in_order(
    services: &Services,
    notifications: Vec<&Notification>,
    now: DateTime<Utc>,
) -> Result<(), db::Error> {
    let mut has_failed = false;
    for notification in notifications {
        let result = if services.stopping.is_cancelled() {
            NotificationResult::Postponed { due_at: now }
        } else if has_failed {
            NotificationResult::Postponed {
                due_at: now + FIRST_WAIT,
            }
        } else {
            attempt(services, notification, now).await
        };
        has_failed |= matches!(result, NotificationResult::Failed { .. });
        services
            .store
            .finish_notification(notification, &result, now)
            .await?;
    }
    Ok(())
}

async fn attempt(
    services: &Services,
    notification: &Notification,
    now: DateTime<Utc>,
) -> NotificationResult {
    let mut rules = services.config.alerts.iter();
    let rule = rules.find(|rule| rule_key(rule) == notification.rule);
    let delivery = async {
        match rule {
            Some(rule) => deliver(services, rule, notification, now).await,
            None => Err("the alert is no longer configured".to_owned()),
        }
    };
    let delivered = tokio::select! {
        delivered = delivery => delivered,
        () = services.stopping.cancelled() => return NotificationResult::Postponed { due_at: now },
    };
    match delivered {
        Ok(()) => NotificationResult::Delivered,
        Err(error) => {
            let kind = rule.map_or("removed", |rule| rule.kind.as_str());
            tracing::warn!(kind, error, "an alert notification was not delivered");
            NotificationResult::Failed {
                next_try_at: rule.and_then(|_| next_attempt_at(notification, now)),
                error,
            }
        }
    }
}

/// 5 s after the first attempt; each further wait is three times the one before. `None` after the
/// last attempt.
fn next_attempt_at(notification: &Notification, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let attempts = notification.tries + 1;
    let power = u32::try_from(notification.tries).unwrap_or(u32::MAX);
    (attempts < MAX_ATTEMPTS).then(|| now + FIRST_WAIT * 3_i32.saturating_pow(power))
}

async fn deliver(
    services: &Services,
    rule: &AlertRule,
    notification: &Notification,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let url = rule.url.as_deref().unwrap_or_default();
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let id = format!("msg_{}", notification.id);
    let key = signing_key(services, rule)?;
    let headers = signed_headers(&id, now, &notification.body, &key)?;
    let body = notification.body.clone();
    let sent = services
        .alert_client
        .post(&url, headers, body, Instant::now() + ATTEMPT_TIMEOUT);
    match sent.await {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => Err(format!("the receiver answered {}", status.as_u16())),
        Err(error) => Err(error.to_string()),
    }
}

fn signing_key(services: &Services, rule: &AlertRule) -> Result<Vec<u8>, String> {
    match &rule.secret {
        None => Ok(services.keys.alert().to_vec()),
        Some(secret) => {
            let text = secret.expose();
            let encoded = text.strip_prefix(SIGNING_KEY_PREFIX).unwrap_or(text);
            let decoded = STANDARD.decode(encoded);
            decoded.map_err(|_| "secret is not base64 after whsec_".to_owned())
        }
    }
}

/// The key that signs the notifications of rules without a configured secret, as receivers enter
/// it.
pub(super) fn derived_key(services: &Services) -> String {
    format!(
        "{SIGNING_KEY_PREFIX}{}",
        STANDARD.encode(services.keys.alert())
    )
}

fn signed_headers(
    id: &str,
    now: DateTime<Utc>,
    body: &str,
    key: &[u8],
) -> Result<HeaderMap, String> {
    let timestamp = now.timestamp().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", value(id)?);
    headers.insert("webhook-timestamp", value(&timestamp)?);
    headers.insert("webhook-signature", value(&format!("v1,{signature}"))?);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_matches_the_example_of_standard_webhooks() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let body = r#"{"test": 2432232314}"#;
        let headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body, &key).unwrap();
        assert_eq!(
            headers["webhook-signature"],
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(headers["webhook-timestamp"], "1614265330");
    }
}
