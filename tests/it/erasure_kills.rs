//! `bluetick erase` beside `serve`, killed with SIGKILL at random moments: run again, it leaves the number in no file.
//!
//! `ERASURE_KILLS=50` kills more often; `scripts/erasure-kills` does so.

use std::process::Stdio;
use std::time::Duration;

use bluetick::http_client;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde_json::{Value, json};

use crate::erasure::{NUMBER, list_traces};
use crate::harness::app::SOBOT;
use crate::harness::fleet::Fleet;
use crate::harness::waiting;

/// Messages to the customer in each round.
const MESSAGES: usize = 20;

async fn post(client: &Client, url: &str, token: &str, body: &Value) {
    let reply = client
        .post(url)
        .bearer_auth(token)
        .json(body)
        .send()
        .await
        .unwrap();
    assert!(
        reply.status().is_success(),
        "{}",
        reply.text().await.unwrap()
    );
}

/// Messages to the customer and to another, with callbacks on all of them, processed.
async fn fill(fleet: &Fleet, client: &Client, token: &str, round: usize) {
    let observed = format!("{}/api/v1/messages/observed", fleet.address);
    for number in 0..MESSAGES {
        for (to, label) in [(NUMBER, "own"), ("447700900456", "other")] {
            let id = format!("wamid.{label}-{round}-{number}");
            let message = json!({ "account": SOBOT, "to": format!("+{to}"), "kind": "image", "provider_id": id });
            post(client, &observed, token, &message).await;
            for status in ["sent", "delivered"] {
                let callback =
                    json!({ "id": id, "status": status, "to": to, "timestamp": "1763640000" });
                post(client, &fleet.callback_url(SOBOT), token, &callback).await;
            }
        }
    }
    let callbacks = 4 * MESSAGES * (round + 1) - 2 * MESSAGES * round;
    let count = format!(
        "SELECT CASE WHEN COUNT(*) >= {callbacks} THEN 'all' ELSE 'some' END AS line FROM callback_outcomes"
    );
    let are_processed = async || fleet.database.query(&count).await == ["all"];
    waiting::until("every callback is processed", are_processed).await;
}

#[actix_web::test]
async fn an_erasure_killed_at_random_moments_is_completed_by_the_next() {
    let kills = std::env::var("ERASURE_KILLS").map_or(3, |text| text.parse().unwrap());
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    let server = fleet.start(0);
    let token = fleet.token();
    let client = http_client::builder().build().unwrap();
    let erase = ["erase", "--phone", "+44 7700 900123"];
    let mut rng = StdRng::seed_from_u64(4);
    // How long an undisturbed one takes here bounds the moment of a kill.
    let mut longest = Duration::from_millis(300);
    let (mut round, mut killed) = (0, 0);
    while killed < kills {
        fill(&fleet, &client, &token, round).await;
        round += 1;
        let mut command = fleet.command(&erase);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Not a wait for a condition: this chooses the moment of the kill.
        tokio::time::sleep(longest.mul_f64(rng.random_range(0.1..1.0))).await;
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        } else {
            longest = longest.mul_f64(0.8);
        }
        child.wait().unwrap();
        let (succeeded, printed) = fleet.run(&erase);
        assert!(succeeded, "{printed}");
        if !fleet.database.is_postgres() {
            let traces = list_traces(&fleet.data_dir(0));
            assert_eq!(traces, Vec::<String>::new(), "round {round}");
        }
        let (succeeded, printed) = fleet.run(&["verify"]);
        assert!(succeeded, "{printed}");
    }
    let others = "SELECT COUNT(*) || '' AS line FROM messages WHERE recipient = '447700900456'";
    let others = fleet.database.query(others).await;
    assert_eq!(others, [(MESSAGES * round).to_string()]);
    assert!(server.terminate().0.success());
    if !fleet.database.is_postgres() {
        assert_eq!(list_traces(&fleet.data_dir(0)), Vec::<String>::new());
    }
    eprintln!("killed {killed} of {round} erasures: nothing left, no discrepancies");
}
