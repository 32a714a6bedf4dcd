//! `demo --history`: past days that all checks accept.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use bluetick::domain::clock::{Clock, SystemClock};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::harness::program::{Program, command, run_to_end, says_busy};

/// Each of which waits for seconds.
const ATTEMPTS: usize = 20;

struct Api {
    base: String,
    token: String,
    client: reqwest::Client,
}

impl Api {
    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.base));
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let reply = request.bearer_auth(&self.token).send().await.unwrap();
        let status = reply.status();
        let text = reply.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// The orphans of the past days. A report of the live traffic may be one too, until its message's
/// submission is stored.
async fn orphans_before(api: &Api, start: DateTime<Utc>) -> Vec<Value> {
    let orphans = api.get("/orphans").await;
    let orphans = orphans["data"].as_array().unwrap().iter();
    orphans
        .filter(|orphan| {
            let received = orphan["first_received_at"].as_str().unwrap();
            DateTime::parse_from_rfc3339(received).unwrap() < start
        })
        .cloned()
        .collect()
}

/// Two messages went to one customer at once, so each report may belong to either.
async fn match_an_orphan(api: &Api, start: DateTime<Utc>) {
    let orphans = orphans_before(api, start).await;
    // One message in a thousand is never reported.
    assert!(orphans.len() >= 3, "{orphans:?}");
    for orphan in &orphans {
        assert_eq!(orphan["account"], "lancepilot-br", "{orphan}");
        let suggestions = orphan["suggestions"].as_array().unwrap();
        assert_eq!(suggestions.len(), 2, "{orphan}");
    }
    let (id, message) = (&orphans[0]["id"], &orphans[0]["suggestions"][0]);
    let path = format!("{}/orphans/{}/match", api.base, id.as_str().unwrap());
    let body = serde_json::json!({ "message_id": message });
    api.send(api.client.post(path).json(&body)).await;
    let left = orphans_before(api, start).await;
    assert_eq!(left.len(), orphans.len() - 1, "{left:?}");
}

#[test]
fn the_demo_does_not_start_on_a_port_that_is_in_use() {
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = used.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = run_to_end(command(
        &["demo", "--port", &port],
        &[("TMPDIR", folder.path())],
    ));
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let expected = format!("cannot listen on port {port}: ");
    assert!(stderr.contains(&expected), "{stderr}");
}

/// Runs a command, again while it fails because a slow disk keeps the database busy. Returns what it printed.
fn run_beside_serve(arguments: &[&str], data: &Path) -> String {
    for _ in 0..ATTEMPTS {
        let output = run_to_end(command(arguments, &[("BLUETICK_DATA_DIR", data)]));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        if output.status.success() {
            return stdout;
        }
        assert!(says_busy(&stderr), "{stdout}{stderr}");
    }
    panic!("the database is busy all the time");
}

#[actix_web::test]
async fn the_history_of_the_demo_is_consistent_and_has_every_account_state_and_reports_to_match() {
    let folder = tempfile::tempdir().unwrap();
    let start = SystemClock.now();
    let program = Program::start(
        command(&["demo", "--history", "3d"], &[("TMPDIR", folder.path())]),
        &folder.path().join("stderr"),
    );
    let data = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let run = |arguments: &[&str]| run_beside_serve(arguments, &data);
    let scopes = "read,operate";
    let token = run(&["token", "create", "--name", "test", "--scopes", scopes]);
    let from = (SystemClock.now() - TimeDelta::days(2)).format("%Y-%m-%d");
    let api = Api {
        base: format!("{}/api/v1", program.address),
        token: token.trim().to_owned(),
        client: bluetick::http_client::builder().build().unwrap(),
    };
    let stats = api
        .get(&format!("/stats?bucket=day&from={from}&to={from}"))
        .await;
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
    match_an_orphan(&api, start).await;
    run(&["verify"]);
    program.terminate();
}
