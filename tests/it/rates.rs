//! The rate of an account in real time, on a real process, while others post: the provider's own clock decides.
//!
//! By default shortly at one rate. `RATE_SECONDS=30` measures five rates and also that each is reached; `scripts/rates` does so.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::rt;
use bluetick::simulator::{FaultRates, Settings, Simulator};
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

use crate::harness::app::{KALEYRA, SOBOT, image_to};
use crate::harness::fleet::Fleet;
use crate::harness::waiting;

const RATES: [f64; 5] = [0.5, 5.0, 80.0, 400.0, 1_000.0];
/// Connections that queue the messages before.
const CONNECTIONS: usize = 32;
/// How often another account gets a message, and this one a callback.
const OTHERS: Duration = Duration::from_millis(20);
/// A provider accepts each message after this time.
const REPLY_AFTER: Duration = Duration::from_millis(5);

/// A provider that notes when each message arrives.
#[derive(Clone, Default)]
struct Provider {
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

impl Provider {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let provider = self.clone();
        rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                rt::spawn(provider.clone().answer(stream));
            }
        });
        address
    }

    /// Requests of one connection, none of which is sent before the last was answered.
    async fn answer(self, mut stream: TcpStream) {
        let mut received = Vec::new();
        while stream
            .read_buf(&mut received)
            .await
            .is_ok_and(|read| read > 0)
        {
            if !is_complete(&received) {
                continue;
            }
            received.clear();
            let number = {
                let mut arrivals = self.arrivals.lock().unwrap();
                arrivals.push(Instant::now());
                arrivals.len()
            };
            tokio::time::sleep(REPLY_AFTER).await;
            let body = json!({ "code": 200, "data": { "id": format!("wamid.RATE{number:012}") } });
            let body = body.to_string();
            let reply = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn first_arrival(&self) -> Option<Instant> {
        self.arrivals.lock().unwrap().first().copied()
    }

    fn arrivals(&self) -> Vec<Instant> {
        self.arrivals.lock().unwrap().clone()
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

struct Caller {
    client: Client,
    address: String,
    token: String,
}

impl Caller {
    async fn post(&self, path: &str, body: &Value) -> u16 {
        let request = self.client.post(format!("{}{path}", self.address));
        let request = request.bearer_auth(&self.token).json(body);
        request.send().await.unwrap().status().as_u16()
    }

    async fn queue(&self, messages: usize) {
        let queue = async |connection: usize| {
            for number in (connection..messages).step_by(CONNECTIONS) {
                let body = image_to(SOBOT, &format!("+44770{number:07}"));
                assert_eq!(self.post("/api/v1/messages", &body).await, 202);
            }
        };
        join_all((0..CONNECTIONS).map(queue)).await;
    }

    /// Messages of another account and callbacks of this one, until dropped.
    async fn post_others(&self, callback_url: &str) {
        let mut ticks = tokio::time::interval(OTHERS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0_u64.. {
            ticks.tick().await;
            let body = image_to(KALEYRA, &format!("+44771{number:07}"));
            assert_eq!(self.post("/api/v1/messages", &body).await, 202);
            let callback = json!([{ "value": { "statuses": [{
                "id": format!("wamid.OTHER{number:012}"), "status": "delivered",
                "timestamp": "1764400000", "recipient_id": "447700900001",
            }] } }]);
            let posted = self.client.post(callback_url).json(&callback).send().await;
            assert_eq!(posted.unwrap().status(), 200);
        }
    }
}

/// When messages arrived, from before the account could send.
async fn measure(rate: f64, seconds: u32) -> Vec<Duration> {
    let provider = Provider::default();
    let at = provider.start().await;
    let settings = Settings {
        pace: 0.0,
        faults: FaultRates::default(),
        ..Settings::default()
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = Simulator::start(settings, socket).unwrap();
    let fleet = Arc::new(Fleet::new(1, &simulator.base_url()).await);
    let file = fleet.data_dir(0).join("bluetick.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let theirs = format!("base_url = \"{}\"\n", simulator.base_url());
    let ours = format!("base_url = \"http://{at}\"\nrate = {rate:?}\n");
    // Of the first account.
    std::fs::write(&file, text.replacen(&theirs, &ours, 1)).unwrap();
    let starting = Arc::clone(&fleet);
    let program = rt::task::spawn_blocking(move || starting.start(0));
    let program = program.await.unwrap();
    let caller = Caller {
        client: bluetick::http_client::builder().build().unwrap(),
        address: fleet.address.clone(),
        token: fleet.token(),
    };
    let account = format!("/api/v1/accounts/{SOBOT}");
    assert_eq!(
        caller
            .post(&format!("{account}/pause"), &json!({ "reason": "filling" }))
            .await,
        204
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few ten thousand"
    )]
    let messages = (rate * 1.1 * f64::from(seconds)) as usize + 20;
    caller.queue(messages).await;
    let begin = Instant::now();
    assert_eq!(
        caller.post(&format!("{account}/resume"), &json!({})).await,
        204
    );
    let callback_url = fleet.callback_url(SOBOT);
    let others = caller.post_others(&callback_url);
    let until = Duration::from_secs(seconds.into());
    let has_passed = async || {
        let first = provider.first_arrival();
        first.is_some_and(|first| first.elapsed() >= until)
    };
    tokio::select! {
        () = others => {}
        () = waiting::until("the time has passed", has_passed) => {}
    }
    let arrivals = provider.arrivals();
    rt::task::spawn_blocking(move || program.kill())
        .await
        .unwrap();
    simulator.stop().await.unwrap();
    arrivals.iter().map(|at| *at - begin).collect()
}

#[actix_web::test]
async fn a_rate_is_held_and_never_exceeded_while_others_post() {
    let seconds: Option<u32> = std::env::var("RATE_SECONDS")
        .ok()
        .map(|text| text.parse().unwrap());
    let mut missed = Vec::new();
    let rates: &[f64] = if seconds.is_some() { &RATES } else { &[80.0] };
    for &rate in rates {
        let arrivals = measure(rate, seconds.unwrap_or(2)).await;
        for (before, at) in arrivals.iter().enumerate() {
            let allowed = rate * at.as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a few ten thousand")]
            let before = before as f64;
            assert!(before <= allowed, "{before} in {at:?} at {rate} a second");
        }
        let Some(seconds) = seconds else { continue };
        let until = arrivals[0] + Duration::from_secs(seconds.into());
        let sent = arrivals.iter().filter(|at| **at < until).count();
        #[expect(clippy::cast_precision_loss, reason = "a few ten thousand")]
        let share = sent as f64 / (rate * f64::from(seconds));
        let busiest = (0..arrivals.len()).map(|first| {
            let later = &arrivals[first..];
            let end = later[0] + Duration::from_secs(1);
            later.partition_point(|at| *at < end)
        });
        eprintln!(
            "rate {rate}: {sent} in {seconds} s, {:.2} % of it; at most {} within any second",
            share * 100.0,
            busiest.max().unwrap_or_default()
        );
        if share < 0.98 {
            missed.push(rate);
        }
    }
    assert!(missed.is_empty(), "not reached: {missed:?}");
}
