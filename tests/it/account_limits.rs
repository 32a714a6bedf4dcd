//! Tokens that are limited to accounts see and change nothing of others.

use bluetick::domain::scope::Scope;
use chrono::TimeDelta;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, ZIXFLOW, image_to, read, start_app};
use crate::harness::people::limited_token;

struct Limited<'a> {
    app: &'a App,
    token: String,
}

impl Limited<'_> {
    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.app.client.get(self.app.url(path));
        read(request.bearer_auth(&self.token)).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.app.client.post(self.app.url(path)).json(body);
        read(request.bearer_auth(&self.token)).await
    }

    async fn text(&self, path: &str) -> String {
        let request = self.app.client.get(self.app.url(path));
        let reply = request.bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        reply.text().await.unwrap()
    }
}

/// A message of each account, and what the providers report about them.
async fn fill(app: &App) -> (String, String) {
    let own = app.send(&image_to(KALEYRA, "+447700900001")).await;
    let foreign = app.send(&image_to(SOBOT, "+447700900002")).await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    // Statistics end before the present instant.
    app.advance(TimeDelta::minutes(1));
    (own, foreign)
}

#[actix_web::test]
async fn lists_exports_searches_and_statistics_hold_only_its_accounts() {
    let app = start_app().await;
    let (own, foreign) = fill(&app).await;
    let limited = Limited {
        app: &app,
        token: limited_token(&app, "admin", Some(KALEYRA), None).await,
    };
    let everything = app.get_ok("/api/v1/messages").await.to_string();
    assert!(everything.contains(&own) && everything.contains(&foreign));
    for path in [
        "/api/v1/messages",
        "/api/v1/messages?state=read",
        "/api/v1/messages?account=sobot-main",
        "/api/v1/messages?q=447700900002",
        "/api/v1/messages?to=%2B447700900002",
        "/api/v1/callbacks",
        "/api/v1/callbacks?outcome=receipts",
        "/api/v1/callbacks?account=sobot-main",
        "/api/v1/orphans",
        "/api/v1/campaigns",
        "/api/v1/rejections",
        "/api/v1/stats",
        "/api/v1/stats?account=sobot-main",
        "/api/v1/accounts",
        "/api/v1/reports/messages.csv",
        "/api/v1/reports/messages.ndjson",
        "/api/v1/reports/summary.csv",
        "/api/v1/reports/summary.json",
    ] {
        let shown = limited.text(path).await;
        assert!(!shown.contains(SOBOT), "{path}: {shown}");
        assert!(!shown.contains(&foreign), "{path}: {shown}");
        let is_about_others = path.contains("sobot") || path.contains("900002");
        let may_be_empty = ["orphans", "campaigns", "rejections"];
        if !is_about_others && !may_be_empty.iter().any(|name| path.contains(name)) {
            assert!(shown.contains(KALEYRA), "{path}: {shown}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_token_for_several_accounts_sees_all_of_them() {
    let app = start_app().await;
    let (own, foreign) = fill(&app).await;
    let accounts = format!("{KALEYRA},{ZIXFLOW}");
    let limited = Limited {
        app: &app,
        token: limited_token(&app, "read", Some(&accounts), None).await,
    };
    let third = app.send(&image_to(ZIXFLOW, "+447700900003")).await;
    let shown = limited.text("/api/v1/messages").await;
    assert!(shown.contains(&own) && shown.contains(&third), "{shown}");
    assert!(!shown.contains(&foreign), "{shown}");
    app.finish().await;
}

#[actix_web::test]
async fn a_limited_token_finds_nothing_of_other_accounts() {
    let app = start_app().await;
    let (own, foreign) = fill(&app).await;
    let limited = Limited {
        app: &app,
        token: limited_token(&app, "admin", Some(KALEYRA), None).await,
    };
    let callbacks = app.callbacks().await;
    let callback_of = |account: &str| {
        let mut all = callbacks.iter();
        let found = all.find(|callback| callback["account"] == account);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let unknown = "01a1f8e1-a5a0-7000-8000-000000000000";
    for (path, id, account) in [
        ("messages", &own, KALEYRA),
        ("messages", &foreign, SOBOT),
        ("callbacks", &callback_of(KALEYRA), KALEYRA),
        ("callbacks", &callback_of(SOBOT), SOBOT),
    ] {
        let (status, found) = limited.get(&format!("/api/v1/{path}/{id}")).await;
        if account == KALEYRA {
            assert_eq!((status, &found["id"]), (200, &json!(id)), "{found}");
        } else {
            let (_, nothing) = limited.get(&format!("/api/v1/{path}/{unknown}")).await;
            assert_eq!((status, found), (404, nothing));
        }
    }
    for path in ["timeline", "explain"] {
        let path = format!("/api/v1/messages/{foreign}/{path}");
        assert_eq!(limited.get(&path).await.0, 404, "{path}");
    }
    for path in [
        format!("/api/v1/messages/{foreign}/resend"),
        format!("/api/v1/messages/{foreign}/put-aside"),
        format!("/api/v1/accounts/{SOBOT}/pause"),
        format!("/api/v1/accounts/{SOBOT}/resume"),
    ] {
        assert_eq!(limited.post(&path, &json!({})).await.0, 404, "{path}");
    }
    let raw = format!("/api/v1/callbacks/{}/raw", callback_of(SOBOT));
    assert_eq!(limited.get(&raw).await.0, 404);
    for path in [
        format!("/api/v1/windows/{SOBOT}/447700900002"),
        format!("/api/v1/accounts/{SOBOT}/events"),
    ] {
        assert_eq!(limited.get(&path).await.0, 404, "{path}");
    }
    assert_eq!(app.state(&foreign).await, "read");
    app.finish().await;
}

#[actix_web::test]
async fn a_limited_token_sends_and_changes_nothing_of_other_accounts() {
    let app = start_app().await;
    let foreign = app.send(&image_to(SOBOT, "+447700900002")).await;
    let limited = Limited {
        app: &app,
        token: limited_token(&app, "admin", Some(KALEYRA), None).await,
    };
    let sent = limited
        .post("/api/v1/messages", &image_to(KALEYRA, "+447700900001"))
        .await;
    assert_eq!(sent.0, 202, "{}", sent.1);
    for (path, body) in [
        ("/api/v1/messages", image_to(SOBOT, "+447700900002")),
        (
            "/api/v1/messages/observed",
            json!({ "account": SOBOT, "provider_id": "wamid.X" }),
        ),
        (
            "/api/v1/campaigns",
            json!({
                "account": SOBOT,
                "name": "Sale",
                "kind": "image",
                "media": { "url": "https://media.example.com/a.jpg" },
            }),
        ),
        ("/api/v1/orphans/put-aside", json!({ "account": SOBOT })),
    ] {
        let (status, problem) = limited.post(path, &body).await;
        assert_eq!(status, 422, "{path}: {problem}");
        assert_eq!(problem["errors"][0]["field"], "account", "{path}");
    }
    let all_queued = json!({ "filter": { "state": "queued" } });
    let (status, cancelled) = limited.post("/api/v1/messages/cancel", &all_queued).await;
    assert_eq!(status, 200, "{cancelled}");
    assert_eq!(app.state(&foreign).await, "queued");
    let own = sent.1["id"].as_str().unwrap();
    assert_eq!(app.state(own).await, "cancelled");
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    let everything = json!({ "received_after": "2026-01-01T00:00:00Z", "dry_run": true });
    let (status, replayed) = limited.post("/api/v1/callbacks/replay", &everything).await;
    assert_eq!((status, &replayed["read"]), (200, &json!(0)), "{replayed}");
    app.finish().await;
}

#[actix_web::test]
async fn the_live_stream_of_a_limited_token_skips_other_accounts() {
    let app = start_app().await;
    let token = limited_token(&app, "read", Some(KALEYRA), None).await;
    let request = app.client.get(app.url("/api/v1/live")).bearer_auth(token);
    let mut events = request.send().await.unwrap().bytes_stream();
    app.send(&image_to(SOBOT, "+447700900002")).await;
    let own = app.send(&image_to(KALEYRA, "+447700900001")).await;
    let first = events.next().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(first.contains(&own), "{first}");
    assert!(!first.contains(SOBOT), "{first}");
    app.finish().await;
}

#[actix_web::test]
async fn pages_and_calls_about_all_accounts_refuse_a_limited_token_by_name() {
    let app = start_app().await;
    let limited = Limited {
        app: &app,
        token: limited_token(&app, "admin", Some(KALEYRA), None).await,
    };
    for path in ["/api/v1/problems", "/api/v1/audit"] {
        let (status, problem) = limited.get(path).await;
        assert_eq!(status, 403, "{path}");
        assert_eq!(problem["code"], "account_limited", "{path}");
    }
    for path in ["/", "/messages", "/accounts", "/settings"] {
        assert_eq!(limited.get(path).await.0, 403, "{path}");
    }
    assert_eq!(
        app.request_as(Scope::Read, "GET", "/")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    app.finish().await;
}
