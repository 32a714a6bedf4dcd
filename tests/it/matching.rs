//! Matches that a recipient or a person made can be taken back: what was matched goes its own way, and nothing matches it by itself again.

use bluetick::domain::access::Scope;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::app::{App, CUSTOMER, LANCEPILOT, SOBOT, read, start_app};
use crate::harness::dump::dump;

const FIRST: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMDAwMDAwMDAwMDAwMDAwMDAwAA==";
const SECOND: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMTExMTExMTExMTExMTExMTExAA==";

/// LancePilot reports on a message by an id that it never told us.
async fn told(app: &App, wamid: &str, word: &str) {
    let report = json!({
        "event": "message.status",
        "data": {
            "type": "messages",
            "id": format!("r-{}", &wamid[40..44]),
            "attributes": { "wamid": wamid, "status": word, "to": CUSTOMER },
        },
    });
    app.deliver_callback(LANCEPILOT, &report).await;
    app.run_jobs_until_idle().await;
}

async fn sent(app: &App) -> String {
    let id = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    id
}

async fn orphan_ids(app: &App) -> Vec<String> {
    let orphans = app.orphans().await;
    let ids = orphans.iter().map(|orphan| orphan["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

async fn page(app: &App, id: &str) -> String {
    let request = app.request("GET", &format!("/messages/{id}"));
    request.send().await.unwrap().text().await.unwrap()
}

/// A rebuild comes to the same, and everything that is counted adds up.
async fn assert_sound(app: &App) {
    let before = dump(&app.database).await;
    bluetick::delivery::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(before, dump(&app.database).await);
}

#[actix_web::test]
async fn a_match_by_recipient_is_undone_and_never_made_again_by_itself() {
    let app = start_app().await;
    let id = sent(&app).await;
    told(&app, FIRST, "delivered").await;
    let shown = app.message(&id).await;
    assert_eq!(
        (&shown["state"], &shown["matched_by"]),
        (&json!("delivered"), &json!("recipient"))
    );
    assert!(page(&app, &id).await.contains("Undo the match"));

    let (status, body) = app.post(&format!("/api/v1/messages/{id}/unmatch")).await;
    assert_eq!(
        (status, &body["state"]),
        (200, &json!("submitted")),
        "{body}"
    );
    let shown = app.message(&id).await;
    assert_eq!(shown["matched_by"], Value::Null);
    assert_eq!(shown["provider_ids"], json!([]));
    let html = page(&app, &id).await;
    assert!(!html.contains("Undo the match"));
    assert!(html.contains("undid its matches"), "why it says submitted");
    let orphans = orphan_ids(&app).await;
    assert_eq!(orphans.len(), 1);
    assert_eq!(app.state(&orphans[0]).await, "delivered");

    told(&app, FIRST, "read").await;
    told(&app, SECOND, "delivered").await;
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(app.state(&orphans[0]).await, "read");
    assert_eq!(orphan_ids(&app).await.len(), 2);
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn an_operators_match_is_undone_and_the_report_can_be_matched_with_the_right_message() {
    let app = start_app().await;
    let (right, wrong) = (sent(&app).await, sent(&app).await);
    // With a third, nobody but a person can tell even when one of them is out.
    sent(&app).await;
    told(&app, FIRST, "delivered").await;
    let orphan = orphan_ids(&app).await.remove(0);
    let matching = format!("/api/v1/orphans/{orphan}/match");
    let request = json!({ "message_id": wrong });
    assert_eq!(app.post_json(&matching, &request).await.0, 200);
    told(&app, FIRST, "read").await;
    assert_eq!(app.state(&wrong).await, "read");

    app.advance(TimeDelta::minutes(1));
    let undo = format!("/messages/{wrong}/unmatch");
    let (status, _) = read(app.request_as(Scope::Read, "POST", &undo)).await;
    assert_eq!(status, 403);
    let reply = app.request("POST", &undo).send().await.unwrap();
    assert_eq!(reply.status(), 200, "led back to its page");
    assert_eq!(app.state(&wrong).await, "submitted");
    assert_eq!(orphan_ids(&app).await, [orphan.as_str()], "as it was");
    assert_eq!(app.state(&orphan).await, "read");
    assert_sound(&app).await;

    app.advance(TimeDelta::minutes(1));
    let request = json!({ "message_id": right });
    assert_eq!(app.post_json(&matching, &request).await.0, 200);
    assert_eq!(app.state(&right).await, "read");
    assert_eq!(app.state(&wrong).await, "submitted");
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn only_what_was_matched_can_be_undone() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let (status, body) = app.post(&format!("/api/v1/messages/{id}/unmatch")).await;
    assert_eq!(status, 409, "{body}");
    assert!(!page(&app, &id).await.contains("Undo the match"));
    app.finish().await;
}
