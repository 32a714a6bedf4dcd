//! Callbacks while the main database is migrated: received, kept through every end of the process, processed afterwards.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actix_web::rt::System;
use bluetick::web::route_registration::{RouteGroup, RouteMethod};
use bluetick::web::routes;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::harness::app::SOBOT;
use crate::harness::database::HeldLock;
use crate::harness::fleet::Fleet;
use crate::harness::program::Program;
use crate::harness::waiting;
use crate::restarts::send_once;

/// No provider is called.
const NOWHERE: &str = "http://127.0.0.1:9";
/// All since `m20261129_000301_order_notifications`; they count all messages again.
const UNDONE: u32 = 7;
/// The name of an index that one of them creates.
const OCCUPY: &str = "CREATE INDEX alert_notifications_waiting ON settings (value)";
const VACATE: &str = "DROP INDEX alert_notifications_waiting";

fn client() -> Client {
    bluetick::http_client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// A database that an older program has left, and the lock that the migration needs.
async fn older_database() -> (Fleet, HeldLock) {
    let fleet = Fleet::new(1, NOWHERE).await;
    assert!(fleet.start(0).terminate().0.success());
    fleet.database.undo_migrations(UNDONE).await;
    let lock = fleet.database.hold_main_writer().await;
    (fleet, lock)
}

async fn post(fleet: &Fleet, client: &Client, id: &str) -> StatusCode {
    let body = json!({ "id": id, "status": "delivered", "timestamp": "1763640000" });
    let request = client.post(fleet.callback_url(SOBOT)).json(&body);
    request.send().await.unwrap().status()
}

async fn post_all(fleet: &Fleet, client: &Client, ids: &[&str]) {
    for id in ids {
        assert_eq!(post(fleet, client, id).await, StatusCode::OK, "{id}");
    }
}

async fn get(fleet: &Fleet, client: &Client, path: &str) -> Response {
    let url = format!("{}{path}", fleet.address);
    client.get(url).send().await.unwrap()
}

async fn ready(fleet: &Fleet, client: &Client) -> (StatusCode, String) {
    let reply = get(fleet, client, "/readyz").await;
    (reply.status(), reply.text().await.unwrap())
}

async fn wait_until_processed(fleet: &Fleet, callbacks: usize) {
    let expected = format!("checked {callbacks} callbacks,");
    waiting::until("all callbacks are processed", async || {
        let (succeeded, printed) = fleet.run(&["verify"]);
        assert!(succeeded, "{printed}");
        printed.contains(&expected)
    })
    .await;
}

async fn last_migration(fleet: &Fleet) -> String {
    let newest = "SELECT MAX(version) AS line FROM main_migrations";
    fleet.database.query(newest).await.remove(0)
}

fn backups(fleet: &Fleet) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fleet.data_dir(0).join("backups"));
    let entries = entries.into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[actix_web::test]
async fn callbacks_are_received_during_a_migration_and_everything_else_waits() {
    let (fleet, lock) = older_database().await;
    let client = client();
    let mut server = fleet.start_unready(0);
    post_all(&fleet, &client, &["wamid.a", "wamid.b"]).await;
    waiting::until("/readyz names the lock", async || {
        let (status, words) = ready(&fleet, &client).await;
        assert_eq!(status, StatusCode::OK, "{words}");
        assert!(words.starts_with("ready for callbacks"), "{words}");
        words.contains("another process")
    })
    .await;
    assert_eq!(get(&fleet, &client, "/healthz").await.status(), 200);
    assert_eq!(get(&fleet, &client, "/static/app.css").await.status(), 200);

    let reply = get(&fleet, &client, "/api/v1/messages").await;
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "10");
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(problem["code"], "upgrading");
    let reply = get(&fleet, &client, "/messages?state=failed").await;
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "10");
    let page = reply.text().await.unwrap();
    assert!(page.contains("Bluetick is being upgraded"), "{page}");
    assert!(page.contains("http-equiv=\"refresh\""), "{page}");
    // What was posted is not posted again by itself.
    let request = client
        .post(format!("{}/login", fleet.address))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("token=x");
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 503);
    let page = reply.text().await.unwrap();
    assert!(page.contains("was not carried out"), "{page}");
    assert!(!page.contains("http-equiv=\"refresh\""), "{page}");
    for route in routes() {
        if route.group == RouteGroup::Always {
            continue;
        }
        let url = format!("{}{}", fleet.address, route.path.replace(['{', '}'], ""));
        let request = match route.method {
            RouteMethod::Post => client.post(url),
            RouteMethod::Get | RouteMethod::Any => client.get(url),
        };
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 503, "{}", route.path);
        assert!(
            reply.headers().contains_key("retry-after"),
            "{}",
            route.path
        );
    }
    // As always.
    assert_eq!(get(&fleet, &client, "/nowhere").await.status(), 404);
    let wrong = format!("/callbacks/{SOBOT}/wrong");
    assert_eq!(get(&fleet, &client, &wrong).await.status(), 404);

    lock.release().await;
    server.wait_until_listening();
    assert_eq!(ready(&fleet, &client).await.0, StatusCode::OK);
    assert_eq!(get(&fleet, &client, "/api/v1/messages").await.status(), 401);
    post_all(&fleet, &client, &["wamid.c"]).await;
    wait_until_processed(&fleet, 3).await;
    let log = server.stderr();
    for words in [
        "callbacks are received",
        "the migration is waiting",
        "migrating the main database",
        "migrated the main database",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    if !fleet.database.is_postgres() {
        assert_eq!(backups(&fleet).len(), 1);
    }
    assert!(server.terminate().0.success());
}

#[actix_web::test]
async fn a_signal_during_a_migration_ends_it_and_keeps_what_was_received() {
    let (fleet, lock) = older_database().await;
    let older = last_migration(&fleet).await;
    let client = client();
    let server = fleet.start_unready(0);
    post_all(&fleet, &client, &["wamid.a", "wamid.b"]).await;
    server.wait_for_log("the migration is waiting").await;
    let (status, log) = server.terminate();
    assert!(status.success(), "{log}");
    assert_eq!(last_migration(&fleet).await, older);
    lock.release().await;
    let server = fleet.start(0);
    assert_ne!(last_migration(&fleet).await, older);
    wait_until_processed(&fleet, 2).await;
    assert!(server.terminate().0.success());
}

#[actix_web::test]
async fn a_killed_migration_runs_again_and_nothing_acknowledged_is_lost() {
    let (fleet, lock) = older_database().await;
    // Not the connections of a dead process.
    let client = bluetick::http_client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let server = fleet.start_unready(0);
    post_all(&fleet, &client, &["wamid.a", "wamid.b"]).await;
    server.kill();
    let mut server = fleet.start_unready(0);
    post_all(&fleet, &client, &["wamid.c"]).await;
    lock.release().await;
    server.wait_until_listening();
    wait_until_processed(&fleet, 3).await;
    // What the killed process left of a backup is removed.
    for backup in backups(&fleet) {
        assert!(backup.join("manifest.json").exists(), "{backup:?}");
    }
    assert!(server.terminate().0.success());
}

#[actix_web::test]
async fn a_migration_that_fails_ends_the_process_and_keeps_what_was_received() {
    let (fleet, lock) = older_database().await;
    lock.release().await;
    fleet.database.execute(OCCUPY).await;
    let older = last_migration(&fleet).await;
    let lock = fleet.database.hold_main_writer().await;
    let client = client();
    let server = fleet.start_unready(0);
    post_all(&fleet, &client, &["wamid.a"]).await;
    server.wait_for_log("the migration is waiting").await;
    lock.release().await;
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the database: database error"), "{log}");
    assert_eq!(last_migration(&fleet).await, older);
    assert_eq!(fleet.callback_ids().await, ["wamid.a"]);
    fleet.database.execute(VACATE).await;
    let server = fleet.start(0);
    wait_until_processed(&fleet, 1).await;
    assert!(server.terminate().0.success());
}

#[actix_web::test]
async fn the_end_of_a_migration_refuses_no_callback_and_cuts_none_off() {
    let (fleet, lock) = older_database().await;
    let mut server = fleet.start_unready(0);
    let url = fleet.callback_url(SOBOT);
    let taken = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let (counted, stopped) = (Arc::clone(&taken), Arc::clone(&stop));
    let sender =
        std::thread::spawn(move || System::new().block_on(send_once(url, stopped, counted)));
    let reach = |number: u64| {
        while taken.load(Ordering::Relaxed) < number {
            assert!(!sender.is_finished(), "the sender has failed");
            waiting::pause_thread();
        }
    };
    reach(100);
    lock.release().await;
    server.wait_until_listening();
    let enough = taken.load(Ordering::Relaxed) + 100;
    reach(enough);
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap();
    assert!(sent.refused.is_empty(), "{:?}", sent.refused[0]);
    assert!(sent.cut_off.is_empty(), "{:?}", sent.cut_off[0]);
    let kept: BTreeSet<String> = fleet.callback_ids().await.into_iter().collect();
    assert_eq!(sent.taken, kept);
    wait_until_processed(&fleet, kept.len()).await;
    end(server);
}

fn end(server: Program) {
    let (status, log) = server.terminate();
    assert!(status.success(), "{log}");
}
