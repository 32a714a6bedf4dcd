//! Upgrades: a backup before migrations, and databases of newer programs; backups on schedule; copies with accepted loss.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bluetick::config::BackupSchedule;
use bluetick::operating::backup::run_schedule;
use bluetick::simulator::ForcedReply;
use chrono::{DateTime, TimeDelta};
use migration::{MainMigrator, MigratorTrait};
use sea_orm::Database;
use serde_json::{Value, json};

use crate::harness::app::{CUSTOMER, KALEYRA, SOBOT, ZIXFLOW, image_to, start_app};
use crate::harness::fleet::Fleet;

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn manifest(backup: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(backup.join("manifest.json")).unwrap()).unwrap()
}

#[actix_web::test]
async fn a_backup_is_made_before_migrations_and_restores_the_older_schema() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    if fleet.database.is_postgres() {
        return;
    }
    assert!(fleet.start(0).terminate().0.success());
    let folder = fleet.data_dir(0);
    assert_eq!(folders(&folder.join("backups")), Vec::<PathBuf>::new());
    // As an older program left it.
    let newest = "SELECT MAX(version) AS line FROM main_migrations";
    let newest = fleet.database.query(newest).await.remove(0);
    let older = Database::connect(fleet.database.url().expose())
        .await
        .unwrap();
    MainMigrator::down(&older, Some(1)).await.unwrap();
    older.close().await.unwrap();
    let written = "UPDATE settings SET value = '0.0.9' WHERE name = 'written_by'";
    fleet.database.execute(written).await;
    assert!(fleet.start(0).terminate().0.success());
    let backups = folders(&folder.join("backups"));
    assert_eq!(backups.len(), 1, "{backups:?}");
    let described = manifest(&backups[0]);
    assert_eq!(described["version"], "0.0.9");
    assert_ne!(described["schema"]["main"], newest);
    // Without migrations there is nothing to back up.
    assert!(fleet.start(0).terminate().0.success());
    assert_eq!(folders(&folder.join("backups")).len(), 1);
    for file in ["bluetick.db", "journal.db"] {
        fs::rename(folder.join(file), folder.join(format!("{file}.old"))).unwrap();
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.join(format!("{file}{end}")));
        }
    }
    let (succeeded, printed) = fleet.run(&["restore", backups[0].to_str().unwrap()]);
    assert!(succeeded, "{printed}");
    let (succeeded, printed) = fleet.run(&["verify"]);
    assert!(succeeded, "{printed}");
}

#[actix_web::test]
async fn an_upgrade_notes_who_paused_an_account() {
    let app = start_app().await;
    let pause = format!("/api/v1/accounts/{KALEYRA}/pause");
    assert_eq!(app.post_json(&pause, &json!({})).await.0, 204);
    let rejected = json!({ "message": "Unauthorised" });
    app.force(ZIXFLOW, ForcedReply::json(401, &rejected));
    app.send_image(ZIXFLOW).await;
    app.run_jobs_until_idle().await;
    let noted = "SELECT id || ' ' || paused_by AS line FROM accounts WHERE paused_at IS NOT NULL ORDER BY id";
    let before = app.database.query(noted).await;
    let expected = [format!("{KALEYRA} operator"), format!("{ZIXFLOW} provider")];
    assert_eq!(before, expected);
    app.database.undo_migrations(2).await;
    app.database.redo_migrations().await;
    assert_eq!(app.database.query(noted).await, before);
    app.finish().await;
}

#[actix_web::test]
async fn a_damaged_database_is_not_migrated() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    if fleet.database.is_postgres() {
        return;
    }
    assert!(fleet.start(0).terminate().0.success());
    fleet.database.undo_migrations(1).await;
    let newest = "SELECT MAX(version) AS line FROM main_migrations";
    let older = fleet.database.query(newest).await;
    let root = "SELECT CAST(rootpage AS text) AS line FROM sqlite_master WHERE name = 'actions'";
    let page: usize = fleet.database.query(root).await[0].parse().unwrap();
    let size = "SELECT CAST(page_size AS text) AS line FROM pragma_page_size";
    let size: usize = fleet.database.query(size).await[0].parse().unwrap();
    let file = fleet.data_dir(0).join("bluetick.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[(page - 1) * size..page * size].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let (succeeded, printed) = fleet.run(&["serve"]);
    assert!(!succeeded, "{printed}");
    let expected = "the backup before the migrations failed, so nothing was migrated: ";
    assert!(printed.contains(expected), "{printed}");
    assert!(printed.contains("malformed"), "{printed}");
    assert_eq!(fleet.database.query(newest).await, older);
    let backups = folders(&fleet.data_dir(0).join("backups"));
    assert_eq!(backups, Vec::<PathBuf>::new());
}

#[actix_web::test]
async fn a_database_of_a_newer_program_is_refused_with_its_version() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    assert!(fleet.start(0).terminate().0.success());
    let folder = fleet.data_dir(0);
    for sql in [
        "INSERT INTO main_migrations (version, applied_at) VALUES ('m20990101_000001_later', 0)",
        "UPDATE settings SET value = '9.0.0' WHERE name = 'written_by'",
    ] {
        fleet.database.execute(sql).await;
    }
    for command in [
        &["serve"][..],
        &["migrate"],
        &["verify"],
        &["token", "list"],
    ] {
        let (succeeded, printed) = fleet.run(command);
        assert!(!succeeded, "{command:?}: {printed}");
        let this = env!("CARGO_PKG_VERSION");
        let expected = format!("this database was written by bluetick 9.0.0; this is {this}");
        assert!(printed.contains(&expected), "{command:?}: {printed}");
    }
    assert_eq!(folders(&folder.join("backups")), Vec::<PathBuf>::new());
}

#[actix_web::test]
async fn backups_on_schedule_are_due_once_kept_in_number_and_leave_other_folders_alone() {
    let app = start_app().await;
    if app.database.is_postgres() {
        app.finish().await;
        return;
    }
    app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let outer = tempfile::tempdir().unwrap();
    let schedule = BackupSchedule {
        directory: outer.path().join("backups"),
        every: Duration::from_hours(24),
        keep: 2,
    };
    let run = async || run_schedule(&app.services, &schedule).await.unwrap();
    let first = run().await.unwrap();
    assert_eq!(first.counts.messages, 1);
    // Of an operator, and unfinished ones of a process that was killed.
    fs::create_dir(schedule.directory.join("by-hand")).unwrap();
    let unfinished = schedule.directory.join("bluetick-20260101T000000000Z");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("bluetick.db"), "x").unwrap();
    app.advance(TimeDelta::hours(23));
    assert_eq!(run().await, None);
    for _ in 0..3 {
        app.advance(TimeDelta::hours(24));
        assert!(run().await.is_some());
    }
    let kept = folders(&schedule.directory);
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept[2].ends_with("by-hand"), "{kept:?}");
    assert_eq!(manifest(&kept[1])["counts"]["messages"], 1);
    app.finish().await;
}

#[actix_web::test]
async fn a_copy_of_a_data_folder_with_an_older_journal_is_restored_with_accepted_loss() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    if fleet.database.is_postgres() {
        return;
    }
    // Not the connections of an ended process.
    let client = bluetick::http_client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let folder = fleet.data_dir(0);
    let deliver = async |id: &str| {
        let body = json!({ "id": id, "status": "delivered", "timestamp": "1763640000" });
        let reply = client
            .post(fleet.callback_url(SOBOT))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(reply.status().is_success());
    };
    let server = fleet.start(0);
    deliver("wamid.first").await;
    assert!(server.terminate().0.success());
    let older = folder.join("older journal");
    fs::copy(folder.join("journal.db"), &older).unwrap();
    let server = fleet.start(0);
    let token = fleet.token();
    let url = format!("{}/api/v1/messages", server.address);
    let request = client
        .post(url)
        .bearer_auth(&token)
        .json(&image_to(SOBOT, CUSTOMER));
    let sent: Value = request.send().await.unwrap().json().await.unwrap();
    deliver("wamid.second").await;
    // Until it is processed.
    while !fleet.run(&["verify"]).1.contains("2 callbacks") {
        tokio::task::yield_now().await;
    }
    assert!(server.terminate().0.success());

    // As a copy that took the journal first, and the database after the second callback.
    let copy = tempfile::tempdir().unwrap();
    fs::copy(folder.join("bluetick.db"), copy.path().join("bluetick.db")).unwrap();
    fs::rename(&older, copy.path().join("journal.db")).unwrap();
    for file in ["bluetick.db", "journal.db"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let copy = copy.path().to_str().unwrap();
    let (succeeded, printed) = fleet.run(&["restore", copy]);
    assert!(!succeeded);
    assert!(printed.contains("--accept-loss"), "{printed}");
    let (succeeded, printed) = fleet.run(&["restore", "--accept-loss", copy]);
    assert!(succeeded, "{printed}");
    assert!(printed.contains("no copy of 1 callback"), "{printed}");
    let (succeeded, printed) = fleet.run(&["verify"]);
    assert!(succeeded, "{printed}");
    // Continues, and a later callback does not get the number of the lost one.
    let server = fleet.start(0);
    deliver("wamid.third").await;
    while !fleet.run(&["verify"]).1.contains("2 callbacks") {
        tokio::task::yield_now().await;
    }
    let id = sent["id"].as_str().unwrap();
    let url = format!("{}/api/v1/messages/{id}", server.address);
    let message = client.get(url).bearer_auth(&token).send().await.unwrap();
    let message: Value = message.json().await.unwrap();
    assert_eq!(message["state"], "uncertain", "{message}");
    assert!(server.terminate().0.success());
}

/// What release 0.1.0 left, made by `scripts/upgrade-fixture`.
async fn load_release(fleet: &Fleet) {
    let read = |name: &str| {
        let packed = fs::File::open(Path::new("tests/fixtures/upgrade").join(name)).unwrap();
        let mut content = Vec::new();
        let mut unpacked = flate2::read::GzDecoder::new(packed);
        unpacked.read_to_end(&mut content).unwrap();
        content
    };
    if fleet.database.is_postgres() {
        let dump = String::from_utf8(read("postgres.sql.gz")).unwrap();
        return fleet.database.execute(&dump).await;
    }
    for name in ["bluetick.db", "journal.db"] {
        let path = fleet.data_dir(0).join(name);
        fs::write(&path, read(&format!("{name}.gz"))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[actix_web::test]
async fn the_databases_of_the_last_release_are_upgraded_with_everything_in_them() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    load_release(&fleet).await;
    let held = async |sql: &str| fleet.database.query(sql).await;
    let number = async |sql: &str| -> i64 { held(sql).await[0].parse().unwrap() };
    let of_states =
        "SELECT state || ' ' || COUNT(*) AS line FROM messages GROUP BY state ORDER BY state";
    let states = held(of_states).await;
    let messages = number("SELECT CAST(COUNT(*) AS text) AS line FROM messages").await;
    let callbacks = number("SELECT CAST(COUNT(*) AS text) AS line FROM callback_outcomes").await;
    let made = number("SELECT CAST(MIN(created_at) AS text) AS line FROM messages").await;
    let made = DateTime::from_timestamp_millis(made).unwrap().date_naive();
    assert!(messages >= 48 && callbacks >= 100 && states.len() > 2);
    // Whatever the date is when the test runs.
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(fleet.data_dir(0).join("bluetick.toml"))
        .unwrap();
    file.write_all(b"[retention]\ncallbacks = 36500\nmessages = 36500\n")
        .unwrap();
    let server = fleet.start(0);
    let log = server.stderr();
    assert!(log.contains("migrated the main database"), "{log}");
    let (succeeded, printed) = fleet.run(&["verify"]);
    assert!(succeeded, "{printed}");
    let checked = format!("checked {callbacks} callbacks, {messages} messages");
    assert!(printed.contains(&checked), "{printed}");
    let token = fleet.token();
    let client = bluetick::http_client::builder().build().unwrap();
    let get = async |path: &str| {
        let url = format!("{}{path}", server.address);
        let reply = client.get(url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        reply.text().await.unwrap()
    };
    let listed: Value = serde_json::from_str(&get("/api/v1/messages?limit=200").await).unwrap();
    let mut listed_states: BTreeMap<&str, usize> = BTreeMap::new();
    for message in listed["data"].as_array().unwrap() {
        let state = message["state"].as_str().unwrap();
        *listed_states.entry(state).or_default() += 1;
    }
    let listed_states: Vec<String> = listed_states
        .iter()
        .map(|(state, number)| format!("{state} {number}"))
        .collect();
    assert_eq!(listed_states, states);
    let next = made + TimeDelta::days(1);
    let counted = format!("/api/v1/reports/summary.json?from={made}&to={next}&by=account");
    let counted: Value = serde_json::from_str(&get(&counted).await).unwrap();
    assert_eq!(counted["total"]["attempted"], messages, "{counted}");
    let failed = get("/messages?state=failed").await;
    let failures = listed["data"].as_array().unwrap().iter();
    for message in failures.filter(|message| message["state"] == "failed") {
        assert!(failed.contains(message["id"].as_str().unwrap()), "{failed}");
    }
    for page in ["/", "/problems", "/callbacks", "/accounts", "/reports"] {
        get(page).await;
    }
    let id = listed["data"][0]["id"].as_str().unwrap();
    get(&format!("/messages/{id}")).await;
    assert!(server.terminate().0.success());
}

#[test]
fn the_installed_files_are_complete() {
    let destination = tempfile::tempdir().unwrap();
    let output = Command::new("scripts/systemd/install")
        .arg(env!("CARGO_BIN_EXE_bluetick"))
        .env("DESTDIR", destination.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for file in [
        "usr/local/bin/bluetick",
        "etc/bluetick/bluetick.toml",
        "etc/systemd/system/bluetick.service",
        "etc/systemd/system/bluetick.socket",
        "usr/share/bash-completion/completions/bluetick",
        "usr/share/zsh/vendor-completions/_bluetick",
        "usr/share/fish/vendor_completions.d/bluetick.fish",
    ] {
        let length = fs::metadata(destination.path().join(file)).map(|file| file.len());
        assert!(length.unwrap_or_default() > 100, "{file}");
    }
    // For commands that are run by hand: the unit's variable is only for the service.
    let config = destination.path().join("etc/bluetick/bluetick.toml");
    let config = fs::read_to_string(config).unwrap();
    let folder = config.lines().filter(|line| line.starts_with("data_dir"));
    assert_eq!(
        folder.collect::<Vec<_>>(),
        ["data_dir = \"/var/lib/bluetick\""]
    );
}

#[test]
fn completions_name_the_subcommands() {
    let output = Command::new(env!("CARGO_BIN_EXE_bluetick"))
        .args(["completions", "bash"])
        .output()
        .unwrap();
    let script = String::from_utf8(output.stdout).unwrap();
    for word in ["erase", "export-person", "doctor", "backup"] {
        assert!(script.contains(word), "{word}");
    }
}
