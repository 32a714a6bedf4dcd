//! A campaign with bad rows on one or more real processes: checked, started, paused, killed several times, resumed, cancelled half way,
//! partly resent. Every provider call is made once, and the counts agree with the provider's log.
//!
//! `CAMPAIGN_ROWS=20000 CAMPAIGN_KILLS=20` is larger; `scripts/campaign` does so on both engines, with one process and with two.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;
use bluetick::journal::Journal;
use bluetick::simulator::{FaultRates, ReceivedRequest, Settings, Simulator, SimulatorHandle};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde_json::{Value, json};

use crate::harness::app::SOBOT;
use crate::harness::fleet::Fleet;
use crate::harness::program::Program;
use crate::harness::waiting;

/// Of every step.
const TIMEOUT: Duration = Duration::from_mins(5);
/// One row of so many is bad: 137 of 20,000.
const GOOD_AND_BAD: usize = 146;
/// Of the failures that are resent.
const CLASS: &str = "media";
const MEDIA: &str = "https://media.example.com/a.jpg";
const OTHER_MEDIA: &str = "https://media.example.com/b.jpg";

fn setting<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().unwrap(),
        Err(_) => default,
    }
}

struct Console {
    client: Client,
    address: String,
    token: String,
}

impl Console {
    fn new(fleet: &Fleet) -> Self {
        let client = bluetick::http_client::builder().timeout(TIMEOUT).build();
        Self {
            client: client.unwrap(),
            address: fleet.address.clone(),
            token: fleet.token(),
        }
    }

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

    async fn post_json(&self, path: &str, body: &Value) -> Value {
        let body = Some(("application/json", body.to_string()));
        self.call("POST", path, body).await
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
fn rows(number: usize) -> (String, Vec<u64>) {
    let mut text = "to,name,city,client_reference\n".to_owned();
    let mut bad = Vec::new();
    for number in 0..number {
        let good = format!("+44770{number:07},Ines {number},Leeds,order-{number}");
        let long = "x".repeat(300);
        let mistake = match (number % GOOD_AND_BAD, number / GOOD_AND_BAD % 6) {
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

/// Processes that are killed and started again.
struct Victims {
    fleet: Arc<Fleet>,
    running: Vec<Program>,
    rng: StdRng,
    /// Uncertain messages at each kill.
    uncertain: Vec<usize>,
}

impl Victims {
    async fn start(fleet: &Arc<Fleet>, seed: u64) -> Self {
        let mut victims = Self {
            fleet: Arc::clone(fleet),
            running: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            uncertain: Vec::new(),
        };
        for replica in fleet.replicas() {
            let program = victims.start_one(replica).await;
            victims.running.push(program);
        }
        victims
    }

    async fn start_one(&self, replica: usize) -> Program {
        let fleet = Arc::clone(&self.fleet);
        let start = move || fleet.start(replica);
        rt::task::spawn_blocking(start).await.unwrap()
    }

    async fn kill(&mut self, times: usize) {
        for _ in 0..times {
            // Not a wait for a condition: this chooses the moment of the kill.
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(100..700))).await;
            self.uncertain.push(uncertain(&self.fleet).await.len());
            let victim = self.rng.random_range(0..self.running.len());
            self.running.remove(victim).kill();
            let program = self.start_one(victim).await;
            self.running.insert(victim, program);
        }
    }

    async fn stop(self) {
        let stop = move || {
            for program in self.running {
                let (status, log) = program.terminate();
                assert_eq!(status.code(), Some(0), "{log}");
            }
        };
        rt::task::spawn_blocking(stop).await.unwrap();
    }

    /// How many messages each kill left uncertain.
    async fn uncertain_per_kill(&self) -> Vec<usize> {
        let last = uncertain(&self.fleet).await.len();
        let after = self.uncertain.iter().skip(1).chain([&last]);
        let before = self.uncertain.iter();
        before
            .zip(after)
            .map(|(before, after)| after - before)
            .collect()
    }
}

async fn uncertain(fleet: &Fleet) -> Vec<String> {
    let uncertain =
        "SELECT recipient AS line FROM messages WHERE origin = 'api' AND state = 'uncertain'";
    fleet.database.query(uncertain).await
}

/// Waits until no message is queued or claimed.
async fn wait_for_queue(fleet: &Fleet) {
    let unfinished = "SELECT state AS line FROM messages WHERE queue IN ('queued', 'sending')";
    let are_done = async || fleet.database.query(unfinished).await.is_empty();
    waiting::until("nothing is being sent", are_done).await;
}

/// Waits until every callback is applied.
async fn wait_for_callbacks(fleet: &Fleet) {
    let journal = Journal::open(fleet.database.journal().await).await.unwrap();
    let store = fleet.database.main().await;
    let are_applied = async || store.position().await.unwrap() >= journal.end().await.unwrap();
    waiting::until("every callback is applied", are_applied).await;
    journal.close().await.unwrap();
    store.close().await.unwrap();
}

/// Runs a command without blocking other tasks.
async fn run(fleet: &Arc<Fleet>, arguments: &[&str]) -> (bool, String) {
    let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
    let fleet = Arc::clone(fleet);
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        fleet.run(&arguments)
    };
    rt::task::spawn_blocking(run).await.unwrap()
}

fn recipient(request: &ReceivedRequest) -> String {
    let body = request.json();
    body["customer_number"].as_str().unwrap().to_owned()
}

/// Calls per recipient.
fn count_calls(simulator: &SimulatorHandle) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for request in simulator.received() {
        *calls.entry(recipient(&request)).or_default() += 1;
    }
    calls
}

fn start_simulator(seed: u64, requests: usize) -> SimulatorHandle {
    let settings = Settings {
        seed,
        pace: 0.0,
        faults: FaultRates::default(),
        remembered_requests: requests,
        ..Settings::default()
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Simulator::start(settings, socket).unwrap()
}

/// The command and the API name every bad line and store nothing.
async fn check_preview(fleet: &Arc<Fleet>, console: &Console, text: &str, bad: &[u64]) {
    let file = fleet.data_dir(0).join("customers.csv");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let send = [
        "campaign",
        "send",
        file,
        "--account",
        SOBOT,
        "--name",
        "Summer sale",
        "--media",
        MEDIA,
        "--dry-run",
        "--caption",
        "Hello {{name}} in {{city}}",
    ];
    let (succeeded, printed) = run(fleet, &send).await;
    assert!(!succeeded, "{printed}");
    let named = printed.lines().filter_map(|line| {
        let (number, _) = line.strip_prefix("line ")?.split_once(',')?;
        number.parse().ok()
    });
    assert_eq!(named.collect::<Vec<u64>>(), bad);

    let path = "/campaigns/summer-sale/recipients?dry_run=true";
    let upload = Some(("text/csv", text.to_owned()));
    let report = console.call("POST", path, upload).await;
    assert_eq!(lines(&report), bad);
    assert_eq!(console.show().await["recipients"]["accepted"], 0);
}

fn lines(report: &Value) -> Vec<u64> {
    let rejected = report["rejected"].as_array().unwrap().iter();
    rejected.map(|row| row["line"].as_u64().unwrap()).collect()
}

#[actix_web::test]
async fn a_campaign_that_is_paused_killed_resumed_and_cancelled_calls_the_provider_once_per_message()
 {
    let (number, kills) = (
        setting("CAMPAIGN_ROWS", 2_000),
        setting("CAMPAIGN_KILLS", 15),
    );
    let simulator = start_simulator(7, 2 * number);
    let replicas = setting("CAMPAIGN_REPLICAS", 2);
    let fleet = Arc::new(Fleet::new(replicas, &simulator.base_url()).await);
    simulator.set_targets(fleet.callback_targets());
    let mut victims = Victims::start(&fleet, 1).await;
    let console = Console::new(&fleet);
    let draft = json!({
        "account": SOBOT, "name": "Summer sale", "kind": "image", "caption": "Hello {{name}} in {{city}}",
        "media": { "url": MEDIA },
        // Not done before it is cancelled, though each start of a process took seconds.
        "rate": number / 100,
    });
    console.post_json("/campaigns", &draft).await;
    let (text, bad) = rows(number);
    check_preview(&fleet, &console, &text, &bad).await;
    let path = "/campaigns/summer-sale/recipients";
    let report = console.call("POST", path, Some(("text/csv", text))).await;
    assert_eq!(lines(&report), bad);
    let accepted = (number - bad.len()) as u64;
    assert_eq!(report["accepted"], accepted);

    console.act("start").await;
    console.wait_for_progress(50).await;
    victims.kill(kills - 3 * (kills / 5)).await;
    assert_eq!(console.act("pause").await["state"], "paused");
    victims.kill(kills / 5).await;
    assert_eq!(console.show().await["state"], "paused");
    console.act("resume").await;
    victims.kill(kills / 5).await;
    console.wait_for_progress(accepted / 4).await;
    console.act("cancel").await;
    victims.kill(kills / 5).await;
    wait_for_queue(&fleet).await;
    simulator.idle().await;
    wait_for_callbacks(&fleet).await;

    let calls = count_calls(&simulator);
    let twice: Vec<_> = calls.iter().filter(|(_, number)| **number > 1).collect();
    assert!(twice.is_empty(), "called more than once: {twice:?}");
    let database = &fleet.database;
    let sent = "SELECT recipient AS line FROM messages WHERE origin = 'api' AND state NOT IN ('cancelled', 'uncertain')";
    let sent: BTreeSet<String> = database.query(sent).await.into_iter().collect();
    let unknown: Vec<_> = sent.iter().filter(|to| !calls.contains_key(*to)).collect();
    assert!(unknown.is_empty(), "never called: {unknown:?}");
    let uncertain: BTreeSet<String> = uncertain(&fleet).await.into_iter().collect();
    let unsent = calls
        .keys()
        .filter(|to| !sent.contains(*to) && !uncertain.contains(*to));
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
    let unseen = uncertain.iter().filter(|to| !calls.contains_key(*to));
    eprintln!(
        "{} calls to {} recipients; {} uncertain after {kills} kills, of which the provider received all but {}; per kill {:?}; {campaign}",
        calls.values().sum::<usize>(),
        calls.len(),
        uncertain.len(),
        unseen.count(),
        victims.uncertain_per_kill().await,
    );
    check_resend(&fleet, &console, &simulator).await;
    victims.stop().await;
    let (succeeded, printed) = run(&fleet, &["verify"]).await;
    assert!(succeeded, "{printed}");
    simulator.stop().await.unwrap();
}

/// Failures of one class are resent with other media, each once.
async fn check_resend(fleet: &Fleet, console: &Console, simulator: &SimulatorHandle) {
    let failed = format!(
        "SELECT recipient AS line FROM messages WHERE origin = 'api' AND state = 'failed' AND failure_class = '{CLASS}'"
    );
    let failed = fleet.database.query(&failed).await;
    let failed: BTreeSet<String> = failed.into_iter().collect();
    assert!(!failed.is_empty());
    let path = "/campaigns/summer-sale/resend";
    let mut request = json!({ "class": CLASS, "dry_run": true, "media": { "url": OTHER_MEDIA } });
    let counted = console.post_json(path, &request).await;
    assert_eq!(counted["count"], failed.len(), "{counted}");
    let before = simulator.received().len();
    request["dry_run"] = json!(false);
    let resent = console.post_json(path, &request).await;
    assert_eq!(resent["count"], failed.len(), "{resent}");
    wait_for_queue(fleet).await;
    let calls = simulator.received();
    let again: Vec<String> = calls[before..].iter().map(recipient).collect();
    assert_eq!(again.len(), failed.len());
    assert_eq!(again.into_iter().collect::<BTreeSet<_>>(), failed);
    assert!(
        calls[before..]
            .iter()
            .all(|call| call.json()["url"] == OTHER_MEDIA)
    );
}

/// Messages per kill that may be uncertain although the provider received nothing: those whose
/// bytes had not left yet when their calls had begun.
const UNSEEN_PER_KILL: usize = 3;
/// Far more than that wait for their slots at a time.
const RATE: u32 = 200;

#[actix_web::test]
async fn what_waits_for_its_slot_when_the_process_is_killed_is_sent_afterwards() {
    const ROWS: usize = 2_000;
    const KILLS: usize = 5;
    let simulator = start_simulator(9, 2 * ROWS);
    let fleet = Arc::new(Fleet::new(1, &simulator.base_url()).await);
    simulator.set_targets(fleet.callback_targets());
    let file = fleet.data_dir(0).join("bluetick.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let provider = "provider = \"sobot\"\n";
    let rated = text.replacen(provider, &format!("{provider}rate = {RATE}\n"), 1);
    assert_ne!(rated, text);
    std::fs::write(&file, rated).unwrap();
    let mut victims = Victims::start(&fleet, 4).await;
    let console = Console::new(&fleet);
    let draft = json!({
        "account": SOBOT, "name": "Summer sale", "kind": "image", "media": { "url": MEDIA },
    });
    console.post_json("/campaigns", &draft).await;
    let mut rows = "to,name\n".to_owned();
    for number in 0..ROWS {
        writeln!(rows, "+44770{number:07},Ines").unwrap();
    }
    let path = "/campaigns/summer-sale/recipients";
    console.call("POST", path, Some(("text/csv", rows))).await;
    console.act("start").await;
    console.wait_for_progress(50).await;
    victims.kill(KILLS).await;
    let is_done = async || console.show().await["state"] == "done";
    waiting::until("the campaign is done", is_done).await;
    wait_for_queue(&fleet).await;
    simulator.idle().await;

    let calls = count_calls(&simulator);
    assert!(calls.values().all(|number| *number == 1), "{calls:?}");
    let uncertain = uncertain(&fleet).await;
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
    victims.stop().await;
    simulator.stop().await.unwrap();
}
