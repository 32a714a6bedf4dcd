//! Retention: what is past it is purged. Unprocessed callbacks stay, and so do counts.

use bluetick::cli::purge::{PurgeArguments, run};
use bluetick::domain::ids::{CallbackId, MessageId};
use bluetick::operating::rebuild::rebuild;
use bluetick::operating::retention::PurgeReport;
use bluetick::store::purge_messages::RowCounts;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::{App, KALEYRA, SOBOT, ZIXFLOW, message, noon, start_app, start_app_with};
use crate::harness::dump::dump;
use crate::rebuilding::{assert_same, live, start_chaos, verified};

/// One day past `retention.callbacks` and `retention.messages` as they are by default, and one for PostgreSQL, whose days go whole.
pub(super) const CALLBACKS_GONE: TimeDelta = TimeDelta::days(92);
pub(super) const MESSAGES_GONE: TimeDelta = TimeDelta::days(402);

pub(super) async fn purge(app: &App) -> PurgeReport {
    app.services.retention.purge(&mut |_| {}).await.unwrap()
}

pub(super) async fn count_expired(app: &App) -> RowCounts {
    let purged = app
        .services
        .retention
        .count_expired(&mut |_| {})
        .await
        .unwrap();
    purged.rows
}

/// The rows of each of these tables.
async fn count(app: &App, table: &str) -> u64 {
    let sql = format!("SELECT CAST(COUNT(*) AS TEXT) AS line FROM {table}");
    app.database.query(&sql).await[0].parse().unwrap()
}

pub(super) async fn journalled(app: &App) -> usize {
    let journal = &app.services.journal;
    journal.list_positions(0, 100_000).await.unwrap().len()
}

pub(super) async fn nothing_disagrees(app: &App) {
    let (_, found) = verified(app).await;
    assert_eq!(found, Vec::<String>::new());
}

/// How many callbacks wait in quarantine.
async fn problems(app: &App) -> Value {
    app.get_ok("/api/v1/problems").await["quarantine"].clone()
}

fn counts(lines: &[String]) -> Vec<&String> {
    let is_count = |line: &&String| line.contains("_counts ");
    lines.iter().filter(is_count).collect()
}

#[actix_web::test]
async fn a_purge_removes_raw_callbacks_and_keeps_their_receipts() {
    let app = start_chaos(1).await;
    live(&app).await;
    let before = dump(&app.database).await;
    let listed = app.get_ok("/api/v1/callbacks?outcome=receipts").await;
    let callback = listed["data"][0]["id"].as_str().unwrap().to_owned();
    let number = journalled(&app).await;
    app.advance(CALLBACKS_GONE);

    let purged = purge(&app).await;
    assert_eq!(purged.rows["journal"], number as u64);
    assert_eq!(journalled(&app).await, 0);
    let after = dump(&app.database).await;
    let kept = |lines: &[String]| -> Vec<String> {
        let is_outcome = |line: &&String| line.starts_with("callback_outcomes");
        lines
            .iter()
            .filter(|line| !is_outcome(line))
            .cloned()
            .collect()
    };
    assert_same(&kept(&before), &kept(&after));
    nothing_disagrees(&app).await;
    rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert_same(&after, &dump(&app.database).await);

    for path in ["", "/raw"] {
        let (status, body) = app
            .get(&format!("/api/v1/callbacks/{callback}{path}"))
            .await;
        assert_eq!((status, &body["code"]), (410, &json!("no_longer_kept")));
        let words = "raw callbacks are kept for 90 days; this one is no longer kept";
        assert_eq!(body["detail"], words);
    }
    let unknown = format!("/api/v1/callbacks/{}", CallbackId::new(app.now()));
    assert_eq!(app.get(&unknown).await.0, 404);
    app.finish().await;
}

#[actix_web::test]
async fn unprocessed_callbacks_are_never_purged() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let wamid = app.message(&id).await["provider_id"].clone();
    let report = |word: &str| json!({ "id": wamid, "status": word });
    app.deliver_callback(SOBOT, &report("sent")).await;
    app.run_jobs_until_idle().await;
    app.deliver_callback(SOBOT, &report("delivered")).await;
    app.advance(CALLBACKS_GONE);
    purge(&app).await;
    // PostgreSQL's days go whole or not at all.
    assert!(journalled(&app).await >= 1);
    nothing_disagrees(&app).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "delivered");
    purge(&app).await;
    assert_eq!(journalled(&app).await, 0);
    app.finish().await;
}

#[actix_web::test]
async fn a_purge_removes_messages_with_all_their_rows_and_keeps_the_counts() {
    let app = start_chaos(3).await;
    live(&app).await;
    let keyed = app.request("POST", "/api/v1/messages");
    let keyed = keyed.header("Idempotency-Key", "order-1");
    let reply = keyed.json(&message(SOBOT, "image")).send().await.unwrap();
    assert_eq!(reply.status(), 202);
    app.run_jobs_until_idle().await;
    let before = dump(&app.database).await;
    app.advance(MESSAGES_GONE);

    let expected = count_expired(&app).await;
    assert_same(&before, &dump(&app.database).await);
    let purged = purge(&app).await;
    assert_eq!(purged.rows, expected, "a dry run predicts what goes");
    for table in [
        "journal",
        "messages",
        "receipts",
        "attempts",
        "provider_ids",
        "merged_messages",
        "idempotency_keys",
        "actions",
        "callback_outcomes",
        "quarantine",
    ] {
        assert!(purged.rows.contains_key(table), "{table}: {purged:?}");
        if table != "journal" && table != "actions" {
            assert_eq!(count(&app, table).await, 0, "{table}");
        }
    }
    let after = dump(&app.database).await;
    assert_eq!(counts(&before), counts(&after), "purging subtracts nothing");
    nothing_disagrees(&app).await;
    rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert_same(&after, &dump(&app.database).await);
    assert_eq!(count_expired(&app).await, RowCounts::new());
    app.stop().await;
}

#[actix_web::test]
async fn later_messages_stay_complete_and_continue() {
    let app = start_chaos(5).await;
    live(&app).await;
    app.advance(TimeDelta::days(350));
    purge(&app).await;
    live(&app).await;
    let second = app.get_ok("/api/v1/messages?limit=500").await;
    let second = second["data"].as_array().unwrap().len() as u64;
    app.advance(TimeDelta::days(52));
    let purged = purge(&app).await;
    assert!(!purged.rows.contains_key("journal"), "{purged:?}");
    assert!(purged.rows["messages"] > 20);
    assert!(count(&app, "messages").await > 40);
    assert!(count(&app, "messages").await < second);
    let before = dump(&app.database).await;
    nothing_disagrees(&app).await;
    let rebuilt = rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert!(rebuilt.callbacks > 40);
    assert_same(&before, &dump(&app.database).await);
    nothing_disagrees(&app).await;
    live(&app).await;
    nothing_disagrees(&app).await;
    app.stop().await;
}

#[actix_web::test]
async fn a_message_of_a_kept_callback_is_kept_longer() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let wamid = app.message(&id).await["provider_id"].clone();
    app.advance(TimeDelta::days(390));
    app.deliver_callback(SOBOT, &json!({ "id": wamid, "status": "read" }))
        .await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::days(20));
    assert_eq!(purge(&app).await.rows.get("messages"), None);
    rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert_eq!(app.state(&id).await, "read");
    assert!(app.orphans().await.is_empty());
    app.advance(CALLBACKS_GONE);
    assert_eq!(purge(&app).await.rows["messages"], 1);
    assert_eq!(app.get(&format!("/api/v1/messages/{id}")).await.0, 404);
    app.stop().await;
}

#[actix_web::test]
async fn a_message_that_waits_to_be_sent_stays_until_it_is_sent() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.advance(MESSAGES_GONE);
    assert_eq!(purge(&app).await.rows.get("messages"), None);
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "failed", "it has expired");
    assert_eq!(purge(&app).await.rows["messages"], 1);
    app.stop().await;
}

#[actix_web::test]
async fn a_message_counts_as_purged_only_if_it_is_older_than_a_purged_one() {
    let app = start_app_with(|_, accounts| {
        for account in accounts {
            account.max_queue_time = std::time::Duration::from_hours(24);
        }
    })
    .await;
    let sent_late = app.send_image(SOBOT).await.parse::<MessageId>().unwrap();
    app.advance(TimeDelta::hours(5));
    app.run_jobs_until_idle().await;
    app.advance(MESSAGES_GONE);
    assert_eq!(purge(&app).await.rows["messages"], 1);

    let ledger = app.services.store.ledger(app.now()).await.unwrap();
    assert!(ledger.was_purged(sent_late).await.unwrap());
    let created_while_it_waited = MessageId::new(noon() + TimeDelta::hours(1));
    assert!(!ledger.was_purged(created_while_it_waited).await.unwrap());
    drop(ledger);
    nothing_disagrees(&app).await;
    app.stop().await;
}

#[actix_web::test]
async fn a_late_report_on_a_purged_message_is_not_an_orphan() {
    let app = start_app().await;
    for account in [ZIXFLOW, KALEYRA] {
        app.send_image(account).await;
    }
    app.run_jobs_until_idle().await;
    let sent: Value = serde_json::from_slice(&app.received(ZIXFLOW)[0].body).unwrap();
    let address = find_text(&sent, "/reports/").unwrap();
    let sent: Value = serde_json::from_slice(&app.received(KALEYRA)[0].body).unwrap();
    let tagged = find_text(&sent, "bt:").unwrap();
    app.advance(MESSAGES_GONE);
    assert_eq!(purge(&app).await.rows["messages"], 2);

    let late = json!({ "event": "message.status", "messageId": "wamid.LATE1", "status": "read" });
    let reply = app.client.post(address).json(&late).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let late = json!({ "id": "LATE2", "status": "delivered", "ref": tagged });
    app.deliver_callback(KALEYRA, &late).await;
    app.run_jobs_until_idle().await;
    assert!(app.orphans().await.is_empty());
    for callback in app.callbacks().await {
        assert_eq!(callback["outcome"], "notice", "{callback}");
        assert_eq!(
            callback["detail"],
            "a report on a message that is no longer kept"
        );
    }
    // The id is not known any more: such a report waits for an operator, like any unknown one.
    app.deliver_callback(SOBOT, &json!({ "id": "wamid.LATE3", "status": "read" }))
        .await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.orphans().await.len(), 1);
    app.stop().await;
}

/// The first text in a JSON value that holds these words.
fn find_text(value: &Value, words: &str) -> Option<String> {
    match value {
        Value::String(text) => text.contains(words).then(|| text.clone()),
        Value::Array(all) => all.iter().find_map(|one| find_text(one, words)),
        Value::Object(all) => all.values().find_map(|one| find_text(one, words)),
        _ => None,
    }
}

#[actix_web::test]
async fn quarantine_keeps_its_copy_as_long_as_messages_of_that_time() {
    let app = start_app().await;
    app.deliver_callback(SOBOT, &json!({ "gibberish": 1 }))
        .await;
    app.run_jobs_until_idle().await;
    let id = app.callbacks().await[0]["id"].as_str().unwrap().to_owned();
    app.advance(CALLBACKS_GONE);
    purge(&app).await;
    assert_eq!(journalled(&app).await, 0);
    let list = app.get_ok("/api/v1/callbacks?outcome=quarantined").await;
    assert_eq!(list["data"][0]["id"], json!(id));
    assert_eq!(list["data"][0]["size"], 15);
    let shown = app.get_ok(&format!("/api/v1/callbacks/{id}")).await;
    let detail = shown["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("the copy of its body in quarantine."),
        "{detail}"
    );
    let raw = app.request("GET", &format!("/api/v1/callbacks/{id}/raw"));
    let raw = raw.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(raw.as_ref(), br#"{"gibberish":1}"#);
    assert_eq!(problems(&app).await, 1);
    nothing_disagrees(&app).await;
    rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert_eq!(problems(&app).await, 1);

    app.advance(MESSAGES_GONE);
    let expected = count_expired(&app).await;
    let purged = purge(&app).await;
    assert_eq!(purged.rows, expected);
    assert_eq!(
        (purged.rows["quarantine"], purged.rows["callback_outcomes"]),
        (1, 1)
    );
    assert_eq!(problems(&app).await, 0);
    assert_eq!(app.get(&format!("/api/v1/callbacks/{id}/raw")).await.0, 410);
    app.finish().await;
}

#[actix_web::test]
async fn windows_links_leases_and_audit_entries_are_purged() {
    let app = start_app().await;
    let now = app.now();
    app.services.store.create_sign_in_link(now).await.unwrap();
    let hour = TimeDelta::hours(1);
    let other = Uuid::from_u128(7);
    let store = &app.services.store;
    assert!(store.claim_lease("old", other, now, hour).await.unwrap());
    let millis = now.timestamp_millis();
    app.database
        .execute(&format!(
            "INSERT INTO windows (account, phone, last_inbound_at) VALUES ('sobot-main', '1', {millis})"
        ))
        .await;
    app.post(&format!("/api/v1/accounts/{SOBOT}/resume")).await;
    app.advance(TimeDelta::hours(47));
    let early = purge(&app).await.rows;
    assert!(!early.contains_key("windows"), "{early:?}");
    app.advance(TimeDelta::hours(2));
    // Made again by the purge before.
    let rows = count_expired(&app).await;
    assert_eq!(purge(&app).await.rows, rows);
    assert_eq!((rows["windows"], count(&app, "windows").await), (1, 0));
    assert_eq!(count(&app, "sign_in_links").await, 0);
    assert_eq!(count(&app, "leases").await, 0);
    let actions = count(&app, "actions").await;
    app.advance(MESSAGES_GONE);
    let rows = purge(&app).await.rows;
    assert_eq!(rows.get("actions").copied().unwrap_or_default(), actions);
    app.finish().await;
}

#[actix_web::test]
async fn the_command_prints_what_is_purged_and_the_cutoff() {
    let app = start_app().await;
    app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    app.advance(MESSAGES_GONE);
    let mut printed = Vec::new();
    for dry_run in [true, false, true] {
        let mut out = Vec::new();
        run(&PurgeArguments { dry_run }, &app.services, &mut out)
            .await
            .unwrap();
        printed.push(String::from_utf8(out).unwrap());
    }
    let since = "raw callbacks received before 2027-09-28T12:00:00.000Z (90 days)\n\
                 messages created before 2026-11-22T12:00:00.000Z (400 days)\n";
    let tables = |last: &str| {
        format!(
            "{since}attempts: 1\ncallback_outcomes: 3\njournal: 3\nleases: 1\nmessages: 1\nprovider_ids: 1\nreceipts: 4\n14 {last}\n"
        )
    };
    assert_eq!(printed[0], tables("rows would be deleted"));
    assert_eq!(printed[1], tables("rows deleted"));
    assert_eq!(printed[2], format!("{since}0 rows would be deleted\n"));
    app.stop().await;
}
