//! A command that cannot do its work names the argument, file or setting, and says what to do.

use std::fs;
use std::path::Path;

use crate::harness::fleet::Fleet;
use crate::harness::program::{command, run_to_end, says_busy};
use crate::operations::{ACCOUNT, Place};

/// Runs a command that fails; returns what it printed.
fn failure(place: &Place, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = place.run(arguments);
    assert!(
        matches!(code, Some(1 | 2)),
        "{arguments:?}: {code:?} {stdout} {stderr}"
    );
    stderr
}

#[actix_web::test]
async fn wrong_arguments_and_files_are_named_with_what_is_right() {
    let place = Place::new().await;
    let file = |name: &str, text: &str| {
        let path = place.database.folder().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (empty, customers) = (file("empty.csv", ""), file("c.csv", "to\n+447700900123\n"));
    let unknown = "there is no account nope";
    let campaign = [
        "campaign",
        "send",
        &customers,
        "--account",
        ACCOUNT,
        "--name",
        "x",
        "--media",
        "https://media.example.com/a.pdf",
    ];
    let mut without_file = campaign;
    without_file[2] = "nosuch.csv";
    let without_media = &campaign[..campaign.len() - 2];
    let kind = ["--kind", "image"].as_slice();
    let (_, printed, _) = place.run(&[without_media, kind].concat());
    let expected =
        "line 2, media_url: is missing, and the campaign has no media for all recipients";
    assert!(printed.contains(expected), "{printed}");
    for (arguments, expected) in [
        (
            &["account", "pause", "nope"][..],
            format!("{unknown} yet; the first `bluetick serve` adds those of the configuration"),
        ),
        (
            &["erase", "--phone", "123"],
            "--phone has 3 digits; an international number has 7 to 15; write the number with its country code".to_owned(),
        ),
        // The erasure read the accounts of the configuration, as `serve` does.
        (
            &["account", "resume", "nope"],
            format!("{unknown}; the accounts are {ACCOUNT}"),
        ),
        (
            &["export-person", "--phone", "12"],
            "--phone has 2 digits".to_owned(),
        ),
        (
            &campaign,
            "--media https://media.example.com/a.pdf does not end in .jpg, .jpeg, .png, .mp4 or .3gp".to_owned(),
        ),
        (
            &without_file,
            "cannot read nosuch.csv: No such file or directory".to_owned(),
        ),
        (
            without_media,
            "without --media, add --kind image or --kind video".to_owned(),
        ),
        (
            &["report", "diff", &empty, "--provider", "kaleyra"],
            format!("{empty} is empty"),
        ),
    ] {
        let printed = failure(&place, arguments);
        assert!(printed.contains(&expected), "{arguments:?}: {printed}");
    }
    let loud = run_to_end(place.serve_command("loud"));
    let printed = String::from_utf8(loud.stderr).unwrap();
    assert!(
        printed.starts_with("bluetick: BLUETICK_LOG: `loud` is not a level; those are error, "),
        "{printed}"
    );
    place.configure(&format!(
        "rates_file = \"{empty}\"\nsecret_key = \"{}\"",
        crate::operations::KEY
    ));
    let printed = failure(&place, &["export"]);
    let expected =
        format!("rates_file: {empty} is empty; its first line names valid_from, account");
    assert!(printed.contains(&expected), "{printed}");
}

#[actix_web::test]
async fn a_command_that_finds_the_database_busy_says_so_and_works_afterwards() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    // Creates the database.
    fleet.token();
    let create = ["token", "create", "--name", "other", "--scopes", "read"];
    let lock = fleet.database.hold_main_writer().await;
    let (succeeded, printed) = fleet.run(&create);
    assert!(!succeeded && says_busy(&printed), "{printed}");
    lock.release().await;
    let (succeeded, printed) = fleet.run(&create);
    assert!(succeeded, "{printed}");
}

#[actix_web::test]
async fn an_export_of_an_unknown_customer_says_that_nothing_is_stored() {
    let place = Place::new().await;
    let output = place.database.folder().join("customer.zip");
    let arguments = ["--phone", "+447700900123", "--output"];
    let export = [
        &["export-person"],
        &arguments[..],
        &[output.to_str().unwrap()],
    ]
    .concat();
    let (code, printed, _) = place.run(&export);
    assert_eq!(code, Some(0));
    assert!(
        printed.ends_with("\nnote: nothing about this customer is stored; check the number\n"),
        "{printed}"
    );
}

#[test]
fn a_command_that_creates_an_installation_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let run = || {
        let variables = [("BLUETICK_DATA_DIR", data.as_path())];
        let output = run_to_end(command(&["token", "list"], &variables));
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let note = format!(
        "note: {} did not exist; a new, empty installation was created there\n",
        data.display()
    );
    assert_eq!(run(), note);
    assert_eq!(run(), "");
}

#[test]
fn a_file_that_is_no_database_and_a_folder_that_cannot_be_created_are_named_with_their_settings() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["bluetick.db", "journal.db", "file"] {
        fs::write(
            folder.path().join(name),
            "not a database, but a text\n".repeat(50),
        )
        .unwrap();
    }
    let run = |data_dir: &Path| {
        let variables = [("BLUETICK_DATA_DIR", data_dir)];
        let output = run_to_end(command(&["token", "list"], &variables));
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    // Without the key, the database is not opened.
    fs::write(folder.path().join("secret_key"), "k".repeat(44)).unwrap();
    let printed = run(folder.path());
    let journal = folder.path().join("journal.db");
    assert!(
        printed.contains(&format!("{}: ", journal.display()))
            && printed.contains("correct data_dir or database_url"),
        "{printed}"
    );
    let printed = run(&folder.path().join("file/data"));
    assert!(
        printed.contains("set data_dir (or BLUETICK_DATA_DIR) to a folder"),
        "{printed}"
    );
}
