//! A start is refused, with the reason, when key, files or configuration do not belong together.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::operations::{KEY, Place, callback_url, client, printed_lines, until};

const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

#[actix_web::test]
async fn a_foreign_secret_key_is_refused_with_the_reason_until_the_old_one_is_listed() {
    let place = Place::new().await;
    place.serve().terminate();
    place.configure(&format!("secret_key = \"{OTHER_KEY}\""));
    let (code, stdout, stderr) = place.run(&["serve"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains("secret_key is not the one this database was made with"),
        "{stderr}"
    );
    assert!(!stderr.contains(KEY) && !stderr.contains(OTHER_KEY));
    place.configure(&format!(
        "secret_key = \"{OTHER_KEY}\"\nsecret_key_previous = [\"{KEY}\"]"
    ));
    let program = place.serve();
    // Addresses made with the old key still work.
    let reply = client()
        .post(callback_url(&program))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(program.terminate().0.code(), Some(0));
}

/// The files of a database, as one backup holds them.
const FILES: [&str; 2] = ["journal.db", "bluetick.db"];

/// The files of a place whose program has stopped: journal, main database.
fn backup(place: &Place) -> [Vec<u8>; 2] {
    FILES.map(|name| fs::read(place.data().join(name)).unwrap())
}

/// Puts files in place, or takes away the one that is `None`. Nothing of the time before is left beside them.
fn restore(place: &Place, files: [Option<&Vec<u8>>; 2]) {
    for (name, content) in FILES.iter().zip(files) {
        for side in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(place.data().join(format!("{name}{side}")));
        }
        if let Some(content) = content {
            fs::write(place.data().join(name), content).unwrap();
        }
    }
}

/// Serves until so many callbacks more have been taken and applied.
async fn live_through(place: &Place, token: &mut Option<String>, callbacks: &[&str]) {
    let program = place.serve();
    let token = token.get_or_insert_with(|| place.token());
    let client = client();
    for id in callbacks {
        let body = json!({ "id": id, "status": "sent" });
        let reply = client.post(callback_url(&program)).json(&body).send().await;
        assert_eq!(reply.unwrap().status(), 200);
    }
    let url = format!(
        "{}/api/v1/callbacks?outcome=pending&limit=1",
        program.address
    );
    until(
        "the callbacks are applied",
        || client.get(&url).bearer_auth(&token),
        |body| body["data"] == json!([]),
    )
    .await;
    assert_eq!(program.terminate().0.code(), Some(0));
}

#[actix_web::test]
async fn a_restore_that_mixes_files_of_two_times_or_places_is_refused_with_one_line() {
    let place = Place::new().await;
    if place.database.is_postgres() {
        // There both lie in one database, and so in one backup.
        return;
    }
    let mut token = None;
    live_through(&place, &mut token, &[]).await;
    let empty = backup(&place);
    live_through(&place, &mut token, &["wamid.A", "wamid.B"]).await;
    let early = backup(&place);
    live_through(&place, &mut token, &["wamid.C"]).await;
    let late = backup(&place);
    let elsewhere = Place::new().await;
    live_through(&elsewhere, &mut None, &["wamid.D", "wamid.E", "wamid.F"]).await;
    let foreign = backup(&elsewhere);

    let [journal, main] = [0, 1];
    let mixes = [
        (
            "no journal any more",
            None,
            Some(&late[main]),
            "journal.db is missing",
        ),
        (
            "a journal emptied since",
            Some(&empty[journal]),
            Some(&late[main]),
            "but journal.db ends at 0",
        ),
        (
            "a journal older than the database",
            Some(&early[journal]),
            Some(&late[main]),
            "has processed the journal up to ",
        ),
        (
            "a database older than the journal",
            Some(&late[journal]),
            Some(&early[main]),
            "used with a newer bluetick.db",
        ),
        (
            "a database from before the first callback",
            Some(&late[journal]),
            Some(&empty[main]),
            "used with a newer bluetick.db",
        ),
        (
            "a journal of another place",
            Some(&foreign[journal]),
            Some(&late[main]),
            "do not belong together",
        ),
        (
            "a database of another place",
            Some(&late[journal]),
            Some(&foreign[main]),
            "do not belong together",
        ),
        (
            "no database any more",
            Some(&late[journal]),
            None,
            "bluetick.db is missing",
        ),
    ];
    for (what, journal, main, reason) in mixes {
        restore(&place, [journal, main]);
        let (code, stdout, stderr) = place.run(&["serve"]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{what}: {stderr}");
        let lines = printed_lines(&stderr);
        assert_eq!(lines.len(), 1, "{what}: {stderr}");
        assert!(lines[0].contains(reason), "{what}: {stderr}");
        for (name, restored) in FILES.iter().zip([journal, main]) {
            // Nothing is made that would lie beside the file when it is restored.
            if restored.is_none() {
                assert!(!names(&place).iter().any(|n| n.starts_with(name)), "{what}");
            }
        }
    }

    restore(&place, [Some(&late[journal]), Some(&late[main])]);
    live_through(&place, &mut token, &["wamid.G"]).await;
}

/// What lies in a place's data folder.
fn names(place: &Place) -> BTreeSet<String> {
    let entries = fs::read_dir(place.data()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[actix_web::test]
async fn a_lost_database_is_refused_before_anything_is_made_however_often_it_is_tried() {
    let place = Place::new().await;
    if place.database.is_postgres() {
        return;
    }
    // The key is made, and would be again.
    place.configure("");
    place.serve().terminate();
    for name in ["bluetick.db", "secret_key"] {
        fs::remove_file(place.data().join(name)).unwrap();
    }
    let left = names(&place);
    for command in ["serve", "migrate", "rebuild", "serve"] {
        let (code, stdout, stderr) = place.run(&[command]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{command}");
        assert_eq!(
            printed_lines(&stderr),
            [
                "bluetick: bluetick.db is missing, but the journal already has callbacks; restore both from one backup, or move journal.db away to start with a new database"
            ]
        );
        assert_eq!(names(&place), left, "{command} made something");
    }
    fs::remove_file(place.data().join("journal.db")).unwrap();
    assert_eq!(place.serve().terminate().0.code(), Some(0));
}

#[actix_web::test]
async fn a_read_only_command_names_the_missing_journal() {
    let place = Place::new().await;
    if place.database.is_postgres() {
        return;
    }
    place.configure("");
    place.serve().terminate();
    fs::remove_file(place.data().join("journal.db")).unwrap();
    let (code, stdout, stderr) = place.run(&["verify"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert_eq!(
        printed_lines(&stderr),
        ["bluetick: journal.db is missing, but bluetick.db exists; restore both from one backup"]
    );
    assert!(!names(&place).contains("journal.db"));
}

#[actix_web::test]
async fn an_interrupted_first_start_is_completed() {
    let place = Place::new().await;
    if place.database.is_postgres() {
        return;
    }
    // Before the journal's tables were made, and after.
    fs::write(place.data().join("journal.db"), "").unwrap();
    assert_eq!(place.run(&["migrate"]).0, Some(0));
    fs::remove_file(place.data().join("bluetick.db")).unwrap();
    assert_eq!(place.serve().terminate().0.code(), Some(0));
}

#[actix_web::test]
async fn serve_names_every_wrong_key_of_its_configuration() {
    let place = Place::new().await;
    place.configure("secret_key = \"short\"\nlistn = 1\nretention = { callbacks = 0 }\npublic_url = \"nowhere\"");
    let (code, stdout, stderr) = place.run(&["serve"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    for key in [
        "secret_key:",
        "listn:",
        "retention.callbacks:",
        "public_url:",
    ] {
        assert!(stderr.contains(key), "{key} in {stderr}");
    }
    assert_eq!(stderr.lines().count(), 4, "{stderr}");
}

#[actix_web::test]
async fn a_made_secret_key_is_needed_as_long_as_its_database_lives() {
    let place = Place::new().await;
    if place.database.is_postgres() {
        return;
    }
    place.configure("");
    place.serve().terminate();
    fs::remove_file(place.data().join("secret_key")).unwrap();
    let (code, _, stderr) = place.run(&["serve"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is missing; restore it"), "{stderr}");
}
