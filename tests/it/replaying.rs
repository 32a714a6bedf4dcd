//! Callbacks are read again: what they told is replaced, nothing is told twice, a dry run writes nothing, unverified ones are released by a decision.

use bluetick::domain::access::{Scope, Verb};
use bluetick::domain::ids::CallbackId;
use bluetick::domain::provider::HeaderSecret;
use bluetick::domain::secret::Secret;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::app::{App, SOBOT, noon, read, start_app, start_app_with};
use crate::harness::dump::dump;

const REPLAY: &str = "/api/v1/callbacks/replay";

fn status(id: &str, word: &str) -> Value {
    json!({ "id": id, "status": word, "timestamp": noon().timestamp().to_string() })
}

async fn replayed(app: &App, request: &Value) -> Value {
    let (status, body) = app.post_json(REPLAY, request).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn verbs(app: &App) -> Vec<Verb> {
    let actions = app.services.store.list_actions(50).await.unwrap();
    actions.iter().map(|action| action.verb).collect()
}

/// The account asks for a header that a forger does not know.
async fn start_guarded() -> App {
    start_app_with(|_, accounts| {
        accounts[0].callback_auth.header = vec![HeaderSecret {
            name: "x-key".to_owned(),
            value: Secret::new("a-static-header-value"),
        }];
    })
    .await
}

/// Posts what is kept as unverified; its id.
async fn forge(app: &App, body: &Value) -> String {
    let url = app.callback_url(SOBOT);
    let reply = app.client.post(url).json(body).send().await.unwrap();
    assert_eq!(reply.status(), 401);
    app.run_jobs_until_idle().await;
    let newest = &app.callbacks().await[0];
    assert_eq!(newest["outcome"], "unverified");
    newest["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn reading_everything_again_tells_nothing_twice() {
    let app = start_app().await;
    for account in crate::harness::app::ACCOUNTS {
        app.send_image(account).await;
    }
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    app.deliver_callback(SOBOT, &status("wamid.elsewhere", "sent"))
        .await;
    app.deliver_callback(SOBOT, &json!({ "gibberish": 1 }))
        .await;
    app.run_jobs_until_idle().await;
    let before = dump(&app.database).await;
    app.advance(TimeDelta::seconds(90));
    let done = replayed(&app, &json!({ "received_after": "2026-11-20T00:00:00Z" })).await;
    assert!(done["read"].as_u64().unwrap() > 8, "{done}");
    assert_eq!(done["messages"], json!([]));
    assert_eq!(done["callbacks"], json!([]));
    let after = dump(&app.database).await;
    assert_eq!(before, after);
    assert_eq!(verbs(&app).await[0], Verb::ReplayCallbacks);
    app.finish().await;
}

#[actix_web::test]
async fn an_unverified_callback_is_released_by_name_and_only_so() {
    let app = start_guarded().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    let body = status(provider_id.as_str().unwrap(), "delivered");
    let callback = forge(&app, &body).await;
    assert_eq!(app.state(&id).await, "submitted");

    let wide = replayed(&app, &json!({ "account": SOBOT })).await;
    assert_eq!((&wide["read"], &wide["withheld"]), (&json!(0), &json!(1)));
    assert_eq!(app.state(&id).await, "submitted");

    let dry = replayed(&app, &json!({ "ids": [callback], "dry_run": true })).await;
    assert_eq!(
        dry["callbacks"],
        json!([{ "id": callback, "before": "unverified", "after": "receipts" }])
    );
    assert_eq!(
        dry["messages"],
        json!([{ "id": id, "before": "submitted", "after": "delivered" }])
    );
    assert_eq!(
        app.state(&id).await,
        "submitted",
        "a dry run changes nothing"
    );
    assert!(!verbs(&app).await.contains(&Verb::ReleaseCallback));

    let done = replayed(&app, &json!({ "ids": [callback] })).await;
    assert_eq!(done["messages"], dry["messages"]);
    assert_eq!(app.state(&id).await, "delivered");
    assert!(verbs(&app).await.contains(&Verb::ReleaseCallback));

    // The decision holds when everything is derived anew.
    let before = dump(&app.database).await;
    bluetick::delivery::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(before, dump(&app.database).await);
    // And a later wide selection reads it like any other.
    let again = replayed(&app, &json!({ "account": SOBOT })).await;
    assert_eq!((&again["read"], &again["withheld"]), (&json!(1), &json!(0)));
    assert_eq!(app.state(&id).await, "delivered");
    app.finish().await;
}

#[actix_web::test]
async fn what_a_callback_no_longer_tells_is_taken_back() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    app.deliver_callback(SOBOT, &status(provider_id.as_str().unwrap(), "read"))
        .await;
    app.deliver_callback(SOBOT, &status("wamid.elsewhere", "read"))
        .await;
    app.run_jobs_until_idle().await;
    assert_eq!(
        (app.state(&id).await.as_str(), app.orphans().await.len()),
        ("read", 1)
    );
    let orphan = app.orphans().await[0]["id"].clone();
    // As if the parser that read them first had been wrong about both.
    let spoilt = r#"{"id":"x","status":"#;
    let blank = if app.database.is_postgres() {
        format!("UPDATE journal SET content = convert_to('{spoilt}', 'UTF8')")
    } else {
        format!("UPDATE journal SET content = CAST('{spoilt}' AS BLOB)")
    };
    app.database.spoil_journal(&blank).await;

    let done = replayed(&app, &json!({ "outcome": "receipts" })).await;
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(app.orphans().await, Vec::<Value>::new());
    let changes = done["messages"].as_array().unwrap();
    assert!(changes.contains(&json!({ "id": id, "before": "read", "after": "submitted" })));
    assert!(
        changes.contains(&json!({ "id": orphan, "before": "read" })),
        "{done}"
    );
    assert_eq!(done["callbacks"][0]["after"], "quarantined");
    assert_eq!(app.found("/api/v1/problems").await["quarantine"], 2);
    app.finish().await;
}

#[actix_web::test]
async fn a_replay_of_everything_or_by_nobody_is_refused() {
    let app = start_app().await;
    let (status, body) = app.post_json(REPLAY, &json!({})).await;
    assert_eq!(status, 422, "{body}");
    let (status, body) = app
        .post_json(REPLAY, &json!({ "outcome": "lost", "ids": [] }))
        .await;
    assert_eq!(
        (status, &body["errors"][0]["field"]),
        (422, &json!("outcome"))
    );
    let request = app.request_as(Scope::Read, "POST", REPLAY);
    let (status, _) = read(request.json(&json!({ "outcome": "quarantined" }))).await;
    assert_eq!(status, 403);
    let gone = CallbackId::new(noon()).to_string();
    assert_eq!(replayed(&app, &json!({ "ids": [gone] })).await["read"], 0);
    app.finish().await;
}
