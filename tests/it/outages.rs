//! A database is away for a while: every callback is answered 200, shows after the recovery, and once.
//!
//! `OUTAGE_SECONDS` makes the outages longer and the limits strict: an answer within a second, everything visible ten seconds after
//! the recovery. `scripts/outages` sets it, and stops a real server.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bluetick::domain::secret::Secret;
use bluetick::keys::Keys;
use futures_util::future::join_all;
use reqwest::Client;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::interval;

use crate::harness::database::TestDatabase;
use crate::harness::program::{Program, command};
use crate::harness::relay::{Relay, RelayMode};
use crate::harness::waiting;

const SECRET_KEY: &str = "a secret key of more than 32 bytes";
/// Callbacks a second, from so many connections.
const RATE: u32 = 80;
const CONNECTIONS: u32 = 8;
/// In the short form every test of the machine runs at the same time.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long an answer may take, and until everything shows once the database is back.
fn limits() -> (Duration, Duration) {
    match std::env::var("OUTAGE_SECONDS") {
        Ok(_) => (Duration::from_secs(1), Duration::from_secs(10)),
        Err(_) => (PATIENCE, PATIENCE),
    }
}

/// While something is broken.
struct Outage<'a> {
    /// Callbacks so far.
    acknowledged: &'a Cell<u32>,
}

impl Outage<'_> {
    /// Returns at its end. Callbacks are acknowledged meanwhile.
    async fn pass(&self) {
        let seconds = std::env::var("OUTAGE_SECONDS").ok();
        let seconds = seconds.map_or(3, |text| text.parse().unwrap());
        let before = self.acknowledged.get();
        pass(Duration::from_secs(seconds.into())).await;
        let during = self.acknowledged.get() - before;
        assert!(during >= RATE * seconds / 8, "{during} in {seconds} s");
    }
}

/// What a provider saw.
#[derive(Default)]
struct Seen {
    acknowledged: BTreeSet<String>,
    refused: Vec<String>,
    longest: Duration,
}

fn start(folder: &Path, database_url: &Secret) -> Program {
    let file = folder.join("bluetick.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\ndatabase_url = \"{}\"\nsecret_key = \"{SECRET_KEY}\"\n\
         [[accounts]]\nid = \"shop\"\nprovider = \"sobot\"\napi_key = \"k\"\napi_secret = \"s\"\nsender = \"+919000000001\"\nmode = \"dry-run\"\n",
        folder.display(),
        database_url.expose(),
    );
    std::fs::write(&file, text).unwrap();
    let serve = command(&["serve", "--config", file.to_str().unwrap()], &[]);
    Program::start(serve, &folder.join("log"))
}

fn callback_url(program: &Program) -> String {
    let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
    let token = keys.callback_token(&"shop".parse().unwrap(), 1);
    format!("{}/callbacks/shop/{token}", program.address)
}

/// One connection that posts at a steady pace until stopped.
async fn post(
    url: &str,
    connection: u32,
    stop: watch::Receiver<bool>,
    acknowledged: &Cell<u32>,
) -> Seen {
    let client = bluetick::http_client::builder().build().unwrap();
    let mut pace = interval(Duration::from_secs(1) * CONNECTIONS / RATE);
    let mut seen = Seen::default();
    for number in 0.. {
        pace.tick().await;
        if *stop.borrow() {
            break;
        }
        let body = format!("callback {connection} {number}");
        let begun = Instant::now();
        match client.post(url).body(body.clone()).send().await {
            Ok(reply) if reply.status() == 200 => {
                seen.acknowledged.insert(body);
                acknowledged.update(|number| number + 1);
            }
            Ok(reply) => seen.refused.push(reply.status().to_string()),
            Err(error) => seen.refused.push(error.to_string()),
        }
        seen.longest = seen.longest.max(begun.elapsed());
    }
    seen
}

/// The value of a series at `/metrics`.
async fn metric(client: &Client, program: &Program, series: &str) -> Option<f64> {
    let reply = client.get(format!("{}/metrics", program.address));
    let text = reply.send().await.ok()?.text().await.ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// Lets time pass.
async fn pass(time: Duration) {
    let mut clock = interval(time.max(Duration::from_millis(1)));
    clock.tick().await;
    clock.tick().await;
}

/// Breaks something for a while under a steady stream of callbacks, repairs it, and checks what provider and operator saw.
async fn survive(
    what: &str,
    database: &TestDatabase,
    database_url: &Secret,
    break_and_repair: impl AsyncFnOnce(Outage<'_>),
) {
    let program = start(database.folder(), database_url);
    let url = callback_url(&program);
    let client = bluetick::http_client::builder().build().unwrap();
    let (stop, stopped) = watch::channel(false);
    let (at_once, until_visible) = limits();
    let acknowledged = &Cell::new(0);
    let posting = join_all((0..CONNECTIONS).map(|n| post(&url, n, stopped.clone(), acknowledged)));
    let course = async {
        pass(Duration::from_secs(1)).await;
        break_and_repair(Outage { acknowledged }).await;
        let repaired_at = Instant::now();
        let during = metric(
            &client,
            &program,
            "bluetick_callbacks_total{result=\"kept\"}",
        );
        let due = during.await.unwrap_or_default();
        // Everything that had come until now.
        while visible(database).await < due {
            pass(Duration::from_millis(50)).await;
            assert!(
                repaired_at.elapsed() < until_visible,
                "{what}: not all is visible"
            );
        }
        let took = repaired_at.elapsed();
        stop.send_replace(true);
        took
    };
    let (seen, took) = tokio::join!(posting, course);
    let mut all = Seen::default();
    for one in seen {
        all.acknowledged.extend(one.acknowledged);
        all.refused.extend(one.refused);
        all.longest = all.longest.max(one.longest);
    }
    eprintln!(
        "{what}: {} callbacks, refused {:?}, longest answer {:?}, all visible {took:?} after it",
        all.acknowledged.len(),
        all.refused,
        all.longest
    );
    assert!(all.refused.is_empty(), "{what}: {:?}", all.refused);
    assert!(all.longest < at_once, "{what}: {:?}", all.longest);
    let due = float(all.acknowledged.len());
    waiting::until("all is visible", async || visible(database).await >= due).await;
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    let kept = bodies(database).await;
    let once: BTreeSet<_> = kept.iter().cloned().collect();
    assert_eq!(kept.len(), once.len(), "{what}: something is there twice");
    assert!(
        all.acknowledged.is_subset(&once),
        "{what}: something is lost"
    );
    assert_eq!(all.acknowledged.len(), once.len());
}

fn float(number: usize) -> f64 {
    u32::try_from(number).unwrap().into()
}

/// Callbacks whose effects are applied.
async fn visible(database: &TestDatabase) -> f64 {
    let counted = database
        .query("SELECT CAST(count(*) AS text) AS line FROM callback_outcomes")
        .await;
    counted[0].parse().unwrap()
}

async fn bodies(database: &TestDatabase) -> Vec<String> {
    let journal = database.journal().await;
    let journal = bluetick::journal::Journal::open(journal).await.unwrap();
    let entries = journal.read_after(0, 1_000_000, u64::MAX).await.unwrap();
    let bodies = entries.into_iter().map(|entry| entry.record.body);
    bodies
        .map(|body| String::from_utf8(body).unwrap())
        .collect()
}

#[actix_web::test]
async fn another_process_holds_the_journal() {
    let database = TestDatabase::new().await;
    survive(
        "journal locked",
        &database,
        &database.url(),
        async |outage| {
            let lock = database.hold_journal().await;
            outage.pass().await;
            lock.release().await;
        },
    )
    .await;
}

#[actix_web::test]
async fn another_process_holds_the_main_database() {
    let database = TestDatabase::new().await;
    survive(
        "main database locked",
        &database,
        &database.url(),
        async |outage| {
            let lock = database.hold_main().await;
            outage.pass().await;
            lock.release().await;
        },
    )
    .await;
}

#[actix_web::test]
async fn the_server_is_stopped() {
    away("server stopped", RelayMode::Closing).await;
}

#[actix_web::test]
async fn the_server_hangs() {
    away("server silent", RelayMode::Silent).await;
}

async fn away(what: &str, mode: RelayMode) {
    let database = TestDatabase::new().await;
    let mut relay = None;
    let relayed_url = database.url_through(|server| {
        let started = Relay::to(server);
        let address = started.address;
        relay = Some(started);
        address
    });
    let (Some(url), Some(relay)) = (relayed_url, relay) else {
        // SQLite has no server.
        return;
    };
    let stop = std::env::var("OUTAGE_STOP")
        .ok()
        .filter(|_| mode == RelayMode::Closing);
    let start = std::env::var("OUTAGE_START").ok();
    survive(what, &database, &url, async |outage| {
        match &stop {
            Some(stop) => run(stop.clone()).await,
            None => relay.set(mode),
        }
        outage.pass().await;
        match (&stop, &start) {
            (Some(_), Some(start)) => run(start.clone()).await,
            _ => relay.set(RelayMode::Forwarding),
        }
    })
    .await;
}

/// On a thread of its own: posting continues.
async fn run(script: String) {
    let status = spawn_blocking(move || Command::new("bash").args(["-c", &script]).status());
    assert!(status.await.unwrap().unwrap().success());
}
