//! Alerts: one notification when a condition begins and one when it ends, signed and retried.

use std::sync::{Arc, Mutex};

use actix_web::{App as Receiver, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bluetick::config::{Config, Environment};
use bluetick::domain::alert::{AlertFormat, AlertKind, AlertRule};
use bluetick::domain::budget::Budget;
use bluetick::domain::receipt::Pricing;
use bluetick::operating::{alert_delivery, alerting};
use bluetick::services::Services;
use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::app::{App, KALEYRA, ZIXFLOW, start_app};
use crate::harness::seeded_messages::SeededMessages;
use crate::harness::waiting;
use crate::headline::{OutcomeCounts, add_messages, start_with_history, within_the_last_hour};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Instead of a status: no answer.
const HANGS: u16 = 0;

/// Id, timestamp, signature and body of a notification.
type Received = (String, String, String, String);

/// A server that notifications go to, and the status that it answers.
#[derive(Clone, Default)]
struct Inbox {
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<Mutex<u16>>,
}

impl Inbox {
    fn start(&self) -> String {
        let inbox = web::Data::new(self.clone());
        *self.status.lock().unwrap() = 200;
        let server = HttpServer::new(move || {
            Receiver::new()
                .app_data(inbox.clone())
                .default_service(web::to(receive))
        })
        .workers(1)
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        format!("http://{address}/alerts")
    }

    fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

async fn receive(inbox: web::Data<Inbox>, request: HttpRequest, body: String) -> HttpResponse {
    let header = |name: &str| {
        let value = request.headers().get(name).unwrap();
        value.to_str().unwrap().to_owned()
    };
    inbox.received.lock().unwrap().push((
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
        body,
    ));
    let status = *inbox.status.lock().unwrap();
    if status == HANGS {
        std::future::pending::<()>().await;
    }
    HttpResponse::build(status.try_into().unwrap()).finish()
}

fn rule(kind: AlertKind, url: &str, format: AlertFormat) -> AlertRule {
    let text = format!(
        "[[alerts]]\nkind = \"{}\"\nsecret = \"{KEY}\"\n",
        kind.as_str()
    );
    let config = Config::parse(&text, "".as_ref(), &Environment::new()).unwrap();
    AlertRule {
        url: Some(url.to_owned()),
        format,
        ..config.alerts[0].clone()
    }
}

/// The running services with these alerts.
fn with_alerts(app: &App, alerts: Vec<AlertRule>) -> Services {
    let mut config = (*app.services.config).clone();
    config.alerts = alerts;
    Services {
        config: Arc::new(config),
        ..app.services.clone()
    }
}

/// Judges, and delivers what is due.
async fn run(services: &Services) {
    alerting::update_incidents(services).await.unwrap();
    alert_delivery::deliver_due(services).await.unwrap();
}

fn kinds(received: &[Received]) -> Vec<String> {
    let kind = |it: &Received| {
        let body: Value = serde_json::from_str(&it.3).unwrap();
        body["type"].as_str().unwrap().to_owned()
    };
    received.iter().map(kind).collect()
}

/// Messages of the last hour without any report: the account is silent.
async fn add_unreported(app: &App, account: &str) {
    let counts = OutcomeCounts {
        unreported: 8,
        ..OutcomeCounts::default()
    };
    let (at, to_delivered) = (within_the_last_hour(), TimeDelta::zero());
    add_messages(app, account, at, counts, to_delivered).await;
}

#[actix_web::test]
async fn an_incident_is_notified_once_when_it_begins_and_once_when_it_ends() {
    let app = start_with_history().await;
    let inbox = Inbox::default();
    let url = inbox.start();
    let rule = rule(AlertKind::FailureRate, &url, AlertFormat::Standard);
    let services = with_alerts(&app, vec![rule]);
    run(&services).await;
    assert_eq!(inbox.take(), [], "nothing is wrong yet");

    let failing = OutcomeCounts {
        failed: 6,
        ..OutcomeCounts::default()
    };
    add_messages(
        &app,
        KALEYRA,
        within_the_last_hour(),
        failing,
        TimeDelta::seconds(2),
    )
    .await;
    for _ in 0..3 {
        run(&services).await;
    }
    let [opened] = inbox.take().try_into().unwrap();
    let (id, timestamp, signature, body) = &opened;
    let key = STANDARD.decode(KEY.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(*signature, format!("v1,{expected}"));
    assert_eq!(*timestamp, app.now().timestamp().to_string());
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["type"], "alert.opened");
    assert_eq!(body["data"]["account"], KALEYRA);
    assert_eq!(body["data"]["kind"], "failure_rate");
    assert_eq!(
        body["data"]["summary"],
        "kaleyra-in: 100 % failed in the last hour (usually 5 %)"
    );
    let link = body["data"]["url"].as_str().unwrap();
    assert!(link.ends_with("/accounts#kaleyra-in"), "{link}");
    let open = services.store.list_open_incidents().await.unwrap();
    assert_eq!(open.len(), 1);

    // The failures leave the last hour.
    app.advance(TimeDelta::hours(2));
    for _ in 0..3 {
        run(&services).await;
    }
    let [recovered] = inbox.take().try_into().unwrap();
    let recovered: Value = serde_json::from_str(&recovered.3).unwrap();
    assert_eq!(recovered["type"], "alert.recovered");
    assert_eq!(recovered["data"]["incident"], body["data"]["incident"]);
    assert_eq!(services.store.list_open_incidents().await.unwrap(), []);
}

#[actix_web::test]
async fn an_account_that_its_provider_rejects_is_an_incident_and_one_that_an_operator_paused_is_not()
 {
    let (app, inbox) = (start_app().await, Inbox::default());
    let rule = rule(AlertKind::Tripped, &inbox.start(), AlertFormat::Standard);
    let services = with_alerts(&app, vec![rule]);
    let pause = format!("/api/v1/accounts/{KALEYRA}/pause");
    let reason = json!({ "reason": "stock-taking" });
    assert_eq!(app.post_json(&pause, &reason).await.0, 204);
    let rejected = json!({ "message": "Unauthorised" });
    app.force(ZIXFLOW, ForcedReply::json(401, &rejected));
    app.send_image(ZIXFLOW).await;
    app.run_jobs_until_idle().await;
    run(&services).await;
    let [opened] = inbox.take().try_into().unwrap();
    let opened: Value = serde_json::from_str(&opened.3).unwrap();
    assert_eq!(opened["data"]["account"], ZIXFLOW);
    let summary = opened["data"]["summary"].as_str().unwrap();
    assert!(summary.contains("nothing sent since"), "{summary}");
    assert!(summary.ends_with("then resume the account"), "{summary}");

    let resume = format!("/api/v1/accounts/{ZIXFLOW}/resume");
    assert_eq!(app.post(&resume).await.0, 204);
    run(&services).await;
    assert_eq!(kinds(&inbox.take()), ["alert.recovered"]);
    app.finish().await;
}

#[actix_web::test]
async fn a_failed_delivery_is_repeated_with_the_same_id_until_it_succeeds() {
    let app = start_with_history().await;
    let inbox = Inbox::default();
    let url = inbox.start();
    *inbox.status.lock().unwrap() = 503;
    let rule = rule(AlertKind::Silent, &url, AlertFormat::Slack);
    let services = with_alerts(&app, vec![rule]);
    add_unreported(&app, ZIXFLOW).await;
    run(&services).await;
    run(&services).await;
    let [first] = inbox.take().try_into().unwrap();
    let body: Value = serde_json::from_str(&first.3).unwrap();
    let text = body["text"].as_str().unwrap();
    let expected =
        "Alert: zixflow-main: nothing received for 26 min while 8 messages were sent <http";
    assert!(text.starts_with(expected), "{text}");

    app.advance(TimeDelta::seconds(5));
    *inbox.status.lock().unwrap() = 200;
    run(&services).await;
    let [second] = inbox.take().try_into().unwrap();
    assert_eq!((&second.0, &second.3), (&first.0, &first.3));
    app.advance(TimeDelta::days(1));
    run(&services).await;
    assert!(
        !inbox.take().iter().any(|it| it.0 == first.0),
        "a delivered notification is not repeated"
    );
}

/// A notice of the account, which ends its silence.
async fn break_silence(app: &App, account: &str) {
    let notice = json!({ "entry": [{ "changes": [{
        "field": "business_capability_update",
        "value": { "max_daily_conversation_per_phone": 10_000 },
    }] }] });
    app.deliver_callback(account, &notice).await;
    app.apply_callbacks().await;
}

#[actix_web::test]
async fn the_end_of_an_incident_is_not_delivered_before_its_beginning() {
    let app = start_with_history().await;
    let inbox = Inbox::default();
    let url = inbox.start();
    *inbox.status.lock().unwrap() = 503;
    let rule = rule(AlertKind::Silent, &url, AlertFormat::Standard);
    let services = with_alerts(&app, vec![rule]);
    add_unreported(&app, ZIXFLOW).await;
    run(&services).await;
    assert_eq!(kinds(&inbox.take()), ["alert.opened"]);

    *inbox.status.lock().unwrap() = 200;
    app.advance(TimeDelta::seconds(1));
    break_silence(&app, ZIXFLOW).await;
    run(&services).await;
    assert_eq!(services.store.list_open_incidents().await.unwrap(), []);
    assert_eq!(kinds(&inbox.take()), Vec::<String>::new());
    app.advance(TimeDelta::seconds(4));
    run(&services).await;
    run(&services).await;
    let received = inbox.take();
    assert_eq!(kinds(&received), ["alert.opened", "alert.recovered"]);
}

#[actix_web::test]
async fn a_receiver_that_hangs_delays_neither_the_incidents_nor_the_stop() {
    let app = start_with_history().await;
    let inbox = Inbox::default();
    let url = inbox.start();
    *inbox.status.lock().unwrap() = HANGS;
    let rule = rule(AlertKind::Silent, &url, AlertFormat::Standard);
    let services = with_alerts(&app, vec![rule]);
    add_unreported(&app, ZIXFLOW).await;
    alerting::update_incidents(&services).await.unwrap();
    let delivering = services.clone();
    let delivery =
        actix_web::rt::spawn(async move { alert_delivery::deliver_due(&delivering).await });
    let has_come = async || !inbox.received.lock().unwrap().is_empty();
    waiting::until("the notification has come", has_come).await;
    add_unreported(&app, KALEYRA).await;
    alerting::update_incidents(&services).await.unwrap();
    assert_eq!(services.store.list_open_incidents().await.unwrap().len(), 2);
    services.stopping.cancel();
    delivery.await.unwrap().unwrap();
    // It was cut off rather than waited for, and is due at once for the next process.
    let due = "SELECT CAST(tries AS TEXT) || CASE WHEN last_error IS NULL THEN '' ELSE last_error END \
         || CASE WHEN next_try_at IS NULL THEN ' ended' ELSE ' due' END AS line FROM alert_notifications";
    assert_eq!(app.database.query(due).await, ["0 due", "0 due"]);
}

#[actix_web::test]
async fn only_a_callback_or_the_end_of_all_expectations_ends_a_silence() {
    let app = start_with_history().await;
    let inbox = Inbox::default();
    let url = inbox.start();
    let rule = rule(AlertKind::Silent, &url, AlertFormat::Standard);
    let services = with_alerts(&app, vec![rule]);
    for account in [ZIXFLOW, KALEYRA] {
        add_unreported(&app, account).await;
    }
    run(&services).await;
    assert_eq!(inbox.take().len(), 2);
    for days in [1, 2, 10] {
        app.advance(TimeDelta::days(days));
        run(&services).await;
        assert_eq!(kinds(&inbox.take()), Vec::<String>::new());
        let accounts = app.get_ok("/api/v1/accounts").await;
        for account in accounts["data"].as_array().unwrap() {
            let is_silent = [ZIXFLOW, KALEYRA].contains(&account["id"].as_str().unwrap());
            assert_eq!(account["health"] == "silent", is_silent, "{account}");
        }
    }
    break_silence(&app, ZIXFLOW).await;
    run(&services).await;
    let received = inbox.take();
    assert_eq!(kinds(&received), ["alert.recovered"]);
    assert!(received[0].3.contains(ZIXFLOW), "{}", received[0].3);
    // WhatsApp has dropped the messages.
    app.advance(TimeDelta::days(20));
    run(&services).await;
    let received = inbox.take();
    assert_eq!(kinds(&received), ["alert.recovered"]);
    assert!(received[0].3.contains(KALEYRA), "{}", received[0].3);
}

#[actix_web::test]
async fn an_unreachable_receiver_is_not_tried_for_ever() {
    let app = start_with_history().await;
    let inbox = Inbox::default();
    let url = inbox.start();
    *inbox.status.lock().unwrap() = 500;
    let services = with_alerts(
        &app,
        vec![rule(AlertKind::Silent, &url, AlertFormat::Standard)],
    );
    assert!(alerting::send_test(&services, 1).await.is_ok());
    for _ in 0..20 {
        app.advance(TimeDelta::hours(12));
        run(&services).await;
    }
    let received = inbox.take();
    assert_eq!(received.len(), 9);
    let body: Value = serde_json::from_str(&received[0].3).unwrap();
    assert_eq!(body["type"], "alert.test");
    assert!(alerting::send_test(&services, 2).await.is_err());
    assert!(alerting::send_test(&services, 0).await.is_err());
}

#[actix_web::test]
async fn alerts_are_listed_and_a_private_address_is_not_called() {
    let app = start_with_history().await;
    let private = rule(
        AlertKind::Silent,
        "http://10.1.2.3/alerts",
        AlertFormat::Standard,
    );
    let services = with_alerts(&app, vec![private]);
    alerting::send_test(&services, 1).await.unwrap();
    let error = app
        .database
        .query("SELECT last_error AS line FROM alert_notifications")
        .await;
    assert!(error[0].contains("not public"), "{error:?}");
    // The server of this test has no alerts.
    let listed = app.get_ok("/api/v1/alerts").await;
    assert_eq!(listed["data"], json!([]));
    assert!(
        listed["signing_secret"]
            .as_str()
            .unwrap()
            .starts_with("whsec_")
    );
    let (status, problem) = app.post("/api/v1/alerts/1/test").await;
    assert_eq!(status, 404);
    assert_eq!(
        problem["detail"],
        "there is no alert 1 in the configuration"
    );
}

#[test]
fn every_mistake_in_an_alert_is_reported_by_its_key() {
    let text = r#"
        [[alerts]]
        kind = "earthquake"
        [[alerts]]
        kind = "quarantine"
        account = "kaleyra-in"
        url = "ftp://alerts.example.com"
        format = "fax"
        secret = "no base64"
        [[alerts]]
        kind = "failure_rate"
        threshold = 20
    "#;
    let errors = Config::parse(text, "".as_ref(), &Environment::new()).unwrap_err();
    let keys: Vec<&str> = errors
        .0
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "alerts[0].kind",
            "alerts[1].url",
            "alerts[1].format",
            "alerts[1].secret",
            "alerts[1].account",
            "alerts[2].threshold",
        ]
    );
}

#[actix_web::test]
async fn a_budget_alert_is_about_an_amount_or_about_the_configured_budgets() {
    let app = start_with_history().await;
    let inbox = Inbox::default();
    let url = inbox.start();
    let of_amount = AlertRule {
        threshold: 2.5,
        ..rule(AlertKind::Budget, &url, AlertFormat::Standard)
    };
    let of_budgets = rule(AlertKind::Budget, &url, AlertFormat::Slack);
    let mut services = with_alerts(&app, vec![of_amount, of_budgets]);
    let mut config = (*services.config).clone();
    for account in &mut config.accounts {
        if account.id.as_str() == KALEYRA {
            account.monthly_budget = Some(Budget::parse("3 INR").unwrap());
        }
    }
    services.config = Arc::new(config);
    let charged = Pricing {
        billable: Some(true),
        price: Some("1.2".to_owned()),
        currency: Some("INR".to_owned()),
        ..Pricing::default()
    };
    let spend = async || {
        let created = "2026-11-19T10:00:00Z";
        app.deliver_one(KALEYRA, "+919970012345", created, charged.clone())
            .await;
        // The costs of the month are kept for a minute.
        app.advance(TimeDelta::minutes(1));
        run(&services).await;
        inbox.take()
    };
    assert_eq!(spend().await, [], "1.2 of 2.5");
    let [budget] = spend().await.try_into().unwrap();
    assert!(
        budget
            .3
            .contains("Alert: kaleyra-in: INR 2.4 of INR 3 spent this month <http"),
        "{}",
        budget.3
    );
    let [amount] = spend().await.try_into().unwrap();
    let body: Value = serde_json::from_str(&amount.3).unwrap();
    assert_eq!(
        body["data"]["summary"],
        "all accounts: INR 3.6 spent this month"
    );
    assert_eq!(body["data"]["kind"], "budget");
    let link = body["data"]["url"].as_str().unwrap();
    assert!(link.ends_with("/reports#money"), "{link}");
    assert_eq!(spend().await, [], "each is notified once");
    assert_eq!(services.store.list_open_incidents().await.unwrap().len(), 2);
}
