//! Requests without rights that are wrong in many ways write few log lines and get short replies.
//!
//! `BAD_REQUESTS=100000` is the long form; `scripts/bad-requests` runs it with the release build.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::program::Program;
use crate::operations::{ACCOUNT, Place, callback_url, client};

/// Clients at once.
const THREADS: usize = 8;
const REPLY_LIMIT: usize = 4 * 1024;
/// Of the whole run, with those of the start.
const LOG_LINES: usize = 100;
/// A busy machine; no reply takes as long.
const PATIENCE: Duration = Duration::from_mins(1);

fn number() -> usize {
    let wanted = std::env::var("BAD_REQUESTS").ok();
    wanted.map_or(400, |text| text.parse().unwrap())
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
        .into_bytes()
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// What is sent on one connection; `n` makes each request another one.
fn bad_requests(n: usize) -> Vec<(&'static str, Vec<u8>)> {
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Key: AAAA\r\n";
    let json = "Content-Type: application/json\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    vec![
        ("nonsense", b"\x16\x03\x01 nonsense\r\n\r\n".to_vec()),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        ),
        ("method", format!("<{n}> / HTTP/1.1\r\n\r\n").into_bytes()),
        ("version", b"GET / HTTP/7.4\r\n\r\n".to_vec()),
        ("length", post("/login", "Content-Length: -1\r\n", "")),
        ("header", get("/healthz", "a b: c\r\n")),
        (
            "long header",
            get("/", &format!("X: {}\r\n", "x".repeat(60_000))),
        ),
        (
            "cookie",
            get("/", &format!("Cookie: bluetick_session=AAAA{n}\r\n")),
        ),
        (
            "cookies",
            get(
                "/messages",
                "Cookie: bluetick_session=%00; bluetick_session=\r\n",
            ),
        ),
        (
            "token",
            get(
                "/api/v1/messages",
                &format!("Authorization: Bearer bt_{n}\r\n"),
            ),
        ),
        (
            "basic",
            get("/api/v1/stats", "Authorization: Basic !!!\r\n"),
        ),
        ("upgrade", get("/api/v1/live", upgrade)),
        (
            "next",
            get(&format!("/login?next={}", "x".repeat(6_000)), ""),
        ),
        (
            "query",
            get(
                &format!("/api/v1/messages?state={}", "&%ff=x".repeat(6_000)),
                "",
            ),
        ),
        ("path", get(&format!("/{}", "a/../%00".repeat(700)), "")),
        (
            "sign-in",
            post(
                "/login",
                form,
                &format!("name=x{n}&password={}", "y".repeat(2_000)),
            ),
        ),
        ("sign-in as JSON", post("/login", json, "{")),
        (
            "message",
            post("/api/v1/messages", json, &"[".repeat(3_000)),
        ),
        (
            "callback",
            post(&format!("/callbacks/{ACCOUNT}/wrong{n}"), json, "{}"),
        ),
        (
            "account",
            post(&format!("/callbacks/none{n}/wrong"), json, "{}"),
        ),
        ("report", post(&format!("/reports/{n}"), json, "{}")),
        ("file", get(&format!("/media/{n}/x.jpg"), "")),
        (
            "chunks",
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
                .to_vec(),
        ),
        ("twice", [get("/nowhere", ""), get("/nowhere", "")].concat()),
    ]
}

/// The reply, as far as it came: a connection may be closed while the request is still being sent.
fn exchange(address: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reply = Vec::new();
    if stream.write_all(request).is_ok() {
        drop(stream.shutdown(std::net::Shutdown::Write));
    }
    drop(stream.read_to_end(&mut reply));
    reply
}

/// The longest reply and the statuses of each kind of request.
#[derive(Default, Debug)]
struct Replies {
    longest: usize,
    statuses: BTreeMap<(&'static str, String), usize>,
}

fn send_from(address: &str, first: usize, number: usize) -> Replies {
    let mut replies = Replies::default();
    let kinds = bad_requests(0).len();
    for n in (first..number).step_by(THREADS) {
        let (what, request) = bad_requests(n).swap_remove(n / THREADS % kinds);
        let reply = exchange(address, &request);
        let line = String::from_utf8_lossy(&reply);
        let status = line.split(' ').nth(1).unwrap_or("closed").to_owned();
        assert!(reply.len() < REPLY_LIMIT, "{what}: {line}");
        assert!(!status.starts_with('5'), "{what}: {line}");
        replies.longest = replies.longest.max(reply.len());
        *replies.statuses.entry((what, status)).or_default() += 1;
    }
    replies
}

fn send_all(program: &Program) -> Replies {
    let address = program.address.trim_start_matches("http://");
    let number = number();
    let all = thread::scope(|scope| {
        let clients: Vec<_> = (0..THREADS)
            .map(|first| scope.spawn(move || send_from(address, first, number)))
            .collect();
        let joined = clients.into_iter().map(|client| client.join().unwrap());
        joined.collect::<Vec<_>>()
    });
    let mut sum = Replies::default();
    for replies in all {
        sum.longest = sum.longest.max(replies.longest);
        for (kind, count) in replies.statuses {
            *sum.statuses.entry(kind).or_default() += count;
        }
    }
    sum
}

#[actix_web::test]
async fn bad_requests_write_few_log_lines_and_get_short_replies() {
    let place = Place::new().await;
    let program = place.serve();
    let replies = send_all(&program);
    let kinds: Vec<&str> = replies.statuses.keys().map(|(what, _)| *what).collect();
    for (what, _) in bad_requests(0) {
        assert!(kinds.contains(&what), "{what} was not sent");
    }
    let body = json!({ "id": "wamid.good", "status": "sent" });
    let good = client().post(callback_url(&program)).json(&body);
    assert_eq!(good.timeout(PATIENCE).send().await.unwrap().status(), 200);
    let (status, log) = program.terminate();
    assert_eq!(status.code(), Some(0));
    let lines = log.lines().count();
    eprintln!(
        "{} bad requests: {lines} log lines, longest reply {} bytes, {:?}",
        number(),
        replies.longest,
        replies.statuses
    );
    assert!(lines < LOG_LINES, "{log}");
}
