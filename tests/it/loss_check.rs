//! Every callback and every message is counted, and a loss shows.

use bluetick::cli::verify;
use bluetick::operating::rebuild::rebuild;
use bluetick::reporting::loss_check::{self, LossCheck};
use bluetick::store::store_settings::Verification;
use chrono::TimeDelta;
use serde_json::json;

use crate::customer_service_window::{PHONE, receive_inbound};
use crate::harness::app::{App, SOBOT, noon, start_app};
use crate::rebuilding::verified;
use crate::send_page::load;

async fn find(app: &App) -> LossCheck {
    LossCheck::find(&app.services.store, &app.services.journal)
        .await
        .unwrap()
}

async fn run_check(app: &App) {
    let services = &app.services;
    loss_check::run(&services.store, &services.journal, app.now())
        .await
        .unwrap();
}

/// What the stored outcomes are, counted now.
async fn recount(app: &App) -> Vec<String> {
    let sql = "SELECT outcome || ' ' || CAST(COUNT(*) AS TEXT) AS line FROM callback_outcomes \
               GROUP BY outcome ORDER BY outcome";
    app.database.query(sql).await
}

async fn assert_agree(app: &App) -> LossCheck {
    let check = find(app).await;
    let mut counted: Vec<String> = check
        .outcomes
        .iter()
        .filter(|(_, number)| *number != 0)
        .map(|(outcome, number)| format!("{} {number}", outcome.as_str()))
        .collect();
    counted.sort();
    assert_eq!(counted, recount(app).await);
    assert_eq!(check.difference, Some(0), "{check:?}");
    assert!(check.counts_agree(), "{check:?}");
    check
}

/// One callback of four kinds, and what a message brings.
async fn traffic(app: &App) {
    app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    receive_inbound(app, SOBOT, PHONE, noon()).await;
    for body in [json!({}), json!({ "something": [1, 2] }), json!("x")] {
        app.deliver_callback(SOBOT, &body).await;
    }
    app.apply_callbacks().await;
}

#[actix_web::test]
async fn callbacks_are_the_sum_of_their_outcomes_and_the_unprocessed() {
    let app = start_app().await;
    traffic(&app).await;
    let before = assert_agree(&app).await;
    run_check(&app).await;
    assert_eq!(assert_agree(&app).await.callbacks(), before.callbacks());
    app.deliver_callback(SOBOT, &json!({})).await;
    let waiting = find(&app).await;
    assert_eq!(waiting.unprocessed, 1);
    assert_eq!(waiting.callbacks(), before.callbacks() + 1);
    app.apply_callbacks().await;
    assert_eq!(assert_agree(&app).await.unprocessed, 0);

    let metrics = load(app.request("GET", "/metrics")).await.text;
    for line in [
        "bluetick_books_callbacks{outcome=\"inbound\"} 1",
        "bluetick_books_callbacks{outcome=\"unprocessed\"} 0",
        "bluetick_books_difference{book=\"callbacks\"} 0",
        "bluetick_books_difference{book=\"messages\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_overview_compares_messages_only_once_there_were_some() {
    let app = start_app().await;
    run_check(&app).await;
    app.send_image(SOBOT).await;
    let shown = async || load(app.request("GET", "/")).await.text;
    let compared = "messages of the last 24 hours =";
    let page = shown().await;
    assert!(!page.contains(compared), "{page}");
    run_check(&app).await;
    let page = shown().await;
    assert!(page.contains(compared), "{page}");
    app.stop().await;
}

#[actix_web::test]
async fn the_counts_agree_after_a_replay_a_rebuild_and_a_purge() {
    let app = start_app().await;
    traffic(&app).await;
    run_check(&app).await;
    let (status, replayed) = app
        .post_json("/api/v1/callbacks/replay", &json!({ "account": SOBOT }))
        .await;
    assert_eq!(status, 200, "{replayed}");
    assert_agree(&app).await;
    rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert_agree(&app).await;
    run_check(&app).await;
    assert_agree(&app).await;
    assert_eq!(verified(&app).await.1, Vec::<String>::new());

    // Not counted since: a purge counts before it removes.
    traffic(&app).await;
    app.advance(TimeDelta::days(500));
    app.services.retention.purge(&mut |_| {}).await.unwrap();
    let purged = assert_agree(&app).await;
    assert_eq!(purged.callbacks(), 0, "{purged:?}");
    traffic(&app).await;
    run_check(&app).await;
    assert!(assert_agree(&app).await.callbacks() > 0);
    assert_eq!(verified(&app).await.1, Vec::<String>::new());
    app.stop().await;
}

#[actix_web::test]
async fn a_callback_without_an_outcome_shows_at_once() {
    let app = start_app().await;
    traffic(&app).await;
    app.deliver_callback(SOBOT, &json!({})).await;
    let skip = "UPDATE settings SET value = CAST(CAST(value AS bigint) + 1 AS text) \
                WHERE name = 'reconcile_position'";
    app.database.execute(skip).await;
    run_check(&app).await;
    let check = find(&app).await;
    assert_eq!(check.difference, Some(1), "{check:?}");
    let page = load(app.request("GET", "/")).await.text;
    assert!(
        page.contains("1 callback in the journal without an outcome"),
        "{page}"
    );
    let metrics = load(app.request("GET", "/metrics")).await.text;
    assert!(metrics.contains("bluetick_books_difference{book=\"callbacks\"} 1"));
    app.stop().await;
}

#[actix_web::test]
async fn wrong_counts_show_on_the_overview_and_are_named_by_verify() {
    let app = start_app().await;
    traffic(&app).await;
    run_check(&app).await;
    let page = load(app.request("GET", "/")).await.text;
    assert!(
        page.contains("1 messages of the last 24 hours = 1 in all states"),
        "{page}"
    );
    app.database
        .execute("UPDATE callback_books SET probe = probe + 2")
        .await;
    app.database
        .execute("UPDATE message_counts SET messages = messages + 1 WHERE messages > 0")
        .await;
    run_check(&app).await;
    let check = find(&app).await;
    assert_eq!(check.difference, Some(-2));
    let compared = check.messages.unwrap();
    assert_eq!((compared.messages, compared.counted), (1, 2));
    let (_, found) = verified(&app).await;
    let named = |words: &str| found.iter().any(|line| line.contains(words));
    assert!(
        named("callbacks with the outcome probe: 3 are counted, and there are 1"),
        "{found:?}"
    );
    app.stop().await;
}

#[actix_web::test]
async fn the_overview_says_when_everything_was_last_verified() {
    let app = start_app().await;
    traffic(&app).await;
    let page = load(app.request("GET", "/")).await.text;
    assert!(page.contains("has not been run"), "{page}");
    let services = &app.services;
    let mut printed = Vec::new();
    verify::run(&services.store, &services.journal, app.now(), &mut printed)
        .await
        .unwrap();
    let done = services.store.find_verification().await.unwrap();
    let expected = Verification {
        at: app.now(),
        discrepancies: 0,
    };
    assert_eq!(done, Some(expected));
    let page = load(app.request("GET", "/")).await.text;
    assert!(page.contains("no discrepancies"), "{page}");
    let metrics = load(app.request("GET", "/metrics")).await.text;
    let line = format!(
        "bluetick_verified_timestamp_seconds {}",
        app.now().timestamp()
    );
    assert!(metrics.contains(&line), "{metrics}");
    app.finish().await;
}
