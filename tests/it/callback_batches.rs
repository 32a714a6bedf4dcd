//! Callbacks are applied in batches while the next batch is read: each takes effect once, despite lost leases and rebuilds.

use bluetick::domain::callback_record::{Authenticity, CallbackRecord, JournalPosition, Route};
use bluetick::domain::ids::CallbackId;
use bluetick::receiving::reconcile::ReconcileStep;
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::{App, LANCEPILOT, SOBOT, noon, start_app};
use crate::harness::dump::dump;
use crate::rebuilding::verified;

/// More than two full batches.
pub(crate) const BACKLOG: usize = 5_000;

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
    let permit = journal.reserve(record.body.len()).await.unwrap();
    journal.append(record, permit).await.unwrap();
}

/// `BACKLOG` delivered reports, each for another message sent elsewhere.
pub(crate) async fn append_backlog(app: &App) {
    let at = noon().timestamp().to_string();
    let bodies: Vec<Value> = (0..BACKLOG)
        .map(|number| json!({ "id": format!("wamid.{number}"), "status": "delivered", "timestamp": at }))
        .collect();
    join_all(bodies.iter().map(|body| append(app, SOBOT, body))).await;
}

/// Applies all unprocessed callbacks; returns their number.
pub(crate) async fn apply_all_callbacks(app: &App) -> usize {
    let mut applied = 0;
    loop {
        match app.apply_callbacks().await {
            0 => return applied,
            number => applied += number,
        }
    }
}

async fn assert_each_applied_once(app: &App) {
    let (checked, problems) = verified(app).await;
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!((checked.backlog, checked.callbacks), (0, BACKLOG as u64));
    let rows = dump(&app.database).await;
    for table in ["receipts", "provider_ids", "callback_outcomes"] {
        let count = rows.iter().filter(|row| row.starts_with(table)).count();
        assert_eq!(count, BACKLOG, "{table}");
    }
}

#[actix_web::test]
async fn each_callback_of_a_backlog_is_applied_once_although_the_lease_is_lost_and_a_rebuild_begins()
 {
    let app = start_app().await;
    append_backlog(&app).await;
    let (reconciler, store) = (&app.services.reconciler, &app.services.store);
    let first = app.apply_callbacks().await;
    assert!(first > 1 && 2 * first < BACKLOG, "the backlog is too small");

    // Another process takes the lease and releases it.
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
    assert_eq!(first + second + apply_all_callbacks(&app).await, BACKLOG);
    assert_each_applied_once(&app).await;

    let before = dump(&app.database).await;
    let journal = &app.services.journal;
    let first_position = journal.list_positions(0, 1).await.unwrap()[0];
    let oldest = journal.find_start().await.unwrap().unwrap();
    let start = JournalPosition {
        id: oldest.id,
        ..first_position
    };
    store.begin_rebuild(start, app.now()).await.unwrap();
    let reapplied = app.apply_callbacks().await;
    // The rebuild restarts while the next batch is already read.
    store.begin_rebuild(start, app.now()).await.unwrap();
    assert_eq!(reapplied, first);
    assert_eq!(apply_all_callbacks(&app).await, BACKLOG);
    assert_each_applied_once(&app).await;
    crate::rebuilding::assert_same(&before, &dump(&app.database).await);
    app.finish().await;
}

#[actix_web::test]
async fn equal_milliseconds_give_the_same_failure_as_a_replay() {
    let app = start_app().await;
    // The text decides once both times are cut to milliseconds. The later failure has the smaller one.
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
    let (checked, problems) = verified(&app).await;
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(checked.callbacks, 2);
    app.finish().await;
}
