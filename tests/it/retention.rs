//! Retention: what is past it is purged, in small batches beside everything else. Unprocessed callbacks stay, and so do counts.

use std::collections::BTreeSet;

use bluetick::cli::purge::{PurgeArguments, run};
use bluetick::domain::callback_record::{Authenticity, CallbackRecord, Route};
use bluetick::domain::ids::{CallbackId, MessageId};
use bluetick::journal::{Journal, PURGE_BATCH_ROWS, PurgeLimit};
use bluetick::operating::rebuild::{RebuildError, rebuild};
use bluetick::operating::retention::{PurgeError, PurgeReport, StepResult};
use bluetick::store::purge_messages::RowCounts;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use migration::{JournalMigrator, MigratorTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::{App, KALEYRA, SOBOT, ZIXFLOW, message, noon, start_app, start_app_with};
use crate::harness::database::TestDatabase;
use crate::harness::dump::dump;
use crate::rebuilding::{assert_same, live, start_chaos, verified};

/// One day past `retention.callbacks` and `retention.messages` as they are by default, and one for PostgreSQL, whose days go whole.
const CALLBACKS_GONE: TimeDelta = TimeDelta::days(92);
const MESSAGES_GONE: TimeDelta = TimeDelta::days(402);

async fn purge(app: &App) -> PurgeReport {
    app.services.retention.purge(&mut |_| {}).await.unwrap()
}

async fn count_expired(app: &App) -> RowCounts {
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

async fn journalled(app: &App) -> usize {
    let journal = &app.services.journal;
    journal.list_positions(0, 100_000).await.unwrap().len()
}

async fn nothing_disagrees(app: &App) {
    let (_, found) = verified(app).await;
    assert_eq!(found, Vec::<String>::new());
}

/// How many callbacks wait in quarantine.
async fn problems(app: &App) -> Value {
    app.found("/api/v1/problems").await["quarantine"].clone()
}

fn counts(lines: &[String]) -> Vec<&String> {
    let is_count = |line: &&String| line.contains("_counts ");
    lines.iter().filter(is_count).collect()
}

fn record(at: DateTime<Utc>, body: &[u8]) -> CallbackRecord {
    CallbackRecord {
        id: CallbackId::new(at),
        account: "shop".parse().unwrap(),
        route: Route::Callback,
        method: "POST".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        remote: None,
        received_at: at,
        body: body.to_vec(),
        authenticity: Authenticity::Verified,
    }
}

async fn append(journal: &Journal, record: CallbackRecord) {
    let room = journal.reserve(record.body.len()).await.unwrap();
    journal.append(record, room).await.unwrap();
}

/// Appends so many callbacks of an instant and returns their ids.
async fn fill(
    journal: &Journal,
    number: usize,
    at: DateTime<Utc>,
    size: usize,
) -> BTreeSet<CallbackId> {
    let records: Vec<_> = (0..number).map(|_| record(at, &vec![b'x'; size])).collect();
    let ids = records.iter().map(|record| record.id).collect();
    join_all(records.into_iter().map(|record| append(journal, record))).await;
    ids
}

async fn ids(journal: &Journal) -> BTreeSet<CallbackId> {
    let places = journal.list_positions(0, 1_000_000).await.unwrap();
    places.iter().map(|place| place.id).collect()
}

/// Takes everything out that may leave.
async fn empty(journal: &Journal, leave: &PurgeLimit) -> u64 {
    let mut rows = 0;
    while let Some(batch) = journal.next_purge_batch(leave, None).await.unwrap() {
        rows += journal.purge(leave, &batch).await.unwrap().unwrap();
    }
    rows
}

/// The partitions of PostgreSQL's journal.
async fn partitions(database: &TestDatabase) -> Vec<String> {
    let sql = "SELECT CAST(inhrelid::regclass AS TEXT) AS line FROM pg_inherits \
               WHERE inhparent = 'journal'::regclass AND inhrelid::regclass::text LIKE 'journal_%' ORDER BY 1";
    database.query(sql).await
}

#[actix_web::test]
async fn a_purge_removes_raw_callbacks_and_keeps_their_receipts() {
    let app = start_chaos(1).await;
    live(&app).await;
    let before = dump(&app.database).await;
    let listed = app.found("/api/v1/callbacks?outcome=receipts").await;
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
    let second = app.found("/api/v1/messages?limit=500").await;
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
            account.send_before = std::time::Duration::from_hours(24);
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
    let list = app.found("/api/v1/callbacks?outcome=quarantined").await;
    assert_eq!(list["data"][0]["id"], json!(id));
    assert_eq!(list["data"][0]["size"], 15);
    let shown = app.found(&format!("/api/v1/callbacks/{id}")).await;
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
async fn one_process_purges_at_a_time_and_none_during_a_rebuild() {
    let app = start_chaos(2).await;
    live(&app).await;
    app.advance(CALLBACKS_GONE);
    let (store, retention) = (&app.services.store, &app.services.retention);
    let (other, minute) = (Uuid::from_u128(7), TimeDelta::seconds(60));
    assert!(
        store
            .claim_lease("retention", other, app.now(), minute)
            .await
            .unwrap()
    );
    assert_eq!(
        retention.step().await.unwrap(),
        StepResult::LeaseHeldElsewhere
    );
    let refused = retention.purge(&mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, PurgeError::Busy), "{refused}");
    let refused = rebuild(&app.services, &mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, RebuildError::PurgeRunning), "{refused}");
    store.release_lease("retention", other).await.unwrap();

    let number = journalled(&app).await;
    store.announce_rebuild().await.unwrap();
    assert_eq!(retention.step().await.unwrap(), StepResult::Rebuilding);
    let refused = retention.purge(&mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, PurgeError::Rebuilding), "{refused}");
    assert_eq!(journalled(&app).await, number);
    app.run_jobs_until_idle().await;
    assert_eq!(retention.step().await.unwrap(), StepResult::Done);
    assert_eq!(journalled(&app).await, 0);
    app.finish().await;
}

#[actix_web::test]
async fn an_interrupted_purge_continues_where_it_ended() {
    let app = start_chaos(4).await;
    live(&app).await;
    app.advance(MESSAGES_GONE);
    let expected = count_expired(&app).await;
    let (store, journal) = (&app.services.store, &app.services.journal);
    let cutoffs = app.services.retention.cutoffs();
    let leave = PurgeLimit {
        position: store.position().await.unwrap(),
        received_before: cutoffs.callbacks,
    };
    let batch = journal
        .next_purge_batch(&leave, None)
        .await
        .unwrap()
        .unwrap();
    journal.purge(&leave, &batch).await.unwrap().unwrap();
    nothing_disagrees(&app).await;
    empty(journal, &leave).await;
    let past = bluetick::store::purge_messages::PastMessages {
        created_before: cutoffs.messages,
        first_callback: None,
    };
    let batch = store
        .purge_messages(&past, None, app.now())
        .await
        .unwrap()
        .unwrap();
    assert!(batch.rows["messages"] < expected["messages"], "in portions");
    assert!(batch.rows.values().sum::<u64>() <= 400, "{batch:?}");

    let app = app.restart().await;
    nothing_disagrees(&app).await;
    let rest = purge(&app).await.rows;
    let gone = |table: &str| rest[table] + batch.rows.get(table).copied().unwrap_or_default();
    for table in ["messages", "receipts", "attempts", "provider_ids"] {
        assert_eq!(gone(table), expected[table], "{table}");
    }
    assert_eq!(rest["callback_outcomes"], expected["callback_outcomes"]);
    nothing_disagrees(&app).await;
    app.stop().await;
}

#[actix_web::test]
async fn a_purge_batch_is_small_and_ends_before_a_younger_callback() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    let journal = Journal::open(database.journal().await).await.unwrap();
    fill(&journal, 600, noon(), 10).await;
    fill(&journal, 3, noon() + TimeDelta::days(2), 10).await;
    // Out of a spool that was found late.
    fill(&journal, 3, noon(), 10).await;
    let leave = PurgeLimit {
        position: journal.end().await.unwrap(),
        received_before: noon() + TimeDelta::days(1),
    };
    let batch = journal
        .next_purge_batch(&leave, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(batch.rows, PURGE_BATCH_ROWS);
    let next = journal
        .next_purge_batch(&leave, Some(&batch))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(next.rows, PURGE_BATCH_ROWS);
    assert_eq!(empty(&journal, &leave).await, 600);
    assert_eq!(ids(&journal).await.len(), 6, "no holes");
    // Large bodies make it smaller still.
    let later = noon() + TimeDelta::days(3);
    fill(&journal, 10, later, 1024 * 1024).await;
    let leave = PurgeLimit {
        position: journal.end().await.unwrap(),
        received_before: later + TimeDelta::days(1),
    };
    let first = journal
        .next_purge_batch(&leave, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.rows, 6 + 3);
}

#[actix_web::test]
async fn a_purge_beside_live_ingest_loses_nothing() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    fill(&journal, 3000, noon(), 100).await;
    let leave = PurgeLimit {
        position: journal.end().await.unwrap(),
        received_before: noon() + TimeDelta::days(1),
    };
    let live = async {
        let mut kept = BTreeSet::new();
        for hour in 0..40 {
            let at = noon() + TimeDelta::days(2) + TimeDelta::hours(hour);
            kept.extend(fill(&journal, 50, at, 100).await);
        }
        kept
    };
    let (gone, kept) = tokio::join!(empty(&journal, &leave), live);
    assert_eq!(gone, 3000);
    assert_eq!(ids(&journal).await, kept);
}

#[actix_web::test]
async fn a_purge_returns_free_pages_of_the_files() {
    let app = start_app().await;
    if app.database.is_postgres() {
        return app.finish().await;
    }
    fill(&app.services.journal, 1500, noon(), 4096).await;
    app.run_jobs_until_idle().await;
    assert_eq!(journalled(&app).await, 1500);
    let sizes = |app: &App| {
        ["journal.db", "bluetick.db"].map(|name| {
            let file = app.database.folder().join(name);
            file.metadata().unwrap().len()
        })
    };
    let app = app.restart().await;
    let [journal, main] = sizes(&app);
    app.advance(MESSAGES_GONE);
    purge(&app).await;
    let [journal_after, main_after] = sizes(&app);
    assert!(journal > 6_000_000, "{journal}");
    assert!(journal_after < 300_000, "{journal_after}");
    assert!(main_after < main, "{main} {main_after}");
    app.stop().await;
}

#[actix_web::test]
async fn on_postgres_partitions_are_created_ahead_and_dropped_once_processed() {
    let database = TestDatabase::new().await;
    if !database.is_postgres() {
        return;
    }
    let journal = Journal::open(database.journal().await).await.unwrap();
    let day = |number: i64| noon() + TimeDelta::days(number);
    // This day has no partition: the default one takes it, and gives it back.
    let early = fill(&journal, 3, day(1), 10).await;
    assert_eq!(partitions(&database).await, ["journal_default"]);
    let tries = join_all((0..3).map(|_| journal.create_day_partitions(day(0)))).await;
    for tried in tries {
        tried.unwrap();
    }
    let names = partitions(&database).await;
    let expected = [
        "20261119", "20261120", "20261121", "20261122", "20261123", "default",
    ];
    assert_eq!(names, expected.map(|name| format!("journal_{name}")));
    assert_eq!(
        database
            .query("SELECT CAST(count(*) AS TEXT) AS line FROM journal_default")
            .await,
        ["0"]
    );
    assert_eq!(ids(&journal).await, early);

    let second = fill(&journal, 4, day(2), 10).await;
    let read = journal.end().await.unwrap();
    let third = fill(&journal, 5, day(3), 10).await;
    let mut leave = PurgeLimit {
        position: read,
        received_before: day(200),
    };
    // A stray that was not read holds everything back: nothing older than what leaves may stay.
    let stray = fill(&journal, 1, day(-30), 10).await;
    assert_eq!(empty(&journal, &leave).await, 0);
    leave.position = journal.end().await.unwrap();
    let again = PurgeLimit {
        position: read + 5,
        ..leave
    };
    assert_eq!(empty(&journal, &again).await, 0);
    assert_eq!(
        empty(
            &journal,
            &PurgeLimit {
                received_before: day(2),
                ..leave
            }
        )
        .await,
        1 + 3
    );
    assert_eq!(
        partitions(&database).await,
        expected[3..]
            .iter()
            .map(|name| format!("journal_{name}"))
            .collect::<Vec<_>>()
    );
    assert!(ids(&journal).await.is_disjoint(&stray));
    assert_eq!(ids(&journal).await.len(), second.len() + third.len());
    // The same id twice is one callback, whatever its day.
    let twice = record(day(2), b"x");
    append(&journal, twice.clone()).await;
    append(&journal, twice.clone()).await;
    assert_eq!(ids(&journal).await.len(), second.len() + third.len() + 1);
    assert!(journal.find(twice.id).await.unwrap().is_some());
}

#[actix_web::test]
async fn callbacks_from_an_old_spool_are_processed_in_order() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let mut position = 0;
    for day in [0, 40, -30, 40, 41, 0, -90] {
        let at = noon() + TimeDelta::days(day);
        journal.create_day_partitions(at).await.unwrap();
        // A number drawn for nothing, too: this one is there already.
        let twice = record(at, b"x");
        append(&journal, twice.clone()).await;
        append(&journal, twice).await;
        for size in [3, 1] {
            let ids = fill(&journal, size, at, 10).await;
            let read = journal.read_after(position, 100, u64::MAX).await.unwrap();
            assert!(read.is_sorted_by(|earlier, later| earlier.seq < later.seq));
            let found: BTreeSet<_> = read.iter().map(|entry| entry.record.id).collect();
            assert!(found.is_superset(&ids), "day {day}");
            position = read.last().unwrap().seq;
        }
        assert!(
            journal
                .read_after(position, 100, u64::MAX)
                .await
                .unwrap()
                .is_empty()
        );
    }
    assert_eq!(ids(&journal).await.len(), 7 * 5);
}

#[actix_web::test]
async fn an_unpartitioned_journal_is_partitioned_and_merged_again() {
    let database = TestDatabase::new().await;
    let pools = database.unmigrated_journal().await;
    JournalMigrator::up(pools.writer(), Some(1)).await.unwrap();
    let journal = Journal::open(pools.clone()).await.unwrap();
    let mut all = BTreeSet::new();
    for day in [0, 1, 1, 40] {
        all.extend(fill(&journal, 5, noon() + TimeDelta::days(day), 10).await);
    }
    let before = journal.read_after(0, 100, u64::MAX).await.unwrap();
    JournalMigrator::up(pools.writer(), None).await.unwrap();
    assert_eq!(journal.read_after(0, 100, u64::MAX).await.unwrap(), before);
    if database.is_postgres() {
        assert_eq!(partitions(&database).await.len(), 4);
    }
    all.extend(fill(&journal, 5, noon(), 10).await);
    JournalMigrator::down(pools.writer(), Some(1))
        .await
        .unwrap();
    assert_eq!(ids(&journal).await, all);
    all.extend(fill(&journal, 5, noon(), 10).await);
    JournalMigrator::up(pools.writer(), None).await.unwrap();
    assert_eq!(ids(&journal).await, all);
    let seqs = journal.list_positions(0, 100).await.unwrap();
    assert!(seqs.is_sorted_by(|earlier, later| earlier.seq < later.seq));
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
