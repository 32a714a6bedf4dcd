//! Without `operate` no personal data is shown, even if a provider quotes it: every call and page that reads, walked with a `read` token.

use bluetick::domain::scope::Scope;
use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, message, noon, start_app};

const WAMID: &str = "wamid.HBgMOTE5OTcwMTIzNDU2FQIAERgSNDU2Nzg5QUJDREVGMDEyMzQ1AA==";
const ASSET: &str = "asset-77112233445566";
/// The customer's number in the spellings that providers use.
const SPELLINGS: [&str; 4] = [
    "919970123456",
    "+91 99701 23456",
    "+91-99701-23456",
    "91-99701-23456",
];
/// What must stand nowhere: enough of any spelling to ring the customer, the ids that decode to the number.
const HIDDEN: [&str; 8] = [
    "9970123456",
    "99701 23456",
    "99701-23456",
    "23456",
    "HBgMOTE5OTcw",
    ASSET,
    "Asha Rao",
    "on its way",
];

/// A provider's words that quote the customer in every spelling, and the id.
fn words() -> String {
    format!(
        "No route to {} of {WAMID}; see {WAMID}.",
        SPELLINGS.join(", ")
    )
}

async fn read_as(app: &App, scope: Scope, path: &str) -> String {
    let request = app.request_as(scope, "GET", path);
    let reply = request
        .header("accept", "application/json, text/html, text/plain")
        .send()
        .await
        .unwrap();
    let status = reply.status().as_u16();
    let text = reply.text().await.unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    text
}

/// Sobot's failure report with a text that quotes the customer.
fn failed(id: &Value, second: i64) -> Value {
    json!({
        "id": id,
        "recipient_id": SPELLINGS[0],
        "status": "failed",
        "timestamp": (noon().timestamp() + second).to_string(),
        "errors": [{
            "code": 131_026,
            "title": words(),
            "message": words(),
            "error_data": { "details": words() },
        }],
    })
}

/// Messages whose providers quote their customers everywhere they can; their ids.
async fn quoting(app: &App) -> Vec<String> {
    // Where Sobot's body names no code, the status decides.
    let vague = json!({ "message": words() });
    let refusal = json!({ "code": 131_026, "message": words() });
    let mut to_customer = message(SOBOT, "image");
    to_customer["to"] = json!("+91 99701 23456");
    to_customer["name"] = json!("Asha Rao");
    let reported = app.send(&to_customer).await;
    app.run_jobs_until_idle().await;
    let known = app.message(&reported).await["provider_id"].clone();
    app.deliver_callback(SOBOT, &failed(&known, 5)).await;
    app.deliver_callback(SOBOT, &failed(&json!(WAMID), 6)).await;
    let odd = json!({ "id": known, "status": format!("lost {}", SPELLINGS[1]), "timestamp": "1" });
    app.deliver_callback(SOBOT, &odd).await;
    let odd = json!({ "type": format!("news of {}", SPELLINGS[0]) });
    app.deliver_callback(SOBOT, &odd).await;
    app.run_jobs_until_idle().await;

    app.force(SOBOT, ForcedReply::json(400, &refusal));
    let refused = app.send(&to_customer).await;
    app.run_jobs_until_idle().await;
    app.force(SOBOT, ForcedReply::json(500, &vague));
    let uncertain = app.send(&to_customer).await;
    app.run_jobs_until_idle().await;
    let reason = json!({ "reason": format!("rang {}", SPELLINGS[2]) });
    let path = format!("/api/v1/messages/{uncertain}/mark-failed");
    let (status, problem) = app.post_json(&path, &reason).await;
    assert_eq!(status, 200, "{problem}");
    app.force(SOBOT, ForcedReply::json(429, &vague));
    let postponed = app.send(&to_customer).await;
    app.run_jobs_until_idle().await;

    let mut by_asset = to_customer.clone();
    by_asset["account"] = json!(KALEYRA);
    by_asset["media"] = json!({ "id": ASSET, "mime_type": "image/jpeg" });
    let denied = json!({ "code": "RBC001", "message": words(), "error": { "account": words() } });
    app.force(KALEYRA, ForcedReply::json(401, &denied));
    let paused = app.send(&by_asset).await;
    app.run_jobs_until_idle().await;
    let held = app.send(&by_asset).await;
    app.advance(TimeDelta::seconds(1));
    app.run_jobs_until_idle().await;
    vec![reported, refused, postponed, uncertain, paused, held]
}

#[actix_web::test]
async fn without_operate_no_call_and_no_page_shows_whom_a_provider_quotes() {
    let app = start_app().await;
    let messages = quoting(&app).await;
    let mut paths: Vec<String> = [
        "messages",
        "callbacks",
        "orphans",
        "problems",
        "accounts",
        "stats",
        "reports/messages.csv",
        "reports/messages.ndjson",
        "reports/summary.csv",
        "reports/summary.json",
    ]
    .map(|call| format!("/api/v1/{call}"))
    .to_vec();
    paths.extend(
        [
            "/",
            "/messages",
            "/callbacks",
            "/problems",
            "/accounts",
            "/reports",
        ]
        .map(str::to_owned),
    );
    for id in &messages {
        for path in ["", "/timeline", "/explain"] {
            paths.push(format!("/api/v1/messages/{id}{path}"));
        }
        paths.push(format!("/messages/{id}"));
    }
    for callback in app.callbacks().await {
        let id = callback["id"].as_str().unwrap();
        paths.push(format!("/api/v1/callbacks/{id}"));
        paths.push(format!("/callbacks/{id}"));
    }
    let orphan = app.orphans().await[0]["id"].as_str().unwrap().to_owned();
    paths.push(format!("/api/v1/messages/{orphan}"));
    paths.push(format!("/messages/{orphan}"));
    let mut leaks = Vec::new();
    for path in &paths {
        let text = read_as(&app, Scope::Read, path).await;
        leaks.extend(
            HIDDEN
                .iter()
                .filter(|hidden| text.contains(**hidden))
                .map(|hidden| format!("{hidden} in {path}: {text}")),
        );
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    app.finish().await;
}

/// The same places show it to who may see it, so that the test above looks where there is something to hide.
#[actix_web::test]
async fn with_operate_a_providers_words_stand_as_they_came() {
    let app = start_app().await;
    let messages = quoting(&app).await;
    let [reported, refused, postponed, uncertain, paused, held] = messages.as_slice() else {
        panic!("six messages were sent");
    };
    let spelling = SPELLINGS[1];
    for path in [
        format!("/api/v1/messages/{reported}"),
        format!("/api/v1/messages/{reported}/timeline"),
        format!("/api/v1/messages/{reported}/explain"),
        format!("/api/v1/messages/{refused}"),
        format!("/api/v1/messages/{postponed}"),
        format!("/api/v1/messages/{postponed}/timeline"),
        format!("/api/v1/messages/{paused}"),
        format!("/api/v1/messages/{held}/explain"),
        "/api/v1/accounts".to_owned(),
        "/api/v1/reports/messages.csv".to_owned(),
        "/api/v1/reports/messages.ndjson".to_owned(),
        "/accounts".to_owned(),
        format!("/messages/{reported}"),
    ] {
        let text = read_as(&app, Scope::Operate, &path).await;
        assert!(text.contains(spelling), "{path}: {text}");
    }
    let marked = format!("/api/v1/messages/{uncertain}/timeline");
    let text = read_as(&app, Scope::Operate, &marked).await;
    assert!(text.contains(SPELLINGS[2]), "{text}");
    let by_asset = app.message(paused).await;
    assert_eq!(by_asset["media"]["id"], ASSET);
    app.finish().await;
}
