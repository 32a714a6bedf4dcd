//! Messages sent by other means are registered: reports find them, callers see their own references, nothing is counted twice.

use bluetick::domain::scope::Scope;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::app::{SOBOT, noon, read, start_app};
use crate::harness::dump::dump;

const OBSERVED: &str = "/api/v1/messages/observed";

fn registration(provider_id: &str) -> Value {
    json!({
        "account": SOBOT,
        "provider_id": provider_id,
        "to": "+44 7700 900456",
        "kind": "image",
        "refs": { "ref": "invoice-7" },
        "client_reference": "order-9",
        "sent_at": "2026-11-20T11:30:00Z",
    })
}

fn status(id: &str, word: &str) -> Value {
    json!({ "id": id, "status": word, "timestamp": noon().timestamp().to_string() })
}

#[actix_web::test]
async fn a_registered_message_is_new_once_and_known_ever_after() {
    let app = start_app().await;
    let (first, body) = app.post_json(OBSERVED, &registration("wamid.reg1")).await;
    assert_eq!(first, 201, "{body}");
    let id = body["id"].as_str().unwrap().to_owned();
    let (again, same) = app.post_json(OBSERVED, &registration("wamid.reg1")).await;
    assert_eq!((again, same["id"].as_str().unwrap()), (200, id.as_str()));

    let message = app.message(&id).await;
    assert_eq!(message["origin"], "observed");
    assert_eq!(message["state"], "submitted");
    assert_eq!(message["created_at"], "2026-11-20T11:30:00.000Z");
    assert_eq!(message["refs"]["ref"], "invoice-7");
    assert_eq!(message["stages"]["submitted"]["count"], 1);

    app.deliver_callback(SOBOT, &status("wamid.reg1", "delivered"))
        .await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "delivered");
    assert!(app.orphans().await.is_empty());
    let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
    assert!(
        explained["because"].to_string().contains("registered here"),
        "{explained}"
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_report_that_came_first_is_adopted_by_its_registration() {
    let app = start_app().await;
    app.deliver_callback(SOBOT, &status("wamid.reg2", "sent"))
        .await;
    app.run_jobs_until_idle().await;
    let orphan = app.orphans().await[0]["id"].as_str().unwrap().to_owned();
    let (status_code, body) = app.post_json(OBSERVED, &registration("wamid.reg2")).await;
    assert_eq!(
        (status_code, body["id"].as_str().unwrap()),
        (201, orphan.as_str())
    );
    assert!(app.orphans().await.is_empty());
    assert_eq!(app.message(&orphan).await["client_reference"], "order-9");
    assert_eq!(app.state(&orphan).await, "sent");

    // It is a root now: a rebuild keeps it.
    app.advance(TimeDelta::minutes(20));
    app.run_jobs_until_idle().await;
    let before = dump(&app.database).await;
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(before, dump(&app.database).await);
    app.finish().await;
}

#[actix_web::test]
async fn a_message_of_ours_is_known_and_stays_as_it_is() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let before = app.message(&id).await;
    let provider_id = before["provider_id"].as_str().unwrap();
    let (status, body) = app.post_json(OBSERVED, &registration(provider_id)).await;
    assert_eq!((status, body["id"].as_str().unwrap()), (200, id.as_str()));
    assert_eq!(app.message(&id).await, before);
    app.finish().await;
}

#[actix_web::test]
async fn a_registration_names_every_wrong_field_and_needs_the_scope_send() {
    let app = start_app().await;
    let wrong = json!({
        "account": "unknown",
        "provider_id": "  ",
        "to": "12",
        "kind": "fax",
        "refs": { "ref1": "x".repeat(256) },
        "sent_at": "2030-01-01T00:00:00Z",
    });
    let (status, body) = app.post_json(OBSERVED, &wrong).await;
    assert_eq!(status, 422);
    let fields: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "account",
            "provider_id",
            "to",
            "kind",
            "refs.ref1",
            "sent_at"
        ]
    );
    let mut unreadable = wrong;
    unreadable["sent_at"] = json!("yesterday");
    let (status, body) = app.post_json(OBSERVED, &unreadable).await;
    assert_eq!(status, 422);
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 6, "{body}");
    assert_eq!(errors[5]["field"], "sent_at");
    let request = app.request_as(Scope::Operate, "POST", OBSERVED);
    let (status, _) = read(request.json(&registration("wamid.reg3"))).await;
    assert_eq!(status, 403);
    app.finish().await;
}

#[actix_web::test]
async fn without_a_time_nothing_is_claimed_and_another_number_is_named() {
    let app = start_app().await;
    app.deliver_callback(SOBOT, &status("wamid.reg9", "read"))
        .await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::minutes(5));
    let mut timeless = registration("wamid.reg9");
    timeless.as_object_mut().unwrap().remove("sent_at");
    let (code, body) = app.post_json(OBSERVED, &timeless).await;
    assert_eq!((code, &body["warnings"]), (201, &json!([])), "{body}");
    let id = body["id"].as_str().unwrap().to_owned();
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "read");
    let submitted = &shown["stages"]["submitted"];
    assert_eq!(submitted["implied"], true, "{shown}");
    assert_eq!(submitted["at"], shown["stages"]["read"]["at"]);

    // There is no report on this one: only the time of registration is known.
    timeless["provider_id"] = json!("wamid.reg10");
    let (_, body) = app.post_json(OBSERVED, &timeless).await;
    let alone = app.message(body["id"].as_str().unwrap()).await;
    assert_eq!(alone["stages"]["submitted"]["inferred"], true, "{alone}");

    let mut other = registration("wamid.reg9");
    other["to"] = json!("+44 7700 900999");
    let (code, body) = app.post_json(OBSERVED, &other).await;
    assert_eq!((code, body["id"].as_str().unwrap()), (200, id.as_str()));
    let warning = &body["warnings"][0];
    assert_eq!(warning["code"], "recipient_differs");
    assert!(warning["message"].as_str().unwrap().starts_with("to: "));
    assert_eq!(app.message(&id).await["to"], shown["to"]);
    app.finish().await;
}
