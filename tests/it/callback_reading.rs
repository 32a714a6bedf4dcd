//! A callback is read as far as it can be; what cannot be is kept and changes nothing.

use std::io::Write;

use bluetick::simulator::ForcedReply;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, noon, start_app, start_app_with};
use crate::reconciliation::{post_callbacks, status};

#[actix_web::test]
async fn one_bad_element_of_a_batch_does_not_stop_its_neighbours() {
    let app = start_app().await;
    let first = app.send_image(SOBOT).await;
    let second = app.send_video(SOBOT).await;
    app.run_jobs_until_idle().await;
    let change = |id: &Value, word: &str| {
        json!({ "field": "messages", "value": { "statuses": [
            { "id": id, "status": word, "timestamp": noon().timestamp().to_string() },
        ] } })
    };
    let (one, two) = (app.message(&first).await, app.message(&second).await);
    let body = json!([
        change(&one["provider_id"], "delivered"),
        { "field": "messages", "value": { "statuses": [{ "timestamp": "1" }] } },
        change(&two["provider_id"], "read"),
    ]);
    post_callbacks(&app, SOBOT, &[body]).await;
    assert_eq!(app.state(&first).await, "delivered");
    assert_eq!(app.state(&second).await, "read");
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["quarantine"], 1);
    let callback = &app.callbacks().await[0];
    assert_eq!(callback["outcome"], "receipts");
    assert_eq!(callback["message_ids"].as_array().unwrap().len(), 2);
    app.finish().await;
}

/// PostgreSQL keeps no NUL in a text; a provider's words with one must not cost the report.
#[actix_web::test]
async fn a_report_with_a_nul_in_its_words_moves_its_message() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let known = app.message(&id).await["provider_id"].clone();
    let failed = json!({
        "id": known,
        "status": "failed",
        "timestamp": "1795176005",
        "errors": [{ "code": 131_053, "title": "a\0b" }],
    });
    app.deliver_callback(SOBOT, &failed).await;
    let odd = json!({ "id": known, "status": "lo\0st", "timestamp": "1795176006" });
    app.deliver_callback(SOBOT, &odd).await;
    let no_id = json!({ "id": "wamid.A\u{1}B", "status": "sent", "timestamp": "1795176006" });
    app.deliver_callback(SOBOT, &no_id).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "failed", "{shown}");
    assert_eq!(shown["failure"]["title"], "a␀b");
    let outcomes: Vec<Value> = app
        .callbacks()
        .await
        .iter()
        .map(|callback| callback["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["quarantined", "receipts", "receipts"]);
    app.force(
        SOBOT,
        ForcedReply::json(400, &json!({ "code": 1, "message": "c\0d" })),
    );
    let refused = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&refused).await;
    assert_eq!(shown["failure"]["title"], "c␀d", "{shown}");
    app.finish().await;
}

#[actix_web::test]
async fn an_unknown_word_changes_nothing_and_fails_nothing() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    let wamid = shown["provider_id"].as_str().unwrap();
    post_callbacks(&app, SOBOT, &[status(wamid, "teleported", 1)]).await;
    assert_eq!(app.state(&id).await, "submitted");
    let timeline = app.get_ok(&format!("/api/v1/messages/{id}/timeline")).await;
    assert!(timeline.to_string().contains("teleported"));
    app.finish().await;
}

#[actix_web::test]
async fn garbage_is_quarantined_with_a_copy_of_its_own() {
    let app = start_app().await;
    let garbage = b"\xff\xfe{not json at all".to_vec();
    let url = app.callback_url(KALEYRA);
    let reply = app
        .client
        .post(url)
        .body(garbage.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    app.run_jobs_until_idle().await;
    let callback = &app.callbacks().await[0];
    assert_eq!(callback["outcome"], "quarantined");
    assert_eq!(callback["size"], garbage.len());
    let copies = app
        .database
        .query(if app.database.is_postgres() {
            "SELECT encode(content, 'hex') AS line FROM quarantine"
        } else {
            "SELECT lower(hex(content)) AS line FROM quarantine"
        })
        .await;
    let digits: Vec<String> = garbage.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(copies, [digits.concat()]);
    assert_eq!(raw(&app, callback).await, garbage);
    app.finish().await;
}

/// The body of a listed callback, byte for byte.
async fn raw(app: &App, callback: &Value) -> Vec<u8> {
    let path = format!("/api/v1/callbacks/{}/raw", callback["id"].as_str().unwrap());
    let reply = app.request("GET", &path).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "application/octet-stream");
    assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
    assert!(
        reply.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    reply.bytes().await.unwrap().to_vec()
}

#[actix_web::test]
async fn a_gzipped_body_is_read_and_comes_back_byte_identical() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    let report = status(shown["provider_id"].as_str().unwrap(), "read", 1);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(report.to_string().as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let reply = app
        .client
        .post(app.callback_url(SOBOT))
        .header("content-encoding", "gzip")
        .header("content-type", "application/json")
        .body(packed.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "read");
    assert_eq!(raw(&app, &app.callbacks().await[0]).await, packed);
    app.finish().await;
}

#[actix_web::test]
async fn an_unverified_callback_is_kept_and_not_applied() {
    let app = start_app_with(|_, accounts| {
        accounts[0].callback_auth.header = vec![bluetick::domain::provider_account::HeaderSecret {
            name: "x-shop".to_owned(),
            value: bluetick::domain::secret::Secret::new("right-value-4711"),
        }];
    })
    .await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    let report = status(shown["provider_id"].as_str().unwrap(), "read", 1);
    let post = |value: &str| {
        app.client
            .post(app.callback_url(SOBOT))
            .header("x-shop", value)
            .json(&report)
            .send()
    };
    assert_eq!(post("wrong").await.unwrap().status(), 401);
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(app.callbacks().await[0]["outcome"], "unverified");
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["unverified"], 1);
    assert_eq!(post("right-value-4711").await.unwrap().status(), 200);
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "read");
    app.finish().await;
}

#[actix_web::test]
async fn an_unknown_account_and_a_wrong_token_are_not_found() {
    let app = start_app().await;
    let good = app.callback_url(SOBOT);
    let unknown = good.replace(SOBOT, "unknown");
    let other = good.replace(SOBOT, KALEYRA);
    for url in [unknown, other, format!("{good}x")] {
        let reply = app.client.post(url).json(&json!({})).send().await.unwrap();
        assert_eq!(reply.status(), 404);
    }
    assert!(app.callbacks().await.is_empty());
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["rejected"], 3);
    app.finish().await;
}
