//! The API as outsiders rely on it: keys, forms of values, masking, callbacks, orphans, the live feed.

use std::collections::BTreeSet;
use std::time::Duration;

use bluetick::domain::scope::Scope;
use bluetick::simulator::ForcedReply;
use chrono::DateTime;
use futures_util::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, SOBOT, image_to, message, noon, read, start_app, start_app_with,
};

pub(super) const WAMID: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMDAwMDAwMDAwMDAwMDAwMDAwAA==";

pub(super) fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

pub(super) fn named(names: &str) -> BTreeSet<&str> {
    names.split_whitespace().collect()
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 24 && text.ends_with('Z') && DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_bare_uuid(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 36 && Uuid::parse_str(text).is_ok()
}

/// No null anywhere: what does not exist is absent.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

/// Sobot's flat status; `second` is the provider's clock after noon.
pub(super) fn status(id: &Value, word: &str, second: i64) -> Value {
    let at = noon().timestamp() + second;
    json!({ "id": id, "status": word, "timestamp": at.to_string() })
}

async fn as_reader(app: &App, path: &str) -> Value {
    let (status, body) = read(app.request_as(Scope::Read, "GET", path)).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// A submitted message of Sobot, and its provider id.
async fn submitted_message(app: &App) -> (String, Value) {
    let mut body = message(SOBOT, "image");
    body["refs"] = json!({ "ref": "spring" });
    body["client_reference"] = json!("order-42");
    let id = app.send(&body).await;
    app.run_jobs_until_idle().await;
    let known = app.message(&id).await["provider_id"].clone();
    (id, known)
}

// --- Keys and values -------------------------------------------------------------

#[actix_web::test]
async fn an_accepted_message_is_returned_with_five_keys() {
    let app = start_app().await;
    let reply = app
        .request("POST", "/api/v1/messages")
        .json(&message(KALEYRA, "video"))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 202);
    let location = reply.headers()["location"].to_str().unwrap().to_owned();
    let body: Value = reply.json().await.unwrap();
    assert_eq!(keys(&body), named("id state account created_at warnings"));
    assert!(is_bare_uuid(&body["id"]) && is_time(&body["created_at"]));
    assert_eq!(
        (&body["state"], &body["account"], &body["warnings"]),
        (&json!("queued"), &json!(KALEYRA), &json!([]))
    );
    assert!(location.ends_with(body["id"].as_str().unwrap()));
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_was_read_has_the_keys_of_the_contract() {
    let app = start_app().await;
    let (id, known) = submitted_message(&app).await;
    for body in [status(&known, "read", 60), status(&known, "sent", 2)] {
        app.deliver_callback(SOBOT, &body).await;
    }
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(
        keys(&shown),
        named(
            "id account provider origin from to name kind media caption refs client_reference state conflict overdue \
             provider_id provider_ids stages cost attempts created_at updated_at"
        )
    );
    assert!(!has_null(&shown), "{shown}");
    assert!(is_bare_uuid(&shown["id"]));
    assert!(is_time(&shown["created_at"]) && is_time(&shown["updated_at"]));
    let stages = &shown["stages"];
    assert_eq!(
        keys(stages),
        named("queued submitted sent delivered read"),
        "{stages}"
    );
    assert_eq!(keys(&stages["queued"]), named("at"));
    for (stage, at, implied, count) in [
        ("sent", "2026-11-20T12:00:02.000Z", false, 1),
        ("delivered", "2026-11-20T12:01:00.000Z", true, 0),
        ("read", "2026-11-20T12:01:00.000Z", false, 1),
    ] {
        assert_eq!(
            stages[stage],
            json!({ "at": at, "inferred": false, "implied": implied, "count": count }),
            "{stage}"
        );
    }
    let attempt = &shown["attempts"][0];
    assert!(keys(attempt).is_superset(&named("at outcome http_status duration_ms")));
    assert_eq!(
        (&attempt["outcome"], &attempt["http_status"]),
        (&json!("accepted"), &json!(200))
    );
    assert!(is_time(&attempt["at"]) && attempt["duration_ms"].is_u64());
    let listed = &app.get_ok("/api/v1/messages").await["data"][0];
    assert!(!has_null(listed));
    assert_eq!(keys(&listed["stages"]["read"]), named("at"));
    let absent = ["provider_ids", "attempts"];
    assert!(absent.iter().all(|key| listed.get(key).is_none()));
    app.finish().await;
}

#[actix_web::test]
async fn a_failure_says_what_it_means_and_what_to_do() {
    let app = start_app().await;
    let (id, known) = submitted_message(&app).await;
    let mut body = status(&known, "failed", 5);
    body["errors"] = json!([{ "code": 131_053, "title": "Media upload error" }]);
    app.deliver_callback(SOBOT, &body).await;
    app.run_jobs_until_idle().await;
    let failure = &app.message(&id).await["failure"];
    assert!(keys(failure).is_superset(&named("code title class meaning action at")));
    assert_eq!(
        (&failure["code"], &failure["class"], &failure["at"]),
        (
            &json!("131053"),
            &json!("media"),
            &json!("2026-11-20T12:00:05.000Z")
        )
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_rejected_attempt_contains_the_provider_s_text() {
    let app = start_app().await;
    let words = json!({ "code": 1, "message": "no such template" });
    app.force(SOBOT, ForcedReply::json(400, &words));
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "failed", "{shown}");
    let attempt = &shown["attempts"][0];
    assert_eq!(
        (&attempt["outcome"], &attempt["http_status"]),
        (&json!("refused"), &json!(400))
    );
    assert!(attempt["detail"].is_string(), "{attempt}");
    app.finish().await;
}

// --- Who sees what ---------------------------------------------------------------

#[actix_web::test]
async fn without_operate_no_personal_data_is_shown() {
    let app = start_app().await;
    let mut body = message(SOBOT, "image");
    body["to"] = json!("+91 99701 23456");
    body["media"]["url"] = json!("https://media.example.com/secret/path.jpg?who=ines");
    let id = app.send(&body).await;
    app.run_jobs_until_idle().await;
    let known = app.message(&id).await["provider_id"].clone();
    app.deliver_callback(SOBOT, &status(&known, "sent", 1))
        .await;
    app.deliver_callback(SOBOT, &status(&json!(WAMID), "sent", 1))
        .await;
    app.apply_callbacks().await;
    let shown = as_reader(&app, &format!("/api/v1/messages/{id}")).await;
    assert_eq!(shown["to"], "9199•••••456");
    assert_eq!(shown["media"]["url"], "media.example.com");
    assert!(shown.get("name").is_none() && shown.get("caption").is_none());
    let attempt = &shown["attempts"][0];
    assert!(attempt.get("request").is_none() && attempt.get("reply").is_none());
    let whole = known.as_str().unwrap();
    let tail = &whole[whole.len() - 8..];
    assert_eq!(shown["provider_id"], format!("wamid.…{tail}"));
    let orphans = as_reader(&app, "/api/v1/orphans").await;
    assert_eq!(
        orphans["data"][0]["provider_ids"],
        json!(["wamid.…MDAwAA=="])
    );
    for path in [
        format!("/api/v1/messages/{id}"),
        format!("/api/v1/messages/{id}/timeline"),
        format!("/api/v1/messages/{id}/explain"),
        "/api/v1/messages".to_owned(),
        "/api/v1/orphans".to_owned(),
        "/api/v1/callbacks".to_owned(),
        "/api/v1/accounts".to_owned(),
    ] {
        let text = as_reader(&app, &path).await.to_string();
        for secret in [
            "9970123456",
            "Ines",
            "on its way",
            "secret/path",
            whole,
            WAMID,
        ] {
            assert!(!text.contains(secret), "{secret} in {path}: {text}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn without_operate_a_number_is_found_only_whole() {
    let app = start_app().await;
    app.send(&image_to(SOBOT, "+91 99701 23456")).await;
    for (q, reader, operator) in [
        ("919970123456", 1, 1),
        ("%2B91%2099701%2023456", 1, 1),
        ("91997012345", 0, 1),
        ("0123456", 0, 1),
        ("9970123456", 0, 1),
    ] {
        let path = format!("/api/v1/messages?q={q}");
        let count = |list: Value| list["data"].as_array().unwrap().len();
        assert_eq!(count(as_reader(&app, &path).await), reader, "{q}");
        assert_eq!(count(app.get_ok(&path).await), operator, "{q}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn callback_urls_are_shown_to_operators_only() {
    let app = start_app().await;
    for account in app.get_ok("/api/v1/accounts").await["data"]
        .as_array()
        .unwrap()
    {
        assert!(
            keys(account).is_superset(&named(
                "id provider callback_url setup capabilities senders health"
            )),
            "{account}"
        );
        let id = account["id"].as_str().unwrap();
        assert_eq!(account["callback_url"], app.callback_url(id));
        assert!(!account["setup"].as_array().unwrap().is_empty());
        assert!(!has_null(account));
    }
    let masked = as_reader(&app, "/api/v1/accounts").await;
    assert_eq!(masked["data"].as_array().unwrap().len(), ACCOUNTS.len());
    assert!(masked["data"][0].get("callback_url").is_none());
    for account in ACCOUNTS {
        let url = app.callback_url(account);
        let token = url.rsplit('/').next().unwrap();
        assert!(!masked.to_string().contains(token));
    }
    app.finish().await;
}

#[actix_web::test]
async fn an_account_shows_when_its_old_url_was_last_used() {
    let app = start_app_with(|_, accounts| accounts[0].callback_generation = 2).await;
    let account = &app
        .services
        .accounts
        .values()
        .find(|one| one.callback_generation == 2);
    let id = account.unwrap().id.clone();
    let shown = async || {
        let list = app.get_ok("/api/v1/accounts").await;
        let accounts = list["data"].as_array().unwrap().clone();
        let mut found = accounts.into_iter().filter(|one| one["id"] == id.as_str());
        found
            .next()
            .unwrap()
            .get("old_callback_url_used_at")
            .cloned()
    };
    assert_eq!(shown().await, None);
    let old = app.services.callback_url(&id, 1);
    let posted = app.client.post(old).body("{}").send().await.unwrap();
    assert_eq!(posted.status(), 200);
    app.run_jobs_until_idle().await;
    assert_eq!(shown().await.unwrap(), "2026-11-20T12:00:00.000Z");
    app.finish().await;
}

// --- Callbacks, orphans, problems, the live feed -----------------------------------

#[actix_web::test]
async fn a_callback_is_returned_as_json_and_byte_for_byte() {
    let app = start_app().await;
    let bytes = b"\xff\xfe\x1f\x8b<script>alert(1)</script>\0".to_vec();
    let reply = app
        .client
        .post(app.callback_url(SOBOT))
        .header("content-type", "text/html")
        .body(bytes.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    let pending = app.callbacks().await[0].clone();
    assert_eq!(pending["outcome"], "pending");
    app.apply_callbacks().await;
    let shown = app.callbacks().await[0].clone();
    assert!(keys(&shown).is_superset(&named(
        "id account method received_at size outcome message_ids"
    )));
    assert_eq!(
        (&shown["account"], &shown["method"], &shown["size"]),
        (&json!(SOBOT), &json!("POST"), &json!(bytes.len()))
    );
    assert_eq!(shown["outcome"], "quarantined");
    assert!(is_bare_uuid(&shown["id"]) && is_time(&shown["received_at"]) && !has_null(&shown));
    let id = shown["id"].as_str().unwrap();
    assert_eq!(app.get_ok(&format!("/api/v1/callbacks/{id}")).await, shown);
    let raw = app
        .request("GET", &format!("/api/v1/callbacks/{id}/raw"))
        .send()
        .await
        .unwrap();
    let header = |name: &str| raw.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-disposition").starts_with("attachment"));
    assert_eq!(raw.bytes().await.unwrap(), bytes);
    app.finish().await;
}

#[actix_web::test]
async fn an_orphan_can_be_matched_and_its_url_redirects() {
    let app = start_app().await;
    let (id, _) = submitted_message(&app).await;
    app.deliver_callback(SOBOT, &status(&json!(WAMID), "delivered", 9))
        .await;
    app.apply_callbacks().await;
    let orphan = app.orphans().await[0].clone();
    assert!(keys(&orphan).is_superset(&named(
        "id account provider_ids first_received_at stage suggestions"
    )));
    assert!(!has_null(&orphan) && is_time(&orphan["first_received_at"]));
    assert_eq!(
        (&orphan["provider_ids"], &orphan["stage"]),
        (&json!([WAMID]), &json!("delivered"))
    );
    assert_eq!(app.get_ok("/api/v1/problems").await["orphans"], 1);
    let old = orphan["id"].as_str().unwrap();
    let (status, done) = app
        .post_json(
            &format!("/api/v1/orphans/{old}/match"),
            &json!({ "message_id": id }),
        )
        .await;
    assert_eq!(status, 200, "{done}");
    assert_eq!(done, json!({ "id": id, "state": "delivered" }));
    let client = bluetick::http_client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let moved = client
        .get(app.url(&format!("/api/v1/messages/{old}")))
        .bearer_auth(app.token(Scope::Read))
        .send()
        .await
        .unwrap();
    assert_eq!(moved.status(), 308);
    assert!(moved.headers()["location"].to_str().unwrap().ends_with(&id));
    app.finish().await;
}

#[actix_web::test]
async fn problems_are_ten_counts_and_the_alarms_of_the_process() {
    let app = start_app().await;
    let mut problems = app.get_ok("/api/v1/problems").await;
    let alarms = problems.as_object_mut().unwrap().remove("alarms");
    assert!(alarms.is_some_and(|alarms| alarms.is_array()));
    assert_eq!(app.alarms().await, Vec::<Value>::new());
    assert_eq!(
        keys(&problems),
        named(
            "orphans conflicts id_conflicts overdue uncertain quarantine unverified rejected paused_accounts tripped_accounts"
        )
    );
    assert!(problems.as_object().unwrap().values().all(|n| n == 0));
    app.finish().await;
}

#[actix_web::test]
async fn the_live_feed_reports_a_change_and_ends_with_the_process() {
    let app = start_app().await;
    let feed = app.request("GET", "/api/v1/live").send().await.unwrap();
    assert_eq!(feed.headers()["content-type"], "text/event-stream");
    let mut feed = feed.bytes_stream();
    let id = app.send_image(SOBOT).await;
    let first = feed.next().await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    let data = text
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let change: Value = serde_json::from_str(data).unwrap();
    assert_eq!(keys(&change), named("id account state updated_at"));
    assert_eq!(
        (&change["id"], &change["state"]),
        (&json!(id), &json!("queued"))
    );
    assert!(is_time(&change["updated_at"]));
    app.services.stopping.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(10), async {
        while feed.next().await.is_some_and(|chunk| chunk.is_ok()) {}
    });
    rest.await.unwrap();
    app.finish().await;
}
