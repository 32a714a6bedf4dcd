//! Many reports at once: however they crowd in, one state comes out, and it is the same as if they had queued up.

use std::cell::Cell;
use std::collections::BTreeSet;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::harness::app::{App, SOBOT, noon, start_app};

const POSTS: usize = 64;

/// The events of 64 reports in turn: read, and one device failed.
const WORDS: [&str; 6] = [
    "sent",
    "delivered",
    "read",
    "failed",
    "teleported",
    "delivered",
];

fn report(id: &str, number: usize) -> Value {
    let word = WORDS[number % WORDS.len()];
    let at = noon().timestamp() + i64::try_from(number % 7).unwrap();
    let mut status = json!({ "id": id, "status": word, "timestamp": at.to_string() });
    if word == "failed" {
        status["errors"] = json!([{ "code": 131_026, "title": "Message undeliverable" }]);
    }
    status
}

/// Posts all reports at the same time while the journal is read.
async fn crowd(app: &App, id: &str) {
    let done = Cell::new(false);
    let posts = async {
        let posts = (0..POSTS).map(|number| {
            let report = report(id, number);
            async move { app.deliver_callback(SOBOT, &report).await }
        });
        join_all(posts).await;
        done.set(true);
    };
    let read = async {
        while !done.get() {
            app.apply_callbacks().await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(posts, read);
    app.run_jobs_until_idle().await;
}

/// What is stored of all messages but their ids and when they were touched.
async fn rows(app: &App) -> Vec<String> {
    let at = |column: &str| format!("COALESCE(CAST({column} AS TEXT), '-')");
    let times = ["submitted_at", "sent_at", "delivered_at", "read_at"].map(at);
    let more = ["played_at", "failed_at", "due_at", "created_at"].map(at);
    let texts = [
        "failure_code",
        "failure_title",
        "failure_detail",
        "failure_class",
        "pricing_category",
        "price",
        "recipient",
    ]
    .map(at);
    let columns = [&times[..], &more, &texts].concat().join(" || '|' || ");
    let sql = format!(
        "SELECT COALESCE(provider_id, '') || '|' || origin || '|' || state || '|' \
         || CASE WHEN conflict THEN 'conflict' ELSE '' END || '|' || {columns} AS line FROM messages ORDER BY provider_id"
    );
    app.database.query(&sql).await
}

/// One line per message: how many receipts it has, and how many differ in what they say.
async fn receipts(app: &App) -> Vec<String> {
    let sql = "SELECT CAST(COUNT(*) AS TEXT) || ' of ' \
         || CAST(COUNT(DISTINCT r.fact || COALESCE(r.stage, r.code, r.word) || CAST(r.occurred_at AS TEXT)) AS TEXT) AS line \
         FROM receipts r WHERE r.source_kind = 'callback' GROUP BY r.message";
    app.database.query(sql).await
}

#[actix_web::test]
async fn sixty_four_concurrent_posts_for_one_id_end_in_the_one_right_state() {
    let app = start_app().await;
    let image = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let id = app.message(&image).await["provider_id"].clone();
    crowd(&app, id.as_str().unwrap()).await;

    let shown = app.message(&image).await;
    assert_eq!(
        (&shown["state"], &shown["conflict"]),
        (&json!("read"), &json!(true))
    );
    assert_eq!(shown["failure"]["code"], "131026");
    let counts = ["sent", "delivered", "read"].map(|stage| shown["stages"][stage]["count"].clone());
    assert_eq!(counts, [json!(11), json!(21), json!(11)]);
    assert_eq!(receipts(&app).await, ["64 of 35"]);
    let callbacks = app.get_ok("/api/v1/callbacks?limit=100").await;
    assert_eq!(callbacks["data"].as_array().unwrap().len(), POSTS);
    assert!(app.orphans().await.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn sixty_four_concurrent_posts_for_an_unknown_id_make_one_message() {
    let app = start_app().await;
    crowd(&app, "wamid.UNKNOWN").await;
    let orphans = app.orphans().await;
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0]["stage"], "read");
    assert_eq!(receipts(&app).await, ["64 of 35"]);
    app.finish().await;
}

/// One random report; Meta's form, so that several can stand in one callback.
fn random_status(rng: &mut StdRng, id: &str) -> Value {
    let word = *["sent", "delivered", "read", "played", "failed", "held"]
        .get(rng.random_range(0..6))
        .unwrap();
    let mut status = json!({ "id": id, "status": word });
    if rng.random_bool(0.7) {
        let at = noon().timestamp() + rng.random_range(-3..3);
        status["timestamp"] = json!(at.to_string());
    }
    if word == "failed" && rng.random_bool(0.8) {
        let code = [131_026, 131_053][rng.random_range(0..2)];
        let title = ["gone", "lost"][rng.random_range(0..2)];
        status["errors"] = json!([{ "code": code, "title": title }]);
    }
    if rng.random_bool(0.4) {
        let category = ["marketing", "utility"][rng.random_range(0..2)];
        status["pricing"] = json!({ "billable": rng.random_bool(0.5), "category": category });
    }
    status
}

fn callback(statuses: &[Value]) -> Value {
    json!([{ "field": "messages", "value": { "messaging_product": "whatsapp", "statuses": statuses } }])
}

/// Posts each story one report a callback, in order, and reads after each.
async fn post_in_order(histories: &[Vec<Value>]) -> Vec<String> {
    let app = start_app().await;
    for status in histories.iter().flatten() {
        app.deliver_callback(SOBOT, &callback(std::slice::from_ref(status)))
            .await;
        app.apply_callbacks().await;
    }
    let rows = rows(&app).await;
    app.finish().await;
    rows
}

/// Posts the reports of all histories shuffled together, some of them again, some together; reads now and then.
async fn post_in_disorder(histories: &[Vec<Value>], rng: &mut StdRng) -> Vec<String> {
    let app = start_app().await;
    let mut posted: Vec<Value> = histories.iter().flatten().cloned().collect();
    for _ in 0..posted.len() / 2 {
        let again = posted[rng.random_range(0..posted.len())].clone();
        posted.push(again);
    }
    posted.shuffle(rng);
    let mut rest = posted.as_slice();
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(rng.random_range(1..=5).min(rest.len()));
        app.deliver_callback(SOBOT, &callback(batch)).await;
        if rng.random_bool(0.3) {
            app.apply_callbacks().await;
        }
        rest = later;
    }
    while app.apply_callbacks().await > 0 {}
    let rows = rows(&app).await;
    app.finish().await;
    rows
}

#[actix_web::test]
async fn order_batching_and_repetition_of_callbacks_leave_the_same_rows() {
    let mut rng = StdRng::seed_from_u64(64);
    let histories: Vec<Vec<Value>> = (0..60)
        .map(|number| {
            let id = format!("wamid.STORY{number:02}");
            let length = rng.random_range(1..7);
            (0..length).map(|_| random_status(&mut rng, &id)).collect()
        })
        .collect();
    let in_order = post_in_order(&histories).await;
    assert_eq!(in_order.len(), histories.len());
    let states: BTreeSet<&str> = in_order
        .iter()
        .filter_map(|row| row.split('|').nth(2))
        .collect();
    assert!(
        states.len() >= 5,
        "the histories end differently: {states:?}"
    );
    for _ in 0..3 {
        assert_eq!(in_order, post_in_disorder(&histories, &mut rng).await);
    }
}
