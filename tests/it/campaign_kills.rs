//! A campaign of 2,000 rows, some of them bad, on one or two real processes: started, paused, killed several times, resumed, cancelled
//! half way. Every provider call is made once, and the counts agree with the provider's log.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;
use bluetick::simulator::{FaultRates, Settings, Simulator};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde_json::{Value, json};

use crate::harness::app::SOBOT;
use crate::harness::fleet::Fleet;
use crate::harness::program::Program;
use crate::harness::waiting;

const ROWS: usize = 2_000;
const KILLS: usize = 5;
/// Of every step.
const TIMEOUT: Duration = Duration::from_mins(2);

struct Console {
    client: Client,
    address: String,
    token: String,
}

impl Console {
    /// Repeats a request until a process answers it.
    async fn call(&self, method: &str, path: &str, body: Option<(&str, String)>) -> Value {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let url = format!("{}/api/v1{path}", self.address);
            let request = self.client.request(method.parse().unwrap(), url);
            let request = match &body {
                Some((kind, text)) => request.header("content-type", *kind).body(text.clone()),
                None => request,
            };
            match request.bearer_auth(&self.token).send().await {
                Ok(reply) if reply.status() != 503 => {
                    let status = reply.status();
                    let text = reply.text().await.unwrap_or_default();
                    assert!(status.is_success(), "{method} {path}: {status} {text}");
                    if let Ok(value) = serde_json::from_str(&text) {
                        return value;
                    }
                }
                // The process was killed.
                Ok(_) | Err(_) => {}
            }
            assert!(Instant::now() < deadline, "{method} {path}");
            waiting::pause().await;
        }
    }

    async fn show(&self) -> Value {
        self.call("GET", "/campaigns/summer-sale", None).await
    }

    async fn act(&self, action: &str) -> Value {
        self.call("POST", &format!("/campaigns/summer-sale/{action}"), None)
            .await
    }

    /// Waits until this many messages have left the queue.
    async fn wait_for_progress(&self, done: u64) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let campaign = self.show().await;
            if campaign["progress"]["done"].as_u64().unwrap() >= done {
                return;
            }
            assert!(Instant::now() < deadline, "{campaign}");
            waiting::pause().await;
        }
    }
}

/// Rows with mistakes of many kinds, and the lines that are bad.
fn rows() -> (String, Vec<u64>) {
    let mut text = "to,name,city,client_reference\n".to_owned();
    let mut bad = Vec::new();
    for number in 0..ROWS {
        let good = format!("+44770{number:07},Ines {number},Leeds,order-{number}");
        let long = "x".repeat(300);
        let mistake = match (number % 40, number / 40 % 6) {
            (7, 0) => Some(format!("12,Ines,Leeds,order-{number}")),
            (7, 1) => Some(format!("+44770{number:07},,Leeds,order-{number}")),
            (7, 2) => Some(format!("+44770{number:07},Ines,,order-{number}")),
            (7, 3) => Some(format!("+44770{number:07},Ines,Leeds,{long}")),
            (7, 4) => Some(format!("+44770{number:07},\"Ines,Leeds,order-{number}")),
            (7, _) => Some(format!("+44770{number:07},Ines,Leeds,order-{number},more")),
            _ => None,
        };
        if mistake.is_some() {
            bad.push(number as u64 + 2);
        }
        writeln!(text, "{}", mistake.unwrap_or(good)).unwrap();
    }
    (text, bad)
}

/// Kills a process and starts it again, several times.
async fn kill(fleet: &Arc<Fleet>, mut running: Vec<Program>, seed: u64) -> Vec<Program> {
    let fleet = Arc::clone(fleet);
    let kills = move || {
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..KILLS {
            // Not a wait for a condition: this chooses the moment of the kill.
            std::thread::sleep(Duration::from_millis(rng.random_range(100..700)));
            let victim = rng.random_range(0..running.len());
            running.remove(victim).kill();
            running.insert(victim, fleet.start(victim));
        }
        running
    };
    rt::task::spawn_blocking(kills).await.unwrap()
}

#[actix_web::test]
async fn a_campaign_that_is_paused_killed_resumed_and_cancelled_calls_the_provider_once_per_message()
 {
    let settings = Settings {
        seed: 7,
        pace: 0.0,
        faults: FaultRates::default(),
        remembered_requests: 2 * ROWS,
        ..Settings::default()
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = Simulator::start(settings, socket).unwrap();
    let fleet = Arc::new(Fleet::new(2, &simulator.base_url()).await);
    simulator.set_targets(fleet.callback_targets());
    let start_all = || {
        let fleet = Arc::clone(&fleet);
        let start = move || {
            fleet
                .replicas()
                .map(|replica| fleet.start(replica))
                .collect()
        };
        rt::task::spawn_blocking(start)
    };
    let token = fleet.token();
    let running: Vec<Program> = start_all().await.unwrap();
    let console = Console {
        client: bluetick::http_client::builder()
            .timeout(TIMEOUT)
            .build()
            .unwrap(),
        address: fleet.address.clone(),
        token,
    };
    let draft = json!({
        "account": SOBOT, "name": "Summer sale", "kind": "image", "caption": "Hello {{name}} in {{city}}",
        "media": { "url": "https://media.example.com/a.jpg" },
        // Not done before it is paused, however fast the machine is.
        "rate": 100,
    });
    let body = Some(("application/json", draft.to_string()));
    console.call("POST", "/campaigns", body).await;
    let (text, bad) = rows();
    let upload = Some(("text/csv", text));
    let report = console
        .call("POST", "/campaigns/summer-sale/recipients", upload)
        .await;
    let lines: Vec<u64> = report["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, bad);
    let accepted = (ROWS - bad.len()) as u64;
    assert_eq!(report["accepted"], accepted);

    console.act("start").await;
    console.wait_for_progress(50).await;
    let running = kill(&fleet, running, 1).await;
    assert_eq!(console.act("pause").await["state"], "paused");
    let running = kill(&fleet, running, 2).await;
    assert_eq!(console.show().await["state"], "paused");
    console.act("resume").await;
    console.wait_for_progress(accepted / 2).await;
    console.act("cancel").await;
    let running = kill(&fleet, running, 3).await;

    // What was being submitted when its process was killed becomes uncertain.
    let database = &fleet.database;
    let queued = "SELECT state AS line FROM messages WHERE queue = 'queued'";
    let are_sent = async || database.query(queued).await.is_empty();
    waiting::until("nothing is queued", are_sent).await;
    let stop = |running: Vec<Program>| {
        rt::task::spawn_blocking(move || {
            for program in running {
                let (status, log) = program.terminate();
                assert_eq!(status.code(), Some(0), "{log}");
            }
        })
    };
    stop(running).await.unwrap();
    database
        .execute("UPDATE messages SET lease_until = 0 WHERE queue = 'sending'")
        .await;
    let running: Vec<Program> = start_all().await.unwrap();
    let unfinished = "SELECT state AS line FROM messages WHERE queue IN ('queued', 'sending')";
    let are_done = async || database.query(unfinished).await.is_empty();
    waiting::until("nothing is being sent", are_done).await;
    simulator.idle().await;

    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for request in simulator.received() {
        let body = request.json();
        let customer = body["customer_number"].as_str().unwrap().to_owned();
        *calls.entry(customer).or_default() += 1;
    }
    let twice: Vec<_> = calls.iter().filter(|(_, number)| **number > 1).collect();
    assert!(twice.is_empty(), "called more than once: {twice:?}");
    let sent = "SELECT recipient AS line FROM messages WHERE origin = 'api' AND state NOT IN ('cancelled', 'uncertain')";
    let sent = database.query(sent).await;
    let unknown: Vec<_> = sent.iter().filter(|to| !calls.contains_key(*to)).collect();
    assert!(unknown.is_empty(), "never called: {unknown:?}");
    let uncertain =
        "SELECT recipient AS line FROM messages WHERE origin = 'api' AND state = 'uncertain'";
    let uncertain = database.query(uncertain).await;
    let unsent = calls
        .keys()
        .filter(|to| !sent.contains(to) && !uncertain.contains(to));
    assert_eq!(unsent.count(), 0, "called and not recorded");
    let recipients = database
        .query("SELECT recipient AS line FROM messages WHERE origin = 'api' GROUP BY recipient HAVING count(*) > 1")
        .await;
    assert!(recipients.is_empty(), "two messages to {recipients:?}");

    let campaign = console.show().await;
    assert_eq!(campaign["state"], "cancelled");
    let counts = campaign["counts"].as_object().unwrap();
    let total: u64 = counts.values().map(|number| number.as_u64().unwrap()).sum();
    assert_eq!(total, accepted, "{campaign}");
    let cancelled = counts["cancelled"].as_u64().unwrap();
    assert!(cancelled > 0, "{campaign}");
    assert_eq!(total - cancelled, (sent.len() + uncertain.len()) as u64);
    eprintln!("{} calls, {campaign}", calls.len());
    stop(running).await.unwrap();
    simulator.stop().await.unwrap();
}

/// Messages per kill that may be uncertain although the provider received nothing: those whose
/// bytes had not left yet when their calls had begun.
const UNSEEN_PER_KILL: usize = 3;
/// Far more than that wait for their slots at a time.
const RATE: u32 = 200;

#[actix_web::test]
async fn what_waits_for_its_slot_when_the_process_is_killed_is_sent_afterwards() {
    let settings = Settings {
        seed: 9,
        pace: 0.0,
        faults: FaultRates::default(),
        remembered_requests: 2 * ROWS,
        ..Settings::default()
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = Simulator::start(settings, socket).unwrap();
    let fleet = Arc::new(Fleet::new(1, &simulator.base_url()).await);
    if fleet.database.is_postgres() {
        simulator.stop().await.unwrap();
        return;
    }
    simulator.set_targets(fleet.callback_targets());
    let file = fleet.data_dir(0).join("bluetick.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let provider = "provider = \"sobot\"\n";
    assert!(text.contains(provider));
    let limited = text.replace(provider, &format!("{provider}rate = {RATE}\n"));
    std::fs::write(&file, limited).unwrap();
    let starting = Arc::clone(&fleet);
    let running = rt::task::spawn_blocking(move || vec![starting.start(0)]);
    let running = running.await.unwrap();
    let console = Console {
        client: bluetick::http_client::builder()
            .timeout(TIMEOUT)
            .build()
            .unwrap(),
        address: fleet.address.clone(),
        token: fleet.token(),
    };
    let draft = json!({
        "account": SOBOT, "name": "Summer sale", "kind": "image",
        "media": { "url": "https://media.example.com/a.jpg" },
    });
    let body = Some(("application/json", draft.to_string()));
    console.call("POST", "/campaigns", body).await;
    let mut rows = "to,name\n".to_owned();
    for number in 0..ROWS {
        writeln!(rows, "+44770{number:07},Ines").unwrap();
    }
    let upload = Some(("text/csv", rows));
    let path = "/campaigns/summer-sale/recipients";
    console.call("POST", path, upload).await;
    console.act("start").await;
    console.wait_for_progress(50).await;
    let running = kill(&fleet, running, 4).await;
    let unfinished = "SELECT state AS line FROM messages WHERE queue IN ('queued', 'sending')";
    let are_done = async || {
        console.show().await["state"] == "done" && fleet.database.query(unfinished).await.is_empty()
    };
    waiting::until("the campaign is done", are_done).await;
    simulator.idle().await;

    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for request in simulator.received() {
        let customer = request.json()["customer_number"]
            .as_str()
            .unwrap()
            .to_owned();
        *calls.entry(customer).or_default() += 1;
    }
    assert!(calls.values().all(|number| *number == 1), "{calls:?}");
    let uncertain = "SELECT recipient AS line FROM messages WHERE state = 'uncertain'";
    let uncertain = fleet.database.query(uncertain).await;
    let unseen = uncertain.iter().filter(|to| !calls.contains_key(*to));
    let unseen = unseen.count();
    eprintln!(
        "{KILLS} kills: {} uncertain, of which the provider received all but {unseen}",
        uncertain.len()
    );
    assert!(
        unseen <= KILLS * UNSEEN_PER_KILL,
        "{unseen} of {}",
        uncertain.len()
    );
    assert_eq!(calls.len() + unseen, ROWS);
    rt::task::spawn_blocking(move || {
        for program in running {
            program.terminate();
        }
    })
    .await
    .unwrap();
    simulator.stop().await.unwrap();
}
