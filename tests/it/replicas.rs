//! Several processes on one database: whichever is killed, every message is sent once, every report is known, and all show the same.
//!
//! `REPLICAS=2,4 REPLICA_SECONDS=60` runs the trial longer; `scripts/replicas` does so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::rt;
use bluetick::app;
use bluetick::domain::delivery_state::DeliveryState;
use bluetick::receiving::reconcile::ReconcileStep;
use bluetick::services::Services;
use chrono::TimeDelta;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::harness::app::{App, LANCEPILOT, SOBOT, message, read, start_app, start_app_with};
use crate::harness::trial::{Killer, Trial};

#[actix_web::test]
async fn replicas_of_which_one_after_the_other_is_killed_send_each_message_once_and_end_in_the_oracles_states()
 {
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        return;
    }
    let seconds = std::env::var("REPLICA_SECONDS").map_or(8, |text| text.parse().unwrap());
    let numbers = std::env::var("REPLICAS").unwrap_or_else(|_| "2".to_owned());
    for replicas in numbers.split(',').map(|text| text.parse().unwrap()) {
        let trial = Trial::prepare(replicas, replicas as u64).await;
        let running = trial.start_all().await;
        let stop = Arc::new(AtomicBool::new(false));
        let killer = Killer {
            seed: replicas as u64,
            pause: 1_000..3_000,
            stop: Arc::clone(&stop),
            max_kills: usize::MAX,
        };
        let fleet = Arc::clone(&trial.fleet);
        let killing = rt::task::spawn_blocking(move || killer.run(&fleet, running));
        let begun = Instant::now();
        let length = Duration::from_secs(seconds);
        let sent = trial.send(20, |_| begun.elapsed() > length).await;
        stop.store(true, Ordering::Relaxed);
        let (running, killed) = killing.await.unwrap();
        trial.settle(running).await;
        let counts = trial.finish(sent).await;
        eprintln!("{replicas} replicas, {killed} killed, {sent} messages: {counts:?}");
        assert!(killed > 0);
    }
}

/// A second process on the same database, with a folder of its own. It does nothing by itself.
async fn another(app: &App) -> Services {
    let mut config = (*app.services.config).clone();
    config.data_dir = app.database.folder().join("another");
    app::open(config, app.clock.clone()).await.unwrap()
}

#[actix_web::test]
async fn a_file_that_one_replica_stored_another_submits() {
    let app = start_app().await;
    if !app.database.is_postgres() {
        // Files beside SQLite belong to its one process.
        return app.finish().await;
    }
    let another = another(&app).await;
    let mut body = message(LANCEPILOT, "image");
    body.as_object_mut().unwrap().remove("media");
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = Part::bytes(bytes.clone())
        .file_name("a.jpg")
        .mime_str("image/jpeg")
        .unwrap();
    let form = Form::new()
        .text("message", body.to_string())
        .part("file", file);
    let request = app.request("POST", "/api/v1/messages").multipart(form);
    let (status, reply) = read(request).await;
    assert_eq!(status, 202, "{reply}");

    let claimed = another.dispatcher.claim_due().await.unwrap();
    assert_eq!(claimed.len(), 1);
    for work in claimed {
        another.dispatcher.submit(work).await;
    }
    let id = reply["id"].as_str().unwrap();
    assert_eq!(app.state(id).await, "submitted");
    let received = app.received(LANCEPILOT).remove(0).body;
    let mut windows = received.windows(bytes.len());
    assert!(windows.any(|window| window == bytes), "not byte for byte");

    another.uploads.sweep_database(app.now()).await.unwrap();
    let kept = "SELECT 'one' AS line FROM uploads";
    assert_eq!(app.database.query(kept).await, Vec::<String>::new());
    for folder in ["uploads", "another/uploads"] {
        let folder = app.database.folder().join(folder);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }
    app::close(another).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_change_by_one_replica_is_published_once_by_the_others() {
    let app = start_app().await;
    let another = another(&app).await;
    let (mut here, mut there) = (app.services.store.changes(), another.store.changes());
    let position = another.store.last_feed_position().await.unwrap();
    let id = app.send_image(SOBOT).await;
    let published = here.try_recv().unwrap();
    assert_eq!(published.message.to_string(), id);
    assert!(there.try_recv().is_err(), "not published yet");

    let position = another
        .store
        .publish_remote_changes(position)
        .await
        .unwrap();
    app.services
        .store
        .publish_remote_changes(position)
        .await
        .unwrap();
    assert!(here.try_recv().is_err(), "it knew");
    if app.database.is_postgres() {
        assert_eq!(there.try_recv().unwrap(), published);
        assert_eq!(published.state, DeliveryState::Queued);
    }
    another
        .store
        .publish_remote_changes(position)
        .await
        .unwrap();
    assert!(there.try_recv().is_err(), "once");
    app::close(another).await;
    app.finish().await;
}

#[actix_web::test]
async fn replicas_share_the_rate_of_an_account() {
    let app = start_app_with(|_, accounts| accounts[0].rate = Some(1.0)).await;
    let another = another(&app).await;
    for _ in 0..4 {
        app.send_image(SOBOT).await;
    }
    for second in 1..=3 {
        for services in [&app.services, &another] {
            for work in services.dispatcher.claim_due().await.unwrap() {
                services.dispatcher.submit(work).await;
            }
        }
        assert_eq!(app.received(SOBOT).len(), second, "after {second} s");
        app.advance(TimeDelta::seconds(1));
    }
    app::close(another).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_paused_account_is_paused_for_every_replica() {
    let app = start_app().await;
    let another = another(&app).await;
    let refusal = json!({ "code": 401, "message": "Invalid key" });
    app.force(SOBOT, bluetick::simulator::ForcedReply::json(401, &refusal));
    app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    app.send_image(SOBOT).await;
    assert!(another.dispatcher.claim_due().await.unwrap().is_empty());
    app.post(&format!("/api/v1/accounts/{SOBOT}/resume")).await;
    assert_eq!(another.dispatcher.claim_due().await.unwrap().len(), 1);
    app::close(another).await;
    app.finish().await;
}

#[actix_web::test]
async fn when_the_reconciling_process_dies_another_takes_over_within_seconds() {
    let app = start_app().await;
    let another = another(&app).await;
    assert_eq!(app.apply_callbacks().await, 0);
    assert_eq!(
        another.reconciler.step().await.unwrap(),
        ReconcileStep::LeaseHeldElsewhere
    );
    let body = json!({ "id": "wamid.A", "status": "sent" });
    app.deliver_callback(SOBOT, &body).await;
    assert!(another.reconciler.is_behind().await.unwrap());
    assert_eq!(
        another.reconciler.step().await.unwrap(),
        ReconcileStep::LeaseHeldElsewhere
    );
    // It is not published again.
    app.advance(TimeDelta::seconds(7));
    assert_eq!(
        another.reconciler.step().await.unwrap(),
        ReconcileStep::Applied {
            callbacks: 1,
            caught_up: true
        }
    );
    assert!(!another.reconciler.is_behind().await.unwrap());
    another.reconciler.release_lease().await.unwrap();
    assert_eq!(app.apply_callbacks().await, 0);
    app::close(another).await;
    app.finish().await;
}
