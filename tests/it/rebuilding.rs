//! Derived data can be derived again: rebuild changes nothing, and verify finds what does not agree.

use std::os::unix::fs::FileExt;

use bluetick::domain::callback_record::JournalPosition;
use bluetick::operating::rebuild::{RebuildError, rebuild};
use bluetick::operating::verify::{VerifyReport, verify};
use bluetick::simulator::{FaultRates, Settings};
use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, LANCEPILOT, SOBOT, image_to, noon, start_app, start_app_with,
};
use crate::harness::dump::dump;
use crate::harness::fleet::Fleet;

/// The program with every fault enabled and random outcomes.
pub(crate) async fn start_chaos(seed: u64) -> App {
    start_app_with(|settings: &mut Settings, _| {
        settings.seed = seed;
        settings.faults = FaultRates::all();
        settings.outcome = None;
        settings.customer_reply_share = 0.3;
        settings.kaleyra.not_sent_share = 0.1;
        settings.zixflow.reply_without_id_share = 0.3;
    })
    .await
}

/// Sends to many customers through every account; time passes between submission and reports, and
/// operators decide.
pub(crate) async fn live(app: &App) {
    let mut sent = Vec::new();
    for round in 0..4 {
        for (place, account) in ACCOUNTS.iter().enumerate() {
            for customer in 0..3 {
                let to = format!("+44 7700 90{round}{place}{customer}3");
                sent.push(app.send(&image_to(account, &to)).await);
            }
        }
        app.run_jobs_until_idle().await;
        app.advance(TimeDelta::seconds(20));
        app.simulator.deliver_next(15).await;
        app.run_jobs_until_idle().await;
        app.advance(TimeDelta::seconds(40));
    }
    app.deliver_simulated().await;
    elsewhere(app).await;
    decide(app, &sent).await;
    app.advance(TimeDelta::minutes(11));
    app.run_jobs_until_idle().await;
    elsewhere(app).await;
}

/// Reports on messages that were never sent here, and one that cannot be parsed.
async fn elsewhere(app: &App) {
    let second = (app.now() - noon()).num_seconds();
    for (id, word) in [("wamid.elsewhere", "sent"), ("wamid.nowhere", "read")] {
        let id = format!("{id}.{second}");
        let body = json!({ "id": id, "status": word, "timestamp": noon().timestamp().to_string() });
        app.deliver_callback(SOBOT, &body).await;
        app.deliver_callback(SOBOT, &body).await;
    }
    app.deliver_callback(SOBOT, &json!({ "gibberish": second }))
        .await;
    app.run_jobs_until_idle().await;
}

/// One orphan is matched, one message is marked failed, one is sent again.
async fn decide(app: &App, sent: &[String]) {
    let orphans = app.orphans().await;
    if let Some(orphan) = orphans.iter().find(|orphan| orphan["account"] == SOBOT) {
        let own = sent_through(app, sent, SOBOT).await;
        let path = format!("/api/v1/orphans/{}/match", orphan["id"].as_str().unwrap());
        let (status, body) = app.post_json(&path, &json!({ "message_id": own })).await;
        assert_eq!(status, 200, "{body}");
    }
    for id in sent {
        let state = app.state(id).await;
        if ["submitted", "sent", "uncertain"].contains(&state.as_str()) {
            let (status, _) = app
                .post(&format!("/api/v1/messages/{id}/mark-failed"))
                .await;
            assert_eq!(status, 200);
            let (status, _) = app.post(&format!("/api/v1/messages/{id}/resend")).await;
            assert_eq!(status, 200);
            break;
        }
    }
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
}

async fn sent_through(app: &App, sent: &[String], account: &str) -> String {
    for id in sent {
        if app.message(id).await["account"] == account {
            return id.clone();
        }
    }
    panic!("nothing went through {account}");
}

pub(crate) async fn verified(app: &App) -> (VerifyReport, Vec<String>) {
    let mut found = Vec::new();
    let checked = verify(
        &app.services.store,
        &app.services.journal,
        &mut |discrepancy| found.push(discrepancy),
        &mut |_| {},
    )
    .await
    .unwrap();
    (checked, found)
}

pub(crate) fn assert_same(before: &[String], after: &[String]) {
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "gone:\n{gone:#?}\nnew:\n{new:#?}"
    );
}

#[actix_web::test]
async fn rebuild_changes_nothing_after_faults_and_reordering() {
    for seed in [1, 2, 3] {
        let app = start_chaos(seed).await;
        live(&app).await;
        let before = dump(&app.database).await;
        for table in [
            "receipts",
            "quarantine",
            "merged_messages",
            "message_counts",
        ] {
            assert!(
                before.iter().any(|line| line.starts_with(table)),
                "seed {seed} leaves {table} empty"
            );
        }
        let (checked, found) = verified(&app).await;
        assert_eq!(found, Vec::<String>::new(), "seed {seed}");
        assert_eq!(checked.backlog, 0);
        assert!(checked.messages > 40 && checked.callbacks > 40 && checked.counts > 0);

        let rebuilt = rebuild(&app.services, &mut |_| {}).await.unwrap();
        assert_eq!(rebuilt.callbacks, checked.callbacks);
        let after = dump(&app.database).await;
        assert_same(&before, &after);
        let (_, found) = verified(&app).await;
        assert_eq!(found, Vec::<String>::new(), "seed {seed} after the rebuild");
        // The rebuild has ended, and the next callback is processed as usual.
        app.deliver_callback(SOBOT, &json!({ "id": "wamid.later", "status": "sent" }))
            .await;
        assert_eq!(app.apply_callbacks().await, 1);
        app.finish().await;
    }
}

#[actix_web::test]
async fn an_interrupted_rebuild_is_a_backlog_for_the_next_reconciler() {
    let app = start_chaos(7).await;
    live(&app).await;
    let before = dump(&app.database).await;
    let store = &app.services.store;
    let first = app.services.journal.list_positions(0, 1).await.unwrap()[0];
    let oldest = app.services.journal.find_start().await.unwrap().unwrap();
    let first = JournalPosition {
        id: oldest.id,
        ..first
    };
    store.begin_rebuild(first, app.now()).await.unwrap();
    let (checked, found) = verified(&app).await;
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(checked.callbacks, 0, "everything is backlog");
    assert!(checked.backlog > 40);

    let app = app.restart().await;
    app.run_jobs_until_idle().await;
    assert_same(&before, &dump(&app.database).await);
    app.finish().await;
}

#[actix_web::test]
async fn callbacks_that_a_rebuild_processes_first_change_updated_at() {
    let app = start_app().await;
    let id = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let body = json!({
        "status": "sent", "timestamp": noon().timestamp().to_string(),
        "message_id": app.message(&id).await["provider_id"],
    });
    app.deliver_callback(KALEYRA, &body).await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::hours(1));
    // These came while no process followed the journal.
    app.deliver_callback(KALEYRA, &body).await;
    let read = json!({
        "status": "read", "timestamp": noon().timestamp().to_string(),
        "message_id": app.message(&id).await["provider_id"],
    });
    app.deliver_callback(KALEYRA, &read).await;

    let rebuilt = rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert_eq!(rebuilt.callbacks, 3);
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "read");
    let updated = shown["updated_at"].as_str().unwrap();
    assert!(
        updated.starts_with("2026-11-20T13:"),
        "it changed now: {updated}"
    );
    app.finish().await;
}

#[actix_web::test]
async fn rebuild_is_refused_while_another_process_follows_the_journal() {
    let app = start_chaos(1).await;
    let store = &app.services.store;
    let other = Uuid::from_u128(7);
    let length = TimeDelta::seconds(30);
    assert!(
        store
            .claim_lease("reconcile", other, app.now(), length)
            .await
            .unwrap()
    );
    let refused = rebuild(&app.services, &mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, RebuildError::ServeRunning), "{refused}");
    app.advance(TimeDelta::seconds(31));
    rebuild(&app.services, &mut |_| {}).await.unwrap();
    app.finish().await;
}

#[actix_web::test]
async fn verify_ignores_unprocessed_callbacks() {
    let app = start_chaos(1).await;
    app.deliver_callback(LANCEPILOT, &json!({ "x": 1 })).await;
    let (checked, found) = verified(&app).await;
    assert_eq!((checked.backlog, checked.callbacks), (1, 0));
    assert_eq!(found, Vec::<String>::new());
    app.finish().await;
}

#[actix_web::test]
async fn verify_reports_every_kind_of_damage_by_ids_alone() {
    let app = start_chaos(2).await;
    live(&app).await;
    let some = |table: &str, column: &str, condition: &str| {
        format!("(SELECT {column} FROM {table} WHERE {condition} LIMIT 1)")
    };
    let damages = [
        (
            format!(
                "UPDATE messages SET state = 'queued' WHERE id = {}",
                some("messages", "id", "state = 'read'")
            ),
            "its receipts give",
        ),
        (
            format!(
                "UPDATE messages SET provider_id = 'x' WHERE id = {}",
                some("messages", "id", "state = 'delivered'")
            ),
            "provider_id",
        ),
        (
            format!(
                "DELETE FROM callback_outcomes WHERE callback = {}",
                some("callback_outcomes", "callback", "outcome = 'quarantined'")
            ),
            "has no outcome",
        ),
        (
            format!(
                "UPDATE callback_outcomes SET outcome = 'notice' WHERE callback = {}",
                some(
                    "callback_outcomes",
                    "callback",
                    "outcome = 'receipts' AND detail IS NULL"
                )
            ),
            "but has receipts",
        ),
        (
            "INSERT INTO message_counts (bucket, account, kind, origin, state, code, class, messages) \
             VALUES (1763640000000, 'sobot-main', 'image', 'api', 'read', 'zz', '', 3)"
                .to_owned(),
            "a recount differs by -3",
        ),
        (
            "UPDATE latency_sums SET histogram = histogram || '9:1 ' WHERE width = 900000".to_owned(),
            "time to delivered, bucket 9: a recount differs by -1",
        ),
        (
            "UPDATE latency_sums SET histogram = histogram || '7:500 ' WHERE width = 86400000".to_owned(),
            // The damage before made the quarter hours a few messages larger.
            "time to delivered: its quarter hours differ by -49",
        ),
        (
            "UPDATE message_sums SET messages = messages + 5 WHERE width = 3600000".to_owned(),
            "its quarter hours differ by -5",
        ),
        (
            "UPDATE charge_sums SET deliveries = deliveries + 5 WHERE width = 86400000".to_owned(),
            "deliveries of its quarter hours differ by -5",
        ),
        // On a day without messages.
        (
            "INSERT INTO charge_counts (bucket, account, kind, campaign, sender, country, category, \
             pricing_type, free, price, currency, deliveries) \
             VALUES (1700000100000, 'sobot-main', 'image', '', '', 'GB', '', '', FALSE, '', '', 2)"
                .to_owned(),
            "a recount of deliveries differs by -2",
        ),
        (
            format!(
                "UPDATE provider_ids SET account = 'someone-else' WHERE message = {}",
                some("provider_ids", "message", "account = 'zixflow-main'")
            ),
            "holds an id of account someone-else",
        ),
        (
            format!(
                "DELETE FROM messages WHERE id = {}",
                some(
                    "messages",
                    "id",
                    "account = 'kaleyra-in' AND state = 'failed'"
                )
            ),
            "which does not exist",
        ),
    ];
    for (damage, words) in damages {
        let (_, before) = verified(&app).await;
        app.database.execute(&damage).await;
        let (_, after) = verified(&app).await;
        let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(
            new.iter().any(|line| line.contains(words)),
            "{damage}: {new:#?}"
        );
        for line in new {
            assert!(
                !line.contains("447700") && !line.contains("wamid."),
                "{line}"
            );
        }
    }
}

#[actix_web::test]
async fn verify_reports_a_damaged_file_whose_rows_can_be_read() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    if fleet.database.is_postgres() {
        return;
    }
    assert!(fleet.start(0).terminate().0.success());
    let index = "SELECT CAST(rootpage * page_size AS TEXT) AS line FROM sqlite_master, pragma_page_size \
                 WHERE name = 'messages_origin_created'";
    let end: u64 = fleet.database.query(index).await[0].parse().unwrap();
    let (succeeded, printed) = fleet.run(&["verify"]);
    assert!(succeeded, "{printed}");
    let file = std::fs::File::options()
        .write(true)
        .open(fleet.data_dir(0).join("bluetick.db"))
        .unwrap();
    // The header of the page, which lies before `end`.
    let page = [0xff; 8];
    file.write_all_at(&page, end - 4096).unwrap();
    let (succeeded, printed) = fleet.run(&["verify"]);
    assert!(!succeeded, "{printed}");
    let words = "the file of the main database is damaged";
    assert!(printed.contains(words), "{printed}");
    assert!(printed.contains("restore a backup"), "{printed}");
}

#[actix_web::test]
async fn rebuild_repairs_damaged_states_receipts_and_counts() {
    let app = start_chaos(4).await;
    live(&app).await;
    let before = dump(&app.database).await;
    for damage in [
        "UPDATE messages SET state = 'queued', read_at = NULL, provider_id = NULL WHERE account = 'sobot-main'",
        "DELETE FROM receipts WHERE source_kind = 'callback' AND part = 0",
        "DELETE FROM provider_ids WHERE learned_from = 'callback'",
        "UPDATE message_counts SET messages = messages + 5",
        "UPDATE message_sums SET messages = messages + 5",
        "UPDATE latency_sums SET histogram = ''",
        "DELETE FROM charge_sums",
        "DELETE FROM quarantine",
    ] {
        app.database.execute(damage).await;
    }
    let (_, found) = verified(&app).await;
    assert!(found.len() > 20, "{found:#?}");
    rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert_same(&before, &dump(&app.database).await);
    app.finish().await;
}

#[actix_web::test]
async fn rebuild_keeps_what_came_from_callbacks_that_were_purged() {
    let app = start_chaos(5).await;
    live(&app).await;
    app.advance(TimeDelta::days(1));
    live(&app).await;
    let before = dump(&app.database).await;
    let half = app.services.journal.end().await.unwrap() / 2;
    app.database
        .execute_in_journal(&format!("DELETE FROM journal WHERE seq <= {half}"))
        .await;
    let rebuilt = rebuild(&app.services, &mut |_| {}).await.unwrap();
    assert!(rebuilt.callbacks > 20);
    let (_, found) = verified(&app).await;
    assert_eq!(found, Vec::<String>::new());
    assert_same(&before, &dump(&app.database).await);
    app.finish().await;
}
