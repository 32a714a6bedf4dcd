//! `demo --history`: past days that all checks accept.

use std::fs;

use bluetick::domain::clock::{Clock, SystemClock};
use chrono::TimeDelta;
use serde_json::Value;

use crate::harness::program::{Program, command};

#[actix_web::test]
async fn the_history_of_the_demo_is_consistent_and_has_every_account_and_state() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(
        command(&["demo", "--history", "3d"], &[("TMPDIR", folder.path())]),
        &folder.path().join("stderr"),
    );
    let data = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let run = |arguments: &[&str]| {
        let output = command(arguments, &[("BLUETICK_DATA_DIR", data.as_path())])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (_, token) = run(&["token", "create", "--name", "test", "--scopes", "read"]);
    let from = (SystemClock.now() - TimeDelta::days(2)).format("%Y-%m-%d");
    let stats: Value = bluetick::http_client::builder()
        .build()
        .unwrap()
        .get(format!(
            "{}/api/v1/stats?bucket=day&from={from}&to={from}",
            program.address
        ))
        .bearer_auth(token.trim())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let data = stats["data"].as_array().unwrap();
    let sum = |account: &str, state: &str| -> i64 {
        let of_account = data.iter().filter(|it| it["account"] == account);
        of_account
            .filter_map(|it| it["states"][state].as_i64())
            .sum()
    };
    for account in ["kaleyra-in", "lancepilot-br", "sobot-main", "zixflow-main"] {
        assert!(sum(account, "read") > 10, "{account}: {stats}");
        assert!(sum(account, "delivered") > 3, "{account}: {stats}");
    }
    assert!(sum("kaleyra-in", "failed") > 0, "{stats}");
    let (status, found) = run(&["verify"]);
    assert_eq!(status, Some(0), "{found}");
    program.terminate();
}
