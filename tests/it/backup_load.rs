//! Backups at random moments while callbacks arrive and messages are sent. Each is restored elsewhere: nothing that was acknowledged
//! before it began is missing, and the restored program sends nothing a second time.
//!
//! `BACKUPS=20 CALLBACKS_PER_SECOND=1000` makes more of them under more load; `scripts/backups` does so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::rt::{System, task};
use bluetick::domain::secret::Secret;
use bluetick::journal::{self, Journal};
use bluetick::simulator::{FaultRates, Settings, Simulator, SimulatorHandle};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::harness::app::{SOBOT, image_to};
use crate::harness::fleet::Fleet;
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;

/// Connections that post callbacks.
const CONNECTIONS: u32 = 16;
const SENDS_PER_SECOND: u32 = 20;
const DEFAULT_BACKUPS: usize = 2;
const DEFAULT_RATE: u32 = 100;

/// What was answered 200 or 202, in the order of the answers.
#[derive(Default)]
struct Acknowledged {
    callbacks: Mutex<Vec<u32>>,
    sends: AtomicUsize,
    stop: AtomicBool,
}

fn parameter<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn callback_id(number: u32) -> String {
    format!("wamid.load-{number}")
}

/// Posts callbacks and messages from a thread of its own until it is stopped.
fn start_load(fleet: &Fleet, token: String, rate: u32, done: &Arc<Acknowledged>) -> JoinHandle<()> {
    let (url, address) = (fleet.callback_url(SOBOT), fleet.address.clone());
    let done = Arc::clone(done);
    std::thread::spawn(move || {
        System::new().block_on(async {
            let client = bluetick::http_client::builder().build().unwrap();
            let callbacks = (0..CONNECTIONS)
                .map(|connection| post_callbacks(&client, &url, connection, rate, &done));
            tokio::join!(
                join_all(callbacks),
                send_messages(&client, &address, &token, &done)
            );
        });
    })
}

async fn post_callbacks(
    client: &Client,
    url: &str,
    connection: u32,
    rate: u32,
    done: &Acknowledged,
) {
    let mut ticks = interval(Duration::from_secs(1) * CONNECTIONS / rate);
    let mut number = connection;
    while !done.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let body =
            json!({ "id": callback_id(number), "status": "delivered", "timestamp": "1763640000" });
        let reply = client.post(url).json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        done.callbacks.lock().unwrap().push(number);
        number += CONNECTIONS;
    }
}

async fn send_messages(client: &Client, address: &str, token: &str, done: &Acknowledged) {
    let mut ticks = interval(Duration::from_secs(1) / SENDS_PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while !done.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        send(client, address, token, number).await;
        done.sends.fetch_add(1, Ordering::Relaxed);
        number += 1;
    }
}

/// Every message has a recipient of its own.
async fn send(client: &Client, address: &str, token: &str, number: usize) {
    let message = image_to(SOBOT, &format!("+44770{number:07}"));
    let request = client.post(format!("{address}/api/v1/messages"));
    let reply = request.bearer_auth(token).json(&message).send();
    let reply = reply.await.unwrap();
    assert_eq!(reply.status(), 202, "{:?}", reply.text().await);
}

/// A data folder elsewhere, with the same account at the same simulator.
struct Elsewhere {
    folder: PathBuf,
    configuration: PathBuf,
}

impl Elsewhere {
    fn new(folder: PathBuf, original: &Fleet) -> Self {
        fs::create_dir(&folder).unwrap();
        let data = folder.join("data");
        let text = fs::read_to_string(original.data_dir(0).join("bluetick.toml")).unwrap();
        let moved = text.lines().filter_map(|line| {
            let key = line.split(" = ").next().unwrap();
            match key {
                "public_url" => Some("listen = \"127.0.0.1:0\"".to_owned()),
                "data_dir" => Some(format!("data_dir = \"{}\"", data.display())),
                "database_url" => None,
                _ => Some(line.to_owned()),
            }
        });
        let moved: Vec<String> = moved.collect();
        let configuration = folder.join("bluetick.toml");
        fs::write(&configuration, moved.join("\n")).unwrap();
        Self {
            folder,
            configuration,
        }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let file = self.configuration.to_str().unwrap();
        let output = run_to_end(command(&[&["--config", file], arguments].concat(), &[]));
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{arguments:?}: {printed}");
        printed
    }

    fn serve(&self) -> Program {
        let file = self.configuration.to_str().unwrap();
        let log = self.folder.join("serve.log");
        Program::start(command(&["--config", file, "serve"], &[]), &log)
    }

    /// The numbers of the callbacks in the journal.
    async fn callbacks(&self) -> Vec<bool> {
        let file = self.folder.join("data/bluetick.db");
        let url = Secret::new(format!("sqlite://{}", file.display()));
        let journal = journal::connect(&url, 2).await.unwrap();
        let journal = Journal::open(journal).await.unwrap();
        let mut held = Vec::new();
        let mut position = 0;
        loop {
            let entries = journal.read_after(position, 1_000, u64::MAX).await.unwrap();
            let Some(last) = entries.last() else { break };
            position = last.seq;
            for entry in entries {
                let body: Value = serde_json::from_slice(&entry.record.body).unwrap();
                let id = body["id"].as_str().unwrap_or_default();
                let Some(number) = id.strip_prefix("wamid.load-") else {
                    continue;
                };
                let number: usize = number.parse().unwrap();
                held.resize(held.len().max(number + 1), false);
                held[number] = true;
            }
        }
        journal.close().await.unwrap();
        held
    }
}

/// How often each recipient was in a call of the provider.
fn count_calls(simulator: &SimulatorHandle) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for request in simulator.received() {
        let to = request.json()["customer_number"]
            .as_str()
            .unwrap()
            .to_owned();
        *calls.entry(to).or_default() += 1;
    }
    calls
}

/// A backup, and the callbacks that were acknowledged before it began.
struct Taken {
    folder: PathBuf,
    acknowledged: Vec<u32>,
}

async fn back_up(fleet: &Arc<Fleet>, folder: PathBuf, done: &Acknowledged) -> Taken {
    let acknowledged = done.callbacks.lock().unwrap().clone();
    let (fleet, target) = (Arc::clone(fleet), folder.clone());
    let run = move || fleet.run(&["backup", target.to_str().unwrap()]);
    let (succeeded, printed) = task::spawn_blocking(run).await.unwrap();
    assert!(succeeded, "{printed}");
    assert!(printed.contains("verified, no discrepancies"), "{printed}");
    Taken {
        folder,
        acknowledged,
    }
}

/// Restores a backup and lets it run until it has sent a new message. Returns how many messages were queued or being sent when it
/// was made.
async fn restore(
    backup: &Taken,
    number: usize,
    token: &str,
    original: &Fleet,
    target: &Path,
) -> usize {
    let elsewhere = Elsewhere::new(target.to_owned(), original);
    let printed = elsewhere.run(&["restore", backup.folder.to_str().unwrap()]);
    let waited = printed
        .lines()
        .find(|line| line.contains("may have been sent since"));
    let waited = waited.unwrap().split(' ').next().unwrap();
    let waited = waited.replace(',', "").parse().unwrap();
    elsewhere.run(&["verify"]);
    let server = elsewhere.serve();
    let client = bluetick::http_client::builder().build().unwrap();
    // Whatever is queued was queued before it.
    send(&client, &server.address, token, number).await;
    let path = format!(
        "{}/api/v1/messages?state=queued,sending&limit=1",
        server.address
    );
    let are_sent = async || {
        let request = client.get(&path).bearer_auth(token).send();
        let page: Value = request.await.unwrap().json().await.unwrap();
        page["data"].as_array().unwrap().is_empty()
    };
    waiting::until("nothing is queued", are_sent).await;
    let (status, log) = server.terminate();
    assert!(status.success(), "{log}");
    elsewhere.run(&["verify"]);
    let held = elsewhere.callbacks().await;
    let is_held = |number: &&u32| {
        held.get(usize::try_from(**number).unwrap())
            .is_some_and(|held| *held)
    };
    let missing: Vec<_> = backup
        .acknowledged
        .iter()
        .filter(|number| !is_held(number))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {missing:?}",
        missing.len(),
        backup.acknowledged.len()
    );
    fs::remove_dir_all(&elsewhere.folder).unwrap();
    waited
}

/// SQLite only: PostgreSQL has `pg_dump`.
#[actix_web::test]
async fn backups_under_load_hold_what_was_acknowledged_and_restored_ones_send_nothing_twice() {
    let backups = parameter("BACKUPS", DEFAULT_BACKUPS);
    let rate = parameter("CALLBACKS_PER_SECOND", DEFAULT_RATE);
    let settings = Settings {
        pace: 0.0,
        faults: FaultRates::default(),
        remembered_requests: 1_000_000,
        ..Settings::default()
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = Simulator::start(settings, socket).unwrap();
    let fleet = Arc::new(Fleet::new(1, &simulator.base_url()).await);
    if fleet.database.is_postgres() {
        simulator.stop().await.unwrap();
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    let server = fleet.start(0);
    let token = fleet.token();
    let done = Arc::new(Acknowledged::default());
    let load = start_load(&fleet, token.clone(), rate, &done);
    let is_sent = async || !count_calls(&simulator).is_empty();
    waiting::until("a message is sent", is_sent).await;
    let begun = Instant::now();
    let mut rng = StdRng::seed_from_u64(5);
    let mut taken = Vec::new();
    for number in 0..backups {
        // Not a wait for a condition: this chooses the moment of the backup.
        sleep(Duration::from_millis(rng.random_range(200..2_000))).await;
        assert!(!load.is_finished(), "the load has failed");
        let folder = outer.path().join(format!("backup-{number}"));
        taken.push(back_up(&fleet, folder, &done).await);
    }
    done.stop.store(true, Ordering::Relaxed);
    load.join().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let (status, log) = server.terminate();
    assert!(status.success(), "{log}");
    let (callbacks, sends) = (
        done.callbacks.lock().unwrap().len(),
        done.sends.load(Ordering::Relaxed),
    );
    let before = count_calls(&simulator);
    assert!(!before.is_empty());

    let mut waited = 0;
    for (index, backup) in taken.iter().enumerate() {
        let target = outer.path().join("restored");
        waited += restore(backup, sends + index, &token, &fleet, &target).await;
        fs::remove_dir_all(&backup.folder).unwrap();
    }
    let mut calls = count_calls(&simulator);
    // The new message of each restored program shows that it does send.
    for index in 0..backups {
        let to = format!("44770{:07}", sends + index);
        assert_eq!(calls.remove(&to), Some(1), "{to}");
    }
    assert!(before.values().all(|times| *times == 1));
    assert_eq!(calls, before, "a restored program called the provider");
    eprintln!(
        "{backups} backups in {seconds:.0} s with {:.0} callbacks and {:.1} sends per second: {callbacks} callbacks, {sends} messages, {waited} of them waited in a backup; none missing, none sent twice",
        f64::from(u32::try_from(callbacks).unwrap()) / seconds,
        f64::from(u32::try_from(sends).unwrap()) / seconds,
    );
    simulator.stop().await.unwrap();
}
