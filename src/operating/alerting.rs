//! Opens and closes incidents, and queues one notification for each opening and each recovery.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::db;
use crate::domain::alert::{AlertFormat, AlertKind, AlertRule};
use crate::domain::ids::{AccountId, ActionId};
use crate::operating::alert_delivery::{self, rule_key};
use crate::reporting::alert_conditions;
use crate::services::Services;
use crate::store::alert_records::{Incident, IncidentChanges, Notification};

/// Why no test was sent.
#[derive(Debug, thiserror::Error)]
pub enum TestAlertError {
    #[error("no such alert")]
    NoSuchAlert(usize),
    #[error("the alert has no url")]
    WithoutUrl,
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// What a notification reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AlertEvent {
    Opened,
    Recovered,
    Test,
}

impl AlertEvent {
    fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "alert.opened",
            Self::Recovered => "alert.recovered",
            Self::Test => "alert.test",
        }
    }
}

/// Opens an incident for each rule whose condition holds now, closes the incidents whose condition
/// no longer holds, and queues the notifications. Delivers nothing, so that no receiver delays it.
pub async fn update_incidents(services: &Services) -> Result<(), db::Error> {
    let now = services.clock.now();
    let rules = &services.config.alerts;
    let open = services.store.list_open_incidents().await?;
    if rules.is_empty() && open.is_empty() {
        return Ok(());
    }
    let active = alert_conditions::list_active(services, now).await?;
    let mut changes = IncidentChanges::default();
    for condition in &active {
        let rule = &rules[condition.rule];
        let is_open = open
            .iter()
            .any(|it| it.rule == rule_key(rule) && it.account == condition.account);
        // Two equal rules share their incidents.
        let is_opening = changes
            .opened
            .iter()
            .any(|it| it.rule == rule_key(rule) && it.account == condition.account);
        if is_open || is_opening {
            continue;
        }
        let incident = Incident {
            id: ActionId::new(now).uuid(),
            rule: rule_key(rule),
            kind: rule.kind,
            account: condition.account.clone(),
            summary: condition.summary.clone(),
            opened_at: now,
            closed_at: None,
        };
        let opened = AlertEvent::Opened;
        let notification = build_notification(services, rule, &incident, opened, now);
        changes.notifications.extend(notification);
        changes.opened.push(incident);
    }
    for incident in &open {
        let rule = rules.iter().find(|rule| rule_key(rule) == incident.rule);
        let still_active = active
            .iter()
            .any(|it| rule_key(&rules[it.rule]) == incident.rule && it.account == incident.account);
        if still_active {
            continue;
        }
        changes.closed.push(incident.id);
        let recovered = AlertEvent::Recovered;
        // A removed rule has no receiver.
        changes.notifications.extend(
            rule.and_then(|rule| build_notification(services, rule, incident, recovered, now)),
        );
    }
    if changes.opened.is_empty() && changes.closed.is_empty() {
        return Ok(());
    }
    services.store.change_incidents(changes, now).await
}

/// Queues and delivers a test notification. `number` counts the configured alerts from 1.
pub async fn send_test(services: &Services, number: usize) -> Result<(), TestAlertError> {
    let now = services.clock.now();
    let missing = TestAlertError::NoSuchAlert(number);
    let index = number.checked_sub(1);
    let rule = index.and_then(|index| services.config.alerts.get(index));
    let rule = rule.ok_or(missing)?;
    let incident = Incident {
        id: ActionId::new(now).uuid(),
        rule: rule_key(rule),
        kind: rule.kind,
        account: rule.account.clone(),
        summary: "A test of this alert; nothing is wrong".to_owned(),
        opened_at: now,
        closed_at: None,
    };
    let notification = build_notification(services, rule, &incident, AlertEvent::Test, now)
        .ok_or(TestAlertError::WithoutUrl)?;
    let changes = IncidentChanges {
        notifications: vec![notification],
        ..IncidentChanges::default()
    };
    services.store.change_incidents(changes, now).await?;
    alert_delivery::deliver_due(services).await?;
    Ok(())
}

/// `None` for a rule without URL.
fn build_notification(
    services: &Services,
    rule: &AlertRule,
    incident: &Incident,
    event: AlertEvent,
    now: DateTime<Utc>,
) -> Option<Notification> {
    rule.url.as_ref()?;
    let link = match &incident.account {
        _ if rule.kind == AlertKind::Budget => {
            format!("{}/reports#money", services.config.public_url)
        }
        Some(account) => format!("{}/accounts#{account}", services.config.public_url),
        None => format!("{}/problems", services.config.public_url),
    };
    let body = match rule.format {
        AlertFormat::Standard => standard_body(rule, incident, event, &link, now),
        AlertFormat::Slack => slack_body(incident, event, &link),
    };
    Some(Notification {
        id: ActionId::new(now).uuid(),
        rule: rule_key(rule),
        incident: Some(incident.id),
        body: body.to_string(),
        tries: 0,
    })
}

fn standard_body(
    rule: &AlertRule,
    incident: &Incident,
    event: AlertEvent,
    link: &str,
    now: DateTime<Utc>,
) -> Value {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut data = json!({
        "incident": incident.id.to_string(),
        "kind": incident.kind.as_str(),
        "summary": incident.summary,
        "threshold": rule.threshold,
        "opened_at": time(incident.opened_at),
        "url": link,
    });
    if let Some(account) = incident.account.as_ref().map(AccountId::as_str) {
        data["account"] = json!(account);
    }
    json!({ "type": event.as_str(), "timestamp": time(now), "data": data })
}

fn slack_body(incident: &Incident, event: AlertEvent, link: &str) -> Value {
    let title = match event {
        AlertEvent::Opened => "Alert",
        AlertEvent::Recovered => "Recovered",
        AlertEvent::Test => "Test",
    };
    json!({ "text": format!("{title}: {} <{link}|open>", incident.summary) })
}

/// The key that signs the notifications of alerts without a configured secret.
pub fn derived_signing_key(services: &Services) -> String {
    alert_delivery::derived_key(services)
}
