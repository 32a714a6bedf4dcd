//! A closed 24-hour window: what an account's `window` does about it, and failures that say it closed.

use bluetick::domain::provider_account::WindowPolicy;
use bluetick::simulator::ForcedReply;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::customer_service_window::{PHONE, receive_inbound, rfc3339, window};
use crate::harness::app::{App, KALEYRA, SOBOT, image_to, noon, read, start_app, start_app_with};
use crate::harness::generator::Generator;

async fn app_with(policy: WindowPolicy) -> App {
    start_app_with(|_, accounts| {
        for account in accounts {
            account.window_policy = policy;
        }
    })
    .await
}

/// A submitted message of Sobot to a customer, by its wamid.
async fn submitted(app: &App, to: &str) -> String {
    let id = app.send(&image_to(SOBOT, to)).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    shown["provider_id"].as_str().unwrap().to_owned()
}

fn failure(id: &str, code: u32, at: DateTime<Utc>) -> Value {
    json!({
        "id": id, "status": "failed", "timestamp": at.timestamp().to_string(),
        "errors": [{ "code": code, "title": "Re-engagement message" }],
    })
}

async fn report(app: &App, body: &Value) {
    app.deliver_callback(SOBOT, body).await;
    app.apply_callbacks().await;
}

#[actix_web::test]
async fn each_policy_acts_on_a_window_that_is_known_to_be_closed_and_on_no_other() {
    for policy in [
        WindowPolicy::Ignore,
        WindowPolicy::Warn,
        WindowPolicy::Refuse,
    ] {
        let app = app_with(policy).await;
        let to = image_to(SOBOT, PHONE);
        let unknown = app.post_json("/api/v1/messages", &to).await;
        assert_eq!((unknown.0, &unknown.1["warnings"]), (202, &json!([])));
        receive_inbound(&app, SOBOT, PHONE, noon()).await;
        let open = app.post_json("/api/v1/messages", &to).await;
        assert_eq!((open.0, &open.1["warnings"]), (202, &json!([])));

        app.advance(TimeDelta::hours(24));
        let (status, reply) = app.post_json("/api/v1/messages", &to).await;
        match policy {
            WindowPolicy::Ignore => assert_eq!((status, &reply["warnings"]), (202, &json!([]))),
            WindowPolicy::Warn => {
                assert_eq!(status, 202, "{reply}");
                assert_eq!(reply["warnings"][0]["code"], "window_closed");
            }
            WindowPolicy::Refuse => {
                assert_eq!(status, 422, "{reply}");
                let error = &reply["errors"][0];
                assert_eq!(error["field"], "to");
                let text = error["message"].as_str().unwrap();
                assert!(text.contains("2026-11-21T12:00:00Z"), "{text}");
                let stored = app.get_ok("/api/v1/messages").await;
                assert_eq!(stored["data"].as_array().unwrap().len(), 2);
            }
        }
        app.finish().await;
    }
}

#[actix_web::test]
async fn a_failure_because_of_the_window_closes_it_until_the_customer_writes_again() {
    for code in [131_047, 470] {
        let app = app_with(WindowPolicy::Refuse).await;
        receive_inbound(&app, SOBOT, PHONE, noon()).await;
        app.advance(TimeDelta::minutes(5));
        let wamid = submitted(&app, PHONE).await;
        report(&app, &failure(&wamid, 131_026, app.now())).await;
        assert_eq!(window(&app, SOBOT, PHONE).await["state"], "open", "{code}");
        let wamid = submitted(&app, PHONE).await;
        let closed_at = app.now();
        report(&app, &failure(&wamid, code, closed_at)).await;
        assert_eq!(
            window(&app, SOBOT, PHONE).await,
            json!({ "state": "closed", "expires_at": rfc3339(closed_at) }),
        );
        let (status, _) = app
            .post_json("/api/v1/messages", &image_to(SOBOT, PHONE))
            .await;
        assert_eq!(status, 422);
        // Another customer, and another account.
        let other = window(&app, SOBOT, "447700900999").await;
        assert_eq!(other, json!({ "state": "closed" }));
        assert_eq!(window(&app, KALEYRA, PHONE).await["state"], "unknown");

        app.advance(TimeDelta::minutes(5));
        receive_inbound(&app, SOBOT, PHONE, app.now()).await;
        assert_eq!(window(&app, SOBOT, PHONE).await["state"], "open");
        app.send(&image_to(SOBOT, PHONE)).await;
        app.run_jobs_until_idle().await;
        app.finish().await;
    }
}

#[actix_web::test]
async fn a_refusal_in_the_reply_closes_the_window_of_an_account_without_inbound_messages() {
    let app = start_app().await;
    let refusal = json!({ "code": 131_047, "message": "Re-engagement message" });
    app.force(SOBOT, ForcedReply::json(400, &refusal));
    let id = app.send(&image_to(SOBOT, PHONE)).await;
    app.run_jobs_until_idle().await;
    let failure = &app.message(&id).await["failure"];
    assert_eq!(
        (&failure["code"], &failure["class"]),
        (&json!("131047"), &json!("window"))
    );
    assert_eq!(window(&app, SOBOT, PHONE).await["state"], "closed");
    let reply = app
        .post_json("/api/v1/messages", &image_to(SOBOT, PHONE))
        .await;
    assert_eq!(reply.1["warnings"][0]["code"], "window_closed");
    app.run_jobs_until_idle().await;
    // After 24 hours the customer may have written where it is not reported to us.
    app.advance(TimeDelta::hours(25));
    assert_eq!(window(&app, SOBOT, PHONE).await["state"], "unknown");
    app.finish().await;
}

#[actix_web::test]
async fn a_repeated_request_is_not_refused_although_the_window_has_closed_since() {
    let app = app_with(WindowPolicy::Refuse).await;
    receive_inbound(&app, SOBOT, PHONE, noon()).await;
    let send = async |key: &str, body: Value| {
        let request = app.request("POST", "/api/v1/messages");
        read(request.header("Idempotency-Key", key).json(&body)).await
    };
    let first = send("k", image_to(SOBOT, PHONE)).await;
    assert_eq!(first.0, 202);
    app.advance(TimeDelta::hours(25));
    assert_eq!(send("k", image_to(SOBOT, PHONE)).await, first);
    let mut other = image_to(SOBOT, PHONE);
    other["caption"] = json!("another text");
    assert_eq!(send("k", other).await.0, 409);
    assert_eq!(send("new", image_to(SOBOT, PHONE)).await.0, 422);
    app.finish().await;
}

/// What happens between a customer and the account, at minutes that may be equal.
#[derive(Clone, Copy, Debug)]
enum Event {
    Inbound(i64),
    Refusal(i64),
    /// A failure for another reason.
    Failure(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let minute = 0_i64..90;
    let event = prop_oneof![
        minute.clone().prop_map(Event::Inbound),
        minute.clone().prop_map(Event::Refusal),
        minute.prop_map(Event::Failure),
    ];
    prop::collection::vec(event, 1..9).prop_shuffle()
}

#[actix_web::test]
async fn whether_a_window_is_open_does_not_depend_on_the_order_of_callbacks() {
    let mut generator = Generator::new();
    let rounds = if std::env::var_os("TEST_DATABASE_URL").is_some() {
        5
    } else {
        20
    };
    while let Some(round) = generator.next_round(rounds) {
        let sample = generator.value(&events());
        let app = start_app().await;
        let mut wamids = Vec::new();
        for _ in &sample {
            wamids.push(submitted(&app, PHONE).await);
        }
        app.advance(TimeDelta::minutes(100));
        for (number, (event, wamid)) in sample.iter().zip(&wamids).enumerate() {
            let at = |minute: i64| noon() + TimeDelta::minutes(minute);
            match *event {
                Event::Inbound(minute) => {
                    let body = crate::customer_service_window::inbound(SOBOT, PHONE, at(minute));
                    app.deliver_callback(SOBOT, &body).await;
                }
                Event::Refusal(minute) => {
                    let body = failure(wamid, 131_047, at(minute));
                    app.deliver_callback(SOBOT, &body).await;
                }
                Event::Failure(minute) => {
                    let body = failure(wamid, 131_026, at(minute));
                    app.deliver_callback(SOBOT, &body).await;
                }
            }
            if (number + round) % 3 == 0 {
                app.apply_callbacks().await;
            }
        }
        app.run_jobs_until_idle().await;

        let last = |wanted: fn(&Event) -> Option<i64>| sample.iter().filter_map(wanted).max();
        let wrote = last(|event| match event {
            Event::Inbound(minute) => Some(*minute),
            _ => None,
        });
        let refused = last(|event| match event {
            Event::Refusal(minute) => Some(*minute),
            _ => None,
        });
        let expected = match (wrote, refused) {
            (None, None) => "unknown",
            (wrote, refused) if wrote > refused => "open",
            _ => "closed",
        };
        let shown = window(&app, SOBOT, PHONE).await;
        assert_eq!(shown["state"], expected, "{sample:?}");

        let everything = json!({ "received_after": "2026-01-01T00:00:00Z" });
        let (status, replay) = app.post_json("/api/v1/callbacks/replay", &everything).await;
        assert_eq!(status, 200, "{replay}");
        assert_eq!(window(&app, SOBOT, PHONE).await, shown, "{sample:?}");
        bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
            .await
            .unwrap();
        assert_eq!(window(&app, SOBOT, PHONE).await, shown, "{sample:?}");
        app.finish().await;
    }
}
