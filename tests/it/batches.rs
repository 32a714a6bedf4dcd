//! Many callbacks applied in one transaction, and the next ones read meanwhile: whatever comes in between, each is applied once and folded as it is stored.

use bluetick::domain::callback_record::{Authenticity, CallbackRecord, JournalPosition, Route};
use bluetick::domain::ids::CallbackId;
use bluetick::receiving::reconcile::ReconcileStep;
use bluetick::simulator::PlannedOutcome;
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::{
    App, LANCEPILOT, SOBOT, ZIXFLOW, message, noon, start_app, start_app_with,
};
use crate::harness::dump::dump;
use crate::rebuilding::verified;

/// More than two full batches.
const BACKLOG: usize = 5_000;

async fn append(app: &App, account: &str, body: &Value) {
    let at = app.now();
    let record = CallbackRecord {
        id: CallbackId::new(at),
        account: account.parse().unwrap(),
        route: Route::Callback,
        method: "POST".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        remote: None,
        received_at: at,
        body: body.to_string().into_bytes(),
        authenticity: Authenticity::Verified,
    };
    let journal = &app.services.journal;
    let room = journal.reserve(record.body.len()).await.unwrap();
    journal.append(record, room).await.unwrap();
}

/// Deliveries of as many messages that were sent elsewhere.
async fn append_backlog(app: &App) {
    let at = noon().timestamp().to_string();
    let bodies: Vec<Value> = (0..BACKLOG)
        .map(|number| json!({ "id": format!("wamid.{number}"), "status": "delivered", "timestamp": at }))
        .collect();
    join_all(bodies.iter().map(|body| append(app, SOBOT, body))).await;
}

/// Applies whatever is left; returns how many callbacks that were.
async fn apply_all(app: &App) -> usize {
    let mut applied = 0;
    loop {
        match app.apply_callbacks().await {
            0 => return applied,
            number => applied += number,
        }
    }
}

async fn assert_all_is_there_once(app: &App) {
    let (checked, found) = verified(app).await;
    assert_eq!(found, Vec::<String>::new());
    assert_eq!((checked.backlog, checked.callbacks), (0, BACKLOG as u64));
    let rows = dump(&app.database).await;
    for table in ["receipts", "provider_ids", "callback_outcomes"] {
        let found = rows.iter().filter(|row| row.starts_with(table)).count();
        assert_eq!(found, BACKLOG, "{table}");
    }
}

#[actix_web::test]
async fn a_backlog_is_applied_once_though_the_lease_is_lost_and_a_rebuild_begins_between_batches() {
    let app = start_app().await;
    append_backlog(&app).await;
    let (reconciler, store) = (&app.services.reconciler, &app.services.store);
    let first = app.apply_callbacks().await;
    assert!(first > 1 && 2 * first < BACKLOG, "the backlog is too small");

    // Another process takes over, and gives back what it held.
    let other = Uuid::from_u128(7);
    let length = TimeDelta::seconds(30);
    app.advance(TimeDelta::seconds(31));
    let taken = store.claim_lease("reconcile", other, app.now(), length);
    assert!(taken.await.unwrap());
    assert_eq!(
        reconciler.step().await.unwrap(),
        ReconcileStep::LeaseHeldElsewhere
    );
    store.release_lease("reconcile", other).await.unwrap();
    let second = app.apply_callbacks().await;
    assert_eq!(first + second + apply_all(&app).await, BACKLOG);
    assert_all_is_there_once(&app).await;

    let before = dump(&app.database).await;
    let journal = &app.services.journal;
    let place = journal.list_positions(0, 1).await.unwrap()[0];
    let oldest = journal.find_start().await.unwrap().unwrap();
    let place = JournalPosition {
        id: oldest.id,
        ..place
    };
    store.begin_rebuild(place, app.now()).await.unwrap();
    let again = app.apply_callbacks().await;
    // It starts again while the next batch is waiting.
    store.begin_rebuild(place, app.now()).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(apply_all(&app).await, BACKLOG);
    assert_all_is_there_once(&app).await;
    crate::rebuilding::assert_same(&before, &dump(&app.database).await);
    app.finish().await;
}

#[actix_web::test]
async fn two_failures_within_a_millisecond_are_folded_in_the_order_of_a_replay() {
    let app = start_app().await;
    // The later one has the smaller text, which decides as soon as both have the same time.
    for (fraction, title) in [("254174911", "(#131026) a"), ("254100000", "(#131026) z")] {
        let body = json!({
            "type": "message.updated",
            "data": { "attributes": {
                "uuid": "l1", "message_status": "failed", "reason": title, "to": "447700900123@c.us",
                "updated_at": format!("2026-11-20T11:59:59.{fraction}Z"),
            } },
        });
        append(&app, LANCEPILOT, &body).await;
    }
    assert_eq!(app.apply_callbacks().await, 2);
    let (checked, found) = verified(&app).await;
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(checked.callbacks, 2);
    app.finish().await;
}

#[actix_web::test]
async fn a_row_that_is_read_and_written_again_keeps_every_character() {
    let app = start_app_with(|settings, _| {
        settings.zixflow.bare_reply_share = 1.0;
        settings.outcome = Some(PlannedOutcome::Failed);
    })
    .await;
    let text = "\"quoted\" \\ back\\\\slash, tab\t, line\nend \u{7f}\u{2028} 🙂 null %s ' -- {}[]";
    for flag in [true, false] {
        let mut body = message(ZIXFLOW, "image");
        body["caption"] = json!(text);
        body["client_reference"] = json!("\\u0000 \"x\"");
        body["options"] = json!({ "source": "API", "linkWithRecord": flag });
        let id = app.send(&body).await;
        app.run_jobs_until_idle().await;
        let before = app.message(&id).await;
        // A report adds ids, which rewrites the whole row.
        app.deliver_simulated().await;
        let after = app.message(&id).await;
        assert_eq!(after["state"], "failed");
        assert_ne!(after["provider_ids"], before["provider_ids"]);
        for field in [
            "caption",
            "client_reference",
            "media",
            "to",
            "name",
            "created_at",
        ] {
            assert_eq!(after[field], before[field], "{field}");
        }
        assert_eq!(after["caption"], text);
        // What is sent again is sent with the same options.
        let (status, _) = app.post(&format!("/api/v1/messages/{id}/resend")).await;
        assert_eq!(status, 200);
        app.run_jobs_until_idle().await;
        let sent = app.received(ZIXFLOW).pop().unwrap().json();
        assert_eq!(sent["linkWithRecord"], flag);
        assert_eq!(sent["source"], "API");
    }
    app.finish().await;
}

#[actix_web::test]
async fn callbacks_read_while_a_command_starts_do_not_look_like_another_backup() {
    let app = start_app().await;
    let (store, journal) = (&app.services.store, &app.services.journal);
    let read = store.position().await.unwrap();
    let found = journal.state().await.unwrap();
    append_backlog(&app).await;
    assert_eq!(apply_all(&app).await, BACKLOG);
    assert!(store.position().await.unwrap() > found.end);
    store.check_journal(read, &found).await.unwrap();
    app.finish().await;
}
