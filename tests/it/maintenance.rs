//! Background work continues: one bad row, a late callback or a lock held elsewhere affects nothing else.

use bluetick::domain::delivery_state::DeliveryState;
use bluetick::simulator::ForcedReply;
use chrono::{DateTime, TimeDelta};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, ZIXFLOW, noon, start_app};
use crate::harness::database::TestDatabase;

fn status(id: &str) -> Value {
    json!({ "id": id, "status": "read", "timestamp": noon().timestamp().to_string() })
}

/// How the database writes an id in a statement.
fn literal(app: &App, id: &Value) -> String {
    let hex = id.as_str().unwrap().replace('-', "");
    if app.database.is_postgres() {
        format!("'{hex}'")
    } else {
        format!("x'{hex}'")
    }
}

async fn account(app: &App, id: &str) -> Value {
    let accounts = app.get_ok("/api/v1/accounts").await;
    let mut accounts = accounts["data"].as_array().unwrap().iter();
    accounts
        .find(|account| account["id"] == id)
        .unwrap()
        .clone()
}

/// An account that its provider refused.
async fn pause(app: &App) {
    app.force(SOBOT, ForcedReply::json(401, &json!({ "code": "401" })));
    app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    assert_eq!(account(app, SOBOT).await["health"], "paused");
}

#[actix_web::test]
async fn a_row_that_cannot_be_read_keeps_no_other_message_from_expiring() {
    let app = start_app().await;
    pause(&app).await;
    let unreadable = app.send_image(SOBOT).await;
    app.advance(TimeDelta::seconds(1));
    let sound = app.send_image(SOBOT).await;
    let id = literal(&app, &json!(unreadable));
    let set_matched_by =
        |word: &str| format!("UPDATE messages SET matched_by = {word} WHERE id = {id}");
    app.database.execute(&set_matched_by("'magic'")).await;
    let (status, _) = app.get(&format!("/api/v1/messages/{unreadable}")).await;
    assert_eq!(status, 500, "an unknown word is not taken for another");
    app.advance(TimeDelta::hours(2));
    app.services.dispatcher.sweep().await.unwrap();
    assert_eq!(app.state(&sound).await, "failed");
    app.database.execute(&set_matched_by("NULL")).await;
    assert_eq!(app.state(&unreadable).await, "queued");
    app.finish().await;
}

#[actix_web::test]
async fn a_row_that_cannot_be_read_keeps_no_other_report_from_being_adopted() {
    let app = start_app().await;
    for id in ["wamid.first", "wamid.second", "wamid.third"] {
        app.deliver_callback(KALEYRA, &status(id)).await;
    }
    app.run_jobs_until_idle().await;
    let orphans = app.orphans().await;
    assert_eq!(orphans.len(), 3);
    let id = literal(&app, &orphans[1]["id"]);
    app.database
        .execute(&format!(
            "UPDATE messages SET provider = 'pigeon' WHERE id = {id}"
        ))
        .await;
    app.advance(TimeDelta::minutes(11));
    assert_eq!(app.services.reconciler.adopt().await.unwrap(), 2);
    let observed = app.get_ok("/api/v1/messages?origin=observed").await;
    assert_eq!(observed["data"].as_array().unwrap().len(), 2);
    app.finish().await;
}

#[actix_web::test]
async fn a_callback_that_is_read_late_takes_no_time_back() {
    let app = start_app().await;
    app.deliver_callback(SOBOT, &status("wamid.late")).await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::minutes(-20));
    for account in [SOBOT, ZIXFLOW] {
        app.deliver_callback(account, &status("wamid.late")).await;
    }
    app.run_jobs_until_idle().await;
    for (id, expected) in [(SOBOT, noon()), (ZIXFLOW, noon() - TimeDelta::minutes(20))] {
        let shown = account(&app, id).await;
        let received_at: DateTime<chrono::Utc> =
            shown["last_callback_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(received_at, expected, "{id}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn nothing_is_sent_again_or_resumed_without_its_line_in_the_audit() {
    let app = start_app().await;
    app.force(SOBOT, ForcedReply::json(401, &json!({ "code": "401" })));
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, DeliveryState::Failed.as_str());
    let hide = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
    app.database.execute(&hide("actions", "hidden")).await;
    let resend = format!("/api/v1/messages/{id}/resend");
    let resume = format!("/api/v1/accounts/{SOBOT}/resume");
    for path in [&resend, &resume] {
        let (status, body) = app.post(path).await;
        assert_eq!(status, 500, "{path}: {body}");
    }
    app.database.execute(&hide("hidden", "actions")).await;
    let all = app.get_ok("/api/v1/messages").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    assert_eq!(account(&app, SOBOT).await["health"], "paused");
    for path in [&resend, &resume] {
        let (status, body) = app.post(path).await;
        assert!((200..300).contains(&status), "{path}: {status} {body}");
    }
    let verbs = app
        .database
        .query("SELECT verb AS line FROM actions WHERE account = 'sobot-main' ORDER BY verb")
        .await;
    assert_eq!(verbs, ["resend", "resume-account"]);
    app.finish().await;
}

#[actix_web::test]
async fn writers_that_wait_for_a_lock_time_out_and_block_no_reader() {
    let database = TestDatabase::new().await;
    let pools = database.journal().await;
    let lock = database.hold_journal().await;
    let writers = join_all((0..4).map(|_| pools.begin()));
    let readers = async {
        for _ in 0..20 {
            let reading = bluetick::journal::Journal::open(pools.clone());
            reading.await.unwrap().stop().await;
        }
    };
    let (refused, ()) = tokio::join!(writers, readers);
    for refusal in refused {
        let error = refusal.unwrap_err();
        assert!(error.is_busy() && error.is_transient(), "{error}");
    }
    lock.release().await;
    pools.begin().await.unwrap().rollback().await.unwrap();
}
