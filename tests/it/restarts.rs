//! Restarts over a socket that outlives the process: no request is rejected or cut off, nothing is lost.
//!
//! `RESTART_SECONDS=120` runs longer; `scripts/restarts` does so on both engines.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::rt::System;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde_json::json;
use tokio::time::interval;

use crate::harness::app::SOBOT;
use crate::harness::fleet::Fleet;
use crate::harness::program::Program;
use crate::harness::waiting;

/// A post every 20 ms: 50 requests a second, which a debug build answers beside other tests.
const PAUSE: Duration = Duration::from_millis(20);
/// Posts that are answered between two restarts, at most.
const BETWEEN: u64 = 300;
/// Fewer restarts would prove little.
const LEAST: usize = 3;
/// How long a process may take to end.
const DEADLINE: Duration = Duration::from_secs(20);
/// No provider is called.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Results of posts without retries.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) taken: BTreeSet<String>,
    pub(crate) refused: Vec<String>,
    pub(crate) cut_off: Vec<String>,
    longest: Duration,
}

/// Posts 50 callbacks a second whatever the answers, each once and never again, over connections that are kept.
pub(crate) async fn send_once(url: String, stop: Arc<AtomicBool>, taken: Arc<AtomicU64>) -> Sent {
    let client = bluetick::http_client::builder()
        .retry(reqwest::retry::never())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let sent = Rc::new(RefCell::new(Sent::default()));
    let mut posts = Vec::new();
    let mut ticks = interval(PAUSE);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let id = format!("wamid.{:06}", posts.len());
        let post = post_once(client.clone(), url.clone(), id);
        let (sent, taken) = (Rc::clone(&sent), Arc::clone(&taken));
        posts.push(actix_web::rt::spawn(async move {
            let begun = Instant::now();
            let outcome = post.await;
            let mut sent = sent.borrow_mut();
            sent.longest = sent.longest.max(begun.elapsed());
            match outcome {
                Outcome::Taken(id) => {
                    taken.fetch_add(1, Ordering::Relaxed);
                    sent.taken.insert(id);
                }
                Outcome::Refused(why) => sent.refused.push(why),
                Outcome::CutOff(why) => sent.cut_off.push(why),
            }
        }));
    }
    for post in posts {
        post.await.unwrap();
    }
    sent.take()
}

enum Outcome {
    Taken(String),
    Refused(String),
    CutOff(String),
}

async fn post_once(client: Client, url: String, id: String) -> Outcome {
    let body = json!({ "id": id, "status": "delivered", "timestamp": "1763600000" });
    match client.post(url).json(&body).send().await {
        Ok(reply) if reply.status() == 200 => Outcome::Taken(id),
        Ok(reply) => Outcome::Refused(format!("{id}: {}", reply.status())),
        Err(error) if error.is_connect() => Outcome::Refused(format!("{id}: {error:?}")),
        Err(error) => Outcome::CutOff(format!("{id}: {error:?}")),
    }
}

fn end(program: Program) -> Duration {
    let begun = Instant::now();
    let (status, log) = program.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begun.elapsed() < DEADLINE);
    begun.elapsed()
}

#[actix_web::test]
async fn a_loop_of_restarts_over_an_inherited_socket_refuses_resets_and_loses_nothing() {
    let seconds = std::env::var("RESTART_SECONDS").map_or(5, |text| text.parse().unwrap());
    let fleet = Fleet::new(2, NOWHERE).await;
    let mut running: Vec<Program> = fleet
        .replicas()
        .map(|replica| fleet.start(replica))
        .collect();
    let url = fleet.callback_url(SOBOT);
    let taken = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let (counted, stopped) = (Arc::clone(&taken), Arc::clone(&stop));
    let sender =
        std::thread::spawn(move || System::new().block_on(send_once(url, stopped, counted)));
    let (mut restarts, mut slowest) = (0, Duration::ZERO);
    let mut rng = StdRng::seed_from_u64(1);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) || restarts < LEAST {
        let enough = taken.load(Ordering::Relaxed) + rng.random_range(0..BETWEEN);
        while taken.load(Ordering::Relaxed) < enough {
            assert!(!sender.is_finished(), "the sender has failed");
            waiting::pause_thread();
        }
        // One after the other: with one replica no process accepts for a while.
        slowest = slowest.max(end(running.remove(0)));
        running.push(fleet.start(restarts % fleet.replicas().len()));
        restarts += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap();
    for program in running {
        end(program);
    }

    let kept = fleet.callback_ids().await;
    let once: BTreeSet<String> = kept.iter().cloned().collect();
    let lost: Vec<_> = sent.taken.difference(&once).collect();
    eprintln!(
        "{restarts} restarts of {} process(es) in {seconds} s: {} posts taken, {} refused, {} cut off, {} lost; longest answer {:?}, slowest stop {slowest:?}",
        fleet.replicas().len(),
        sent.taken.len(),
        sent.refused.len(),
        sent.cut_off.len(),
        lost.len(),
        sent.longest,
    );
    assert!(sent.taken.len() as u64 >= seconds * 25, "too few posts");
    assert!(sent.refused.is_empty(), "{:?}", sent.refused[0]);
    assert!(sent.cut_off.is_empty(), "{:?}", sent.cut_off[0]);
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(kept.len(), once.len(), "something is there twice");
    let (well, said) = fleet.run(&["verify"]);
    assert!(well, "{said}");
}

/// A client that writes and reads bytes by hand.
struct Line(TcpStream);

impl Line {
    fn open(fleet: &Fleet) -> Self {
        let address = fleet.address.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self(stream)
    }

    fn write_head(&mut self, fleet: &Fleet, length: usize) {
        let url = fleet.callback_url(SOBOT);
        let path = url.strip_prefix(&fleet.address).unwrap();
        write!(
            self.0,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"
        )
        .unwrap();
    }

    fn write(&mut self, body: &str) {
        self.0.write_all(body.as_bytes()).unwrap();
    }

    fn post(&mut self, fleet: &Fleet, body: &str) -> String {
        self.write_head(fleet, body.len());
        self.write(body);
        self.read_reply()
    }

    /// One reply; its body is announced by its length.
    fn read_reply(&mut self) -> String {
        let mut read = Vec::new();
        loop {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "the connection ended");
            read.push(byte[0]);
            if read.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let head = String::from_utf8(read).unwrap().to_ascii_lowercase();
        let length = head.split_once("content-length: ").unwrap().1;
        let length = length.split_once("\r\n").unwrap().0.parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        head
    }

    /// Nothing more comes: an end, not a reset.
    fn is_at_its_end(&mut self) -> bool {
        self.0.read(&mut [0]).unwrap() == 0
    }
}

#[actix_web::test]
async fn requests_in_progress_are_answered_and_waiting_connections_reach_the_next_process() {
    let fleet = Fleet::new(1, NOWHERE).await;
    let program = fleet.start(0);
    let body = |id: &str| json!({ "id": id, "status": "sent" }).to_string();

    let mut kept = Line::open(&fleet);
    let head = kept.post(&fleet, &body("wamid.kept"));
    assert!(!head.contains("connection: close"), "{head}");
    let mut slow = Line::open(&fleet);
    let text = body("wamid.slow");
    slow.write_head(&fleet, text.len());
    slow.write(&text[..5]);
    program.request_stop();
    program.wait_for_log("stopping").await;
    let head = kept.post(&fleet, &body("wamid.last"));
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert!(kept.is_at_its_end());
    program.wait_for_log("left to the next process").await;
    // It will not be accepted any more, and yet it is not refused.
    let mut early = Line::open(&fleet);
    slow.write(&text[5..]);
    let head = slow.read_reply();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (status, log) = program.wait();
    assert_eq!(status.code(), Some(0), "{log}");

    let next = fleet.start(0);
    let head = early.post(&fleet, &body("wamid.early"));
    assert!(head.starts_with("http/1.1 200"), "{head}");
    end(next);
    assert_eq!(
        fleet.callback_ids().await,
        ["wamid.kept", "wamid.last", "wamid.slow", "wamid.early"]
    );
}

#[actix_web::test]
async fn a_process_that_is_started_early_waits_for_the_one_before() {
    let fleet = Fleet::new(1, NOWHERE).await;
    if fleet.database.is_postgres() {
        // There both would work side by side.
        return;
    }
    let first = fleet.start(0);
    let log = fleet.data_dir(0).join("1.log");
    let logged = || std::fs::read_to_string(&log).unwrap_or_default();
    std::thread::scope(|threads| {
        let next = threads.spawn(|| fleet.start(0));
        while !logged().contains("another bluetick serve uses the database in this folder") {
            assert!(!next.is_finished(), "{}", logged());
            waiting::pause_thread();
        }
        end(first);
        end(next.join().unwrap());
    });
}
