//! The callbacks of the simulated providers: each in its format, before the reply, in batches, corrupt, and when due.

use std::collections::BTreeMap;

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::providers::{self, Callback, CallbackPart};
use bluetick::simulator::oracle::ReportedStatus;
use bluetick::simulator::{CallbackRelease, CallbackTargets, FaultRates, PlannedOutcome};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::simulator::{ALL, SimulatorFixture, TO};

#[actix_web::test]
async fn sobot_callbacks_are_flat_and_use_the_id_of_the_reply() {
    let fixture = SimulatorFixture::start().await;
    fixture
        .simulator
        .force_outcome(ProviderId::Sobot, PlannedOutcome::Read);
    let (_, reply) = fixture.send(ProviderId::Sobot).await;
    assert!(fixture.callbacks().await.is_empty());
    assert_eq!(fixture.simulator.deliver_next(1).await, 1);
    fixture.simulator.deliver_all().await;
    let callbacks = fixture.callbacks().await;
    let words: Vec<&str> = callbacks
        .iter()
        .map(|(_, body)| body["status"].as_str().unwrap())
        .collect();
    assert_eq!((words[0], words[words.len() - 1]), ("sent", "read"));
    for (path, body) in &callbacks {
        assert_eq!(path, "/sobot");
        assert_eq!(body["id"], reply["data"]["id"]);
        assert_eq!(body["timestamp"].as_str().unwrap().len(), 10);
        assert_eq!(body.as_object().unwrap().len(), 3);
    }
}

#[actix_web::test]
async fn kaleyra_callbacks_use_other_ids_and_echo_the_references() {
    let fixture = SimulatorFixture::start().await;
    fixture
        .simulator
        .force_outcome(ProviderId::Kaleyra, PlannedOutcome::Delivered);
    let (_, reply) = fixture.send(ProviderId::Kaleyra).await;
    fixture.simulator.deliver_all().await;
    let callbacks = fixture.callbacks().await;
    assert_eq!(callbacks.len(), 2);
    for (_, body) in &callbacks {
        let status = &body["meta_object"]["value"]["statuses"][0];
        let extra = &body["extra_info"];
        assert_eq!(status["id"], status["conversation"]["id"]);
        assert_ne!(extra["message_id"], body["message_id"]);
        assert!(
            !body
                .to_string()
                .contains(reply["data"]["message_id"].as_str().unwrap())
        );
        assert_eq!(
            (&extra["ref"], &extra["ref1"], &extra["ref2"]),
            (&json!("order-1"), &json!("autumn"), &json!("bt:tag"))
        );
        assert_eq!(body["status"], status["status"]);
    }
    assert!(callbacks[0].1["price"].is_null() && callbacks[1].1["price"].is_number());
}

#[actix_web::test]
async fn kaleyra_reports_not_sent_without_time_and_recipient() {
    let fixture = SimulatorFixture::start().await;
    fixture
        .simulator
        .force_outcome(ProviderId::Kaleyra, PlannedOutcome::NotSent);
    fixture.send(ProviderId::Kaleyra).await;
    fixture.simulator.deliver_all().await;
    let (_, body) = fixture.callbacks().await.remove(0);
    assert_eq!(
        (&body["code"], &body["status"]),
        (&json!("131050"), &json!("not sent"))
    );
    assert!(body["meta_object"].is_null() && !body.to_string().contains("timestamp"));
    assert_eq!(fixture.simulator.oracle()[0]["state"], "failed");
}

#[actix_web::test]
async fn zixflow_posts_to_the_report_url_of_the_message() {
    let fixture = SimulatorFixture::with(|s| s.zixflow.reply_without_id_share = 1.0).await;
    fixture
        .simulator
        .force_outcome(ProviderId::Zixflow, PlannedOutcome::Delivered);
    fixture.send(ProviderId::Zixflow).await;
    fixture.simulator.deliver_all().await;
    let callbacks = fixture.callbacks().await;
    assert_eq!(callbacks.len(), 2);
    for (path, body) in &callbacks {
        assert_eq!(path, "/report/abc");
        assert!(body["wamid"].as_str().unwrap().starts_with("wamid."));
        assert!(body["timestamp"].is_u64());
    }
    assert_eq!(callbacks[1].1["status"], "delivered");
}

#[actix_web::test]
async fn zixflow_can_report_as_a_form() {
    let fixture = SimulatorFixture::with(|s| s.zixflow.form_report_share = 1.0).await;
    fixture
        .simulator
        .force_outcome(ProviderId::Zixflow, PlannedOutcome::Sent);
    fixture.send(ProviderId::Zixflow).await;
    fixture.simulator.deliver_all().await;
    let request = fixture
        .receiver
        .received_requests()
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        request.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    let fields: BTreeMap<String, String> =
        form_urlencoded::parse(&request.body).into_owned().collect();
    assert_eq!(fields["status"], "sent");
    assert!(fields["wamid"].starts_with("wamid."));
}

#[actix_web::test]
async fn lancepilot_echoes_the_message_and_then_reports_on_it() {
    let fixture = SimulatorFixture::start().await;
    fixture
        .simulator
        .force_outcome(ProviderId::LancePilot, PlannedOutcome::Delivered);
    fixture.send(ProviderId::LancePilot).await;
    fixture.simulator.deliver_all().await;
    let callbacks = fixture.callbacks().await;
    let bodies: Vec<&Value> = callbacks.iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 3);
    assert_eq!(bodies[0]["event"], "message.outgoing");
    assert_eq!(bodies[0]["data"]["attributes"]["source"], "api");
    assert_eq!(bodies[0]["data"]["attributes"]["message"]["type"], "image");
    for body in &bodies {
        assert_eq!(body["data"]["id"], bodies[0]["data"]["id"]);
        let contact = &body["data"]["relationships"]["contact"]["attributes"];
        assert_eq!(contact["number"], TO);
    }
    assert_eq!(bodies[2]["data"]["attributes"]["status"], "delivered");
    let time = bodies[2]["data"]["attributes"]["updated_at"]
        .as_str()
        .unwrap();
    assert!(time.ends_with('Z') && time.len() == "2026-01-28T17:17:59.000000Z".len());
}

#[actix_web::test]
async fn customer_replies_arrive_in_each_providers_format() {
    let fixture = SimulatorFixture::with(|s| s.customer_reply_share = 1.0).await;
    for provider in ALL {
        fixture
            .simulator
            .force_outcome(provider, PlannedOutcome::Read);
        fixture.send(provider).await;
    }
    fixture.simulator.deliver_all().await;
    let callbacks = fixture.callbacks().await;
    let found = |path: &str, pointer: &str| {
        callbacks
            .iter()
            .filter(|(at, body)| at == path && body.pointer(pointer).is_some())
            .count()
    };
    assert_eq!(found("/sobot", "/0/value/messages/0/from"), 1);
    assert_eq!(found("/kaleyra", "/meta_object/value/messages/0/from"), 1);
    assert_eq!(found("/zixflow", "/sender/number"), 1);
    let incoming = |(_, body): &&(String, Value)| body["event"] == "message.incoming";
    assert_eq!(callbacks.iter().filter(incoming).count(), 1);
}

#[actix_web::test]
async fn kaleyra_but_not_sobot_retries_a_rejected_callback() {
    let receiver = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .mount(&receiver)
        .await;
    for (provider, attempts) in [(ProviderId::Sobot, 1), (ProviderId::Kaleyra, 5)] {
        let fixture = SimulatorFixture::start().await;
        fixture
            .simulator
            .set_targets(CallbackTargets::default().with(provider, receiver.uri()));
        fixture
            .simulator
            .force_outcome(provider, PlannedOutcome::Sent);
        fixture.send(provider).await;
        assert_eq!(fixture.simulator.deliver_all().await, attempts);
        // No callback was accepted, so the oracle must know only the reply.
        assert_eq!(fixture.simulator.oracle()[0]["state"], "submitted");
    }
}

#[actix_web::test]
async fn a_callback_can_arrive_before_the_reply() {
    for provider in ALL {
        let fixture = SimulatorFixture::with(|s| s.faults.callback_before_reply = 1.0).await;
        fixture
            .simulator
            .force_outcome(provider, PlannedOutcome::Delivered);
        fixture.send(provider).await;
        assert_eq!(fixture.callbacks().await.len(), 1);
    }
}

#[actix_web::test]
async fn a_batch_contains_every_status_in_the_providers_format() {
    let fixture = SimulatorFixture::with(|s| s.faults.batch = 1.0).await;
    for provider in ALL {
        fixture
            .simulator
            .force_outcome(provider, PlannedOutcome::Delivered);
        fixture.send(provider).await;
    }
    fixture.simulator.deliver_all().await;
    let callbacks = fixture.callbacks().await;
    let holds = |path: &str, pointer: &str| {
        let word = |(_, body): &(String, Value)| body.pointer(pointer).cloned();
        let at = callbacks.iter().filter(|(at, _)| at == path);
        at.filter_map(word).any(|word| word == "delivered")
    };
    assert!(holds("/sobot", "/1/value/statuses/0/status"));
    assert!(holds("/kaleyra", "/1/meta_object/value/statuses/0/status"));
    assert!(holds("/report/abc", "/1/status"));
    assert!(holds("/lancepilot", "/data/attributes/statuses/1/status"));
    for line in fixture.simulator.oracle() {
        assert_eq!(line["state"], "delivered");
    }
}

#[actix_web::test]
async fn a_corrupt_callback_does_not_change_the_expected_state() {
    let fixture = SimulatorFixture::with(|s| s.faults.corrupt = 1.0).await;
    for provider in ALL {
        fixture
            .simulator
            .force_outcome(provider, PlannedOutcome::Read);
        fixture.send(provider).await;
    }
    assert!(fixture.simulator.deliver_all().await >= 8);
    for (_, body) in fixture.callbacks().await {
        assert_eq!(body, Value::Null);
    }
    for line in fixture.simulator.oracle() {
        assert_eq!(line["state"], "submitted");
    }
}

/// The oracle's word for an event.
fn word(event: &ReceiptEvent) -> String {
    match event {
        ReceiptEvent::Stage(stage) => stage.as_str().to_owned(),
        ReceiptEvent::Failure(failure) => {
            format!("failed {}", failure.code.as_deref().unwrap_or_default())
        }
        ReceiptEvent::Other(_) => "other".to_owned(),
        ReceiptEvent::Notice(_) => "notice".to_owned(),
    }
}

#[actix_web::test]
async fn our_parsers_read_every_simulated_callback_as_intended() {
    let fixture = SimulatorFixture::with(|settings| {
        settings.faults = FaultRates {
            corrupt: 0.1,
            drop: 0.0,
            ..FaultRates::all()
        };
        settings.zixflow.form_report_share = 0.5;
        settings.kaleyra.not_sent_share = 0.2;
        settings.customer_reply_share = 0.5;
    })
    .await;
    for _ in 0..60 {
        for provider in ALL {
            fixture.send(provider).await;
        }
    }
    let posts = fixture.simulator.queued();
    assert!(posts.len() > 600);
    for post in posts {
        let callback = Callback {
            method: "POST".to_owned(),
            query: String::new(),
            content_type: Some(post.headers[0].1.clone()),
            body: post.body.clone(),
            received_at: chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        };
        let parts = providers::parse_callback(
            providers::get(post.provider),
            &CallbackFields::default(),
            &callback,
        )
        .parts;
        let found: Vec<String> = parts
            .iter()
            .filter_map(|part| match part {
                CallbackPart::Report(report) => report.event.as_ref().map(word),
                _ => None,
            })
            .collect();
        let meant: Vec<String> = post
            .reported
            .iter()
            .filter_map(ReportedStatus::description)
            .collect();
        let text = String::from_utf8_lossy(&post.body);
        assert_eq!(found, meant, "{} {text}", post.provider);
    }
}

#[actix_web::test]
async fn timed_callbacks_are_posted_when_due_and_stop_drains_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = folder.path().join("oracle.ndjson");
    let file = oracle.clone();
    let fixture = SimulatorFixture::with(move |settings| {
        settings.release = CallbackRelease::Timed;
        settings.pace = 0.01;
        settings.outcome = Some(PlannedOutcome::Delivered);
        settings.oracle = Some(file);
    })
    .await;
    for provider in ALL {
        fixture.send(provider).await;
    }
    fixture.simulator.idle().await;
    assert_eq!(fixture.callbacks().await.len(), 9);
    fixture.send(ProviderId::Sobot).await;
    fixture.simulator.stop().await.unwrap();
    let lines: Vec<Value> = std::fs::read_to_string(oracle)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    for line in lines {
        assert_eq!(line["state"], "delivered");
        assert_eq!(line["recipient"], TO);
    }
}
