//! Messages of many callers are stored with one commit, and every caller gets its own result.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::customer_service_window::receive_inbound;
use crate::harness::app::{App, KALEYRA, SOBOT, ZIXFLOW, image_to, message, noon, read, start_app};

/// A message whose row the database rejects, see [`reject_poison`].
fn poison() -> Value {
    let mut body = message(SOBOT, "image");
    body["client_reference"] = json!("poison");
    body
}

async fn reject_poison(app: &App) {
    let sql = if app.database.is_postgres() {
        "ALTER TABLE messages ADD CONSTRAINT no_poison CHECK (client_reference <> 'poison')"
    } else {
        "CREATE TRIGGER no_poison BEFORE INSERT ON messages \
         WHEN NEW.client_reference = 'poison' BEGIN SELECT RAISE(ABORT, 'poison'); END"
    };
    app.database.execute(sql).await;
}

async fn post(app: &App, key: Option<&str>, body: &Value) -> (u16, Value) {
    let request = app.request("POST", "/api/v1/messages").json(body);
    let request = match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    };
    read(request).await
}

/// Later requests are answered when earlier ones have long been read.
async fn let_requests_arrive(app: &App) {
    for _ in 0..50 {
        let reply = app.client.get(app.url("/healthz")).send().await.unwrap();
        assert_eq!(reply.status(), 200);
    }
}

async fn stored(app: &App) -> Vec<Value> {
    let list = app.get_ok("/api/v1/messages?limit=500").await;
    list["data"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn a_message_that_cannot_be_stored_fails_alone() {
    let app = start_app().await;
    reject_poison(&app).await;
    // What is posted while the database is locked is stored together afterwards.
    let lock = app.database.hold_main().await;
    let good = message(SOBOT, "image");
    let bad = poison();
    let posts = (0..40).map(|number| {
        let body = if number % 7 == 3 { &bad } else { &good };
        post(&app, None, body)
    });
    let release = async {
        let_requests_arrive(&app).await;
        lock.release().await;
    };
    let (replies, ()) = futures_util::join!(join_all(posts), release);
    let statuses: Vec<u16> = replies.iter().map(|(status, _)| *status).collect();
    for (number, status) in statuses.iter().enumerate() {
        let expected = if number % 7 == 3 { 500 } else { 202 };
        assert_eq!(*status, expected, "{number}: {statuses:?}");
    }
    let ids: BTreeSet<&str> = replies
        .iter()
        .filter_map(|(_, reply)| reply["id"].as_str())
        .collect();
    let rows = stored(&app).await;
    let found: BTreeSet<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(found, ids);
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), ids.len());
    app.finish().await;
}

#[actix_web::test]
async fn one_key_in_one_group_makes_one_message() {
    let app = start_app().await;
    let lock = app.database.hold_main().await;
    let body = image_to(KALEYRA, "+447700900123");
    let other = image_to(KALEYRA, "+447700900124");
    let elsewhere = image_to(SOBOT, "+447700900123");
    let same = join_all((0..20).map(|_| post(&app, Some("k"), &body)));
    let others = join_all((0..5).map(|_| post(&app, Some("k"), &other)));
    // Keys are per account.
    let accounts = join_all((0..5).map(|_| post(&app, Some("k"), &elsewhere)));
    let release = async {
        let_requests_arrive(&app).await;
        lock.release().await;
    };
    let (same, others, accounts, ()) = futures_util::join!(same, others, accounts, release);
    let mut ids = BTreeSet::new();
    // Whichever body came first has the key.
    let (first, second) = if same[0].0 == 202 {
        (&same, &others)
    } else {
        (&others, &same)
    };
    for (status, reply) in first {
        assert_eq!(*status, 202, "{reply}");
        ids.insert(reply["id"].as_str().unwrap());
    }
    assert_eq!(ids.len(), 1);
    for (status, reply) in second {
        assert_eq!(
            (*status, &reply["code"]),
            (409, &json!("idempotency_key_reused"))
        );
    }
    for (status, reply) in &accounts {
        assert_eq!((*status, &reply["id"]), (202, &accounts[0].1["id"]));
    }
    assert_eq!(stored(&app).await.len(), 2);
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(KALEYRA).len(), 1);
    assert_eq!(app.received(SOBOT).len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn a_caller_that_leaves_does_not_fail_the_others() {
    let app = start_app().await;
    let lock = app.database.hold_main().await;
    let body = message(SOBOT, "image");
    let leaving = join_all((0..10).map(async |_| {
        let request = app.request("POST", "/api/v1/messages").json(&body);
        let gone = request.timeout(Duration::from_millis(150)).send().await;
        assert!(gone.is_err());
    }));
    let staying = join_all((0..10).map(|_| post(&app, None, &body)));
    let leave = async {
        leaving.await;
        lock.release().await;
    };
    let (staying, ()) = futures_util::join!(staying, leave);
    for (status, reply) in &staying {
        assert_eq!(*status, 202, "{reply}");
    }
    let count = stored(&app).await.len();
    assert!((10..=20).contains(&count), "{count}");
    app.run_jobs_until_idle().await;
    app.finish().await;
}

#[actix_web::test]
async fn messages_that_are_accepted_together_get_their_own_warnings() {
    let app = start_app().await;
    let recent = noon() - TimeDelta::minutes(3);
    let old = noon() - TimeDelta::hours(30);
    for (customer, wrote) in [("447700900001", recent), ("447700900002", old)] {
        receive_inbound(&app, SOBOT, customer, wrote).await;
    }
    let pause = format!("/api/v1/accounts/{ZIXFLOW}/pause");
    let reason = json!({ "reason": "stock-taking" });
    assert_eq!(app.post_json(&pause, &reason).await.0, 204);
    let expected = [
        (SOBOT, "+447700900001", vec![]),
        (SOBOT, "+447700900002", vec!["window_closed"]),
        (SOBOT, "+447700900003", vec!["window_closed"]),
        // None of its customers has written.
        (KALEYRA, "+447700900002", vec![]),
        (ZIXFLOW, "+447700900001", vec!["account_paused"]),
    ];
    let posts = expected.iter().cycle().take(60);
    let replies = join_all(posts.map(async |(account, to, codes)| {
        let (status, reply) = post(&app, None, &image_to(account, to)).await;
        assert_eq!(status, 202, "{reply}");
        let warnings = reply["warnings"].as_array().unwrap().iter();
        let found: Vec<String> = warnings
            .map(|warning| warning["code"].as_str().unwrap().to_owned())
            .collect();
        (found == *codes)
            .then_some(())
            .ok_or((*account, *to, reply))
    }));
    let wrong: Vec<_> = replies.await.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    app.finish().await;
}
