//! Callers without a valid token, and with a leaked one: what they get, what remains of it, and how an operator clears up.

use bluetick::cli::dismiss_orphans::{self, DismissOrphansArguments};
use bluetick::domain::scope::Scope;
use chrono::TimeDelta;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, start_app};

/// What no list may show of a request.
const SECRET: &str = "447700900123";

async fn text_of(app: &App, path: &str) -> String {
    let reply = app.request("GET", path).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    reply.text().await.unwrap()
}

async fn rejections(app: &App) -> Vec<Value> {
    let list = app.get_ok("/api/v1/rejections").await;
    list["data"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn refused_requests_are_listed_by_cause_without_what_the_caller_chose() {
    let app = start_app().await;
    let valid = app.callback_url(SOBOT);
    for (path, status) in [
        (format!("/callbacks/{SECRET}/{SECRET}"), 404),
        (format!("/callbacks/{SOBOT}/{SECRET}?q={SECRET}"), 404),
        (format!("/reports/{SECRET}"), 401),
    ] {
        let reply = app.client.post(app.url(&path)).send().await.unwrap();
        assert_eq!(reply.status(), status, "{path}");
    }
    let handshake = "hub.mode=subscribe&hub.challenge=1&hub.verify_token=447700900123";
    let reply = app.client.get(format!("{valid}?{handshake}")).send().await;
    assert_eq!(reply.unwrap().status(), 403);
    let large = app.client.post(&valid).body("x".repeat(3 << 20 | 1));
    assert_eq!(large.send().await.unwrap().status(), 413);

    let listed: Vec<(String, Value, String)> = rejections(&app)
        .await
        .iter()
        .map(|rejection| {
            assert_eq!(rejection["address"], "127.0.0.1");
            assert_eq!(rejection["at"], "2026-11-20T12:00:00.000Z");
            let text = |field: &str| rejection[field].as_str().unwrap().to_owned();
            (text("cause"), rejection["account"].clone(), text("path"))
        })
        .collect();
    let expected = [
        ("too_large", json!(SOBOT), "/callbacks/sobot-main/…"),
        (
            "wrong_verify_token",
            json!(SOBOT),
            "/callbacks/sobot-main/…",
        ),
        ("wrong_report_token", Value::Null, "/reports/…"),
        ("wrong_token", json!(SOBOT), "/callbacks/sobot-main/…"),
        ("unknown_account", Value::Null, "/callbacks/…/…"),
    ];
    let expected = expected.map(|(cause, account, path)| (cause.into(), account, path.into()));
    assert_eq!(listed, expected);

    let metrics = text_of(&app, "/metrics").await;
    assert!(metrics.contains("bluetick_rejections_total{cause=\"wrong_token\"} 1"));
    assert!(metrics.contains("bluetick_rejections_total{cause=\"too_slow\"} 0"));
    let page = text_of(&app, "/callbacks").await;
    assert!(page.contains("Rejected requests") && page.contains("Wrong verify token"));
    assert!(!page.contains(SECRET), "{page}");
    // The list is for those who may read, and it ends.
    let reply = app.client.get(app.url("/api/v1/rejections")).send().await;
    assert_eq!(reply.unwrap().status(), 401);
    app.finish().await;
}

#[actix_web::test]
async fn every_reply_to_a_caller_without_a_token_is_short() {
    let app = start_app().await;
    let long = "%22%00é".repeat(700);
    for (method, path) in [
        ("POST", "/callbacks/unknown/nothing".to_owned()),
        ("POST", format!("/callbacks/{SOBOT}/{long}")),
        ("POST", format!("/reports/{long}")),
        ("GET", format!("/api/v1/messages?{long}=1")),
        ("POST", "/api/v1/messages".to_owned()),
        ("GET", format!("/api/v1/{long}")),
        ("DELETE", "/api/v1/messages".to_owned()),
        ("GET", format!("/{long}")),
        ("GET", format!("/messages?{long}")),
        ("DELETE", "/messages".to_owned()),
        ("GET", format!("/login?next=/{long}&token={long}")),
        ("POST", "/login".to_owned()),
        ("POST", "/logout".to_owned()),
        ("GET", "/healthz".to_owned()),
        ("GET", "/readyz".to_owned()),
        ("GET", format!("/static/{long}")),
    ] {
        for accept in ["application/json", "text/html"] {
            let request = app.client.request(method.parse().unwrap(), app.url(&path));
            let reply = request
                .header(ACCEPT, accept)
                .header(CONTENT_TYPE, "application/json")
                .body(if method == "POST" {
                    "{\"x\":[1,2]}"
                } else {
                    ""
                })
                .send()
                .await
                .unwrap();
            let head: usize = reply
                .headers()
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len() + 4)
                .sum();
            let status = reply.status();
            let body = reply.bytes().await.unwrap().len();
            let path: String = path.chars().take(40).collect();
            assert!(
                head + body < 4_096,
                "{method} {path}: {status}, {head} + {body}"
            );
        }
    }
    app.finish().await;
}

/// Three orphans of one account, an hour apart, and one of another.
async fn with_orphans() -> App {
    let app = start_app().await;
    let report = |id: &str| json!({ "id": id, "status": "delivered" });
    app.deliver_callback(KALEYRA, &report("wamid.other")).await;
    for number in 0..3 {
        let id = format!("wamid.flood{number}");
        app.deliver_callback(SOBOT, &report(&id)).await;
        app.apply_callbacks().await;
        app.advance(TimeDelta::minutes(20));
    }
    app
}

async fn open_orphans(app: &App) -> u64 {
    app.get_ok("/api/v1/problems").await["orphans"]
        .as_u64()
        .unwrap()
}

#[actix_web::test]
async fn the_orphans_of_an_account_and_time_are_counted_and_dismissed_together() {
    let app = with_orphans().await;
    assert_eq!(open_orphans(&app).await, 4);
    let path = "/api/v1/orphans/put-aside";
    let mut request = json!({
        "account": SOBOT,
        "received_after": "2026-11-20T12:10:00Z",
        "received_before": "2026-11-20T12:40:00Z",
        "dry_run": true,
    });
    let reply = app.post_json(path, &request).await;
    assert_eq!(reply, (200, json!({ "dry_run": true, "orphans": 1 })));
    assert_eq!(open_orphans(&app).await, 4);
    request["dry_run"] = json!(false);
    let reply = app.post_json(path, &request).await;
    assert_eq!(reply, (200, json!({ "dry_run": false, "orphans": 1 })));
    assert_eq!(open_orphans(&app).await, 3);
    // Again: there is nothing left to dismiss.
    assert_eq!(app.post_json(path, &request).await.1["orphans"], 0);
    let all = json!({ "account": SOBOT });
    assert_eq!(app.post_json(path, &all).await.1["orphans"], 2);
    assert_eq!(open_orphans(&app).await, 1);
    let sql = "SELECT detail AS line FROM actions WHERE detail LIKE '%received%' ORDER BY detail";
    let expected = [
        "1 orphan received from 2026-11-20T12:10:00Z until 2026-11-20T12:40:00Z",
        "2 orphans received",
    ];
    assert_eq!(app.database.query(sql).await, expected);

    // They are never adopted, and a new report lists one again.
    app.advance(TimeDelta::days(1));
    app.run_jobs_until_idle().await;
    let adopted = "SELECT account AS line FROM messages WHERE origin = 'observed'";
    assert_eq!(app.database.query(adopted).await, [KALEYRA]);
    let again = json!({ "id": "wamid.flood1", "status": "read" });
    app.deliver_callback(SOBOT, &again).await;
    app.apply_callbacks().await;
    assert_eq!(open_orphans(&app).await, 1);

    for (bad, field) in [
        (json!({ "account": "Not An Account!" }), "account"),
        (
            json!({ "account": SOBOT, "received_after": "noon" }),
            "received_after",
        ),
    ] {
        let (status, reply) = app.post_json(path, &bad).await;
        assert_eq!((status, &reply["errors"][0]["field"]), (422, &json!(field)));
    }
    let request = app.request_as(Scope::Read, "POST", path).json(&all);
    assert_eq!(request.send().await.unwrap().status(), 403);
    app.finish().await;
}

#[actix_web::test]
async fn orphans_are_dismissed_on_the_command_line_and_on_a_page() {
    let app = with_orphans().await;
    let run = async |dry_run| {
        let arguments = DismissOrphansArguments {
            account: SOBOT.parse().unwrap(),
            received_after: None,
            received_before: Some("2026-11-20T12:10:00Z".parse().unwrap()),
            dry_run,
        };
        let mut out = Vec::new();
        let store = &app.services.store;
        dismiss_orphans::run(arguments, store, app.now(), &mut out)
            .await
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(run(true).await, "1 orphan would be dismissed\n");
    assert_eq!(open_orphans(&app).await, 4);
    assert_eq!(
        run(false).await,
        "dismissing 1 orphan\ndismissed 1 orphan\n"
    );
    assert_eq!(open_orphans(&app).await, 3);

    assert!(
        text_of(&app, "/problems")
            .await
            .contains("Dismiss many at once…")
    );
    let form = text_of(&app, "/orphans/put-aside").await;
    assert!(!form.contains("unmatched reports</h2>"), "{form}");
    let query = "account=sobot-main&received_after=2026-11-20T12:00&received_before=";
    let preview = text_of(&app, &format!("/orphans/put-aside?{query}")).await;
    assert!(preview.contains("Dismiss 2 unmatched reports"), "{preview}");
    assert_eq!(open_orphans(&app).await, 3);
    let fields = [
        ("account", SOBOT),
        ("received_after", "2026-11-20T12:00:00.000Z"),
        ("received_before", "2026-11-20T13:00:00.000Z"),
    ];
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let post = app.request("POST", "/orphans/put-aside").body(form);
    assert!(post.send().await.unwrap().status().is_success());
    assert_eq!(open_orphans(&app).await, 1);
    app.finish().await;
}
