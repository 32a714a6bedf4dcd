//! A log that goes to a full disk, a closed descriptor or a pipe that is not read neither ends nor slows the program; an
//! unreachable provider is logged.

use std::fs::{self, File};
use std::io::{PipeReader, Read, Write, pipe};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::io::ioctl_fionbio;
use serde_json::{Value, json};

use crate::harness::app::LANCEPILOT;
use crate::harness::fleet::Fleet;
use crate::harness::program::{Program, command};
use crate::harness::waiting;
use crate::operations::{Place, callback_url, client};

/// Every malformed request writes a line of some 180 bytes.
const FILTER: &str = "actix_http=error";
/// More than a pipe and the queue hold together.
const BAD_REQUESTS: usize = 2000;
const CALLBACKS: usize = 100;
/// A program that waits for its log would wait for ever.
const PATIENCE: Duration = Duration::from_mins(1);

async fn send_bad_requests(program: &Program, number: usize) {
    let address = program.address.trim_start_matches("http://").to_owned();
    let sent = move || {
        for _ in 0..number {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        }
    };
    actix_web::rt::task::spawn_blocking(sent).await.unwrap();
}

async fn send_callbacks(program: &Program, client: &Client) {
    let url = callback_url(program);
    for number in 0..CALLBACKS {
        let body = json!({ "id": format!("wamid.{number}"), "status": "sent" });
        let sent = client.post(&url).json(&body);
        let reply = sent.timeout(PATIENCE).send().await.unwrap();
        assert_eq!(reply.status(), 200);
    }
}

async fn dropped_lines(program: &Program, client: &Client) -> u64 {
    let url = format!("{}/metrics", program.address);
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("bluetick_log_lines_dropped_total "));
    value.unwrap().trim_end_matches(".0").parse().unwrap()
}

/// Sends bad requests and good callbacks; returns how many log lines were dropped.
async fn stays_fast(program: &Program) -> u64 {
    let client = client();
    send_bad_requests(program, BAD_REQUESTS).await;
    send_callbacks(program, &client).await;
    dropped_lines(program, &client).await
}

fn stops(program: Program) {
    let (status, _) = program.terminate();
    assert_eq!(status.code(), Some(0));
}

fn full_disk() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe that holds no further byte.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    while writer.write(b"\n").is_ok() {}
    ioctl_fionbio(&writer, false).unwrap();
    (reader, writer.into())
}

#[actix_web::test]
async fn a_log_on_a_full_disk_loses_its_lines_and_counts_them() {
    let place = Place::new().await;
    let command = place.serve_command(FILTER);
    let program = Program::start_logging_to(command, full_disk().into(), Path::new("/dev/null"));
    let dropped = stays_fast(&program).await;
    let expected = u64::try_from(BAD_REQUESTS).unwrap();
    assert!(dropped >= expected, "{dropped}");
    stops(program);
}

#[actix_web::test]
async fn a_closed_log_changes_nothing() {
    let place = Place::new().await;
    let serve = place.serve_command(FILTER);
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" \"$@\" 2>&-"])
        .arg(serve.get_program())
        .args(serve.get_args())
        .env_clear();
    for (name, value) in serve.get_envs() {
        command.env(name, value.unwrap());
    }
    let program = Program::start_logging_to(command, Stdio::null(), Path::new("/dev/null"));
    stays_fast(&program).await;
    stops(program);
}

#[actix_web::test]
async fn a_log_that_is_not_read_loses_lines_and_counts_them() {
    let place = Place::new().await;
    let command = place.serve_command(FILTER);
    let (mut reader, writer) = pipe().unwrap();
    let program = Program::start_logging_to(command, writer.into(), Path::new("/dev/null"));
    let dropped = stays_fast(&program).await;
    assert!(dropped > 0);
    // A reader that comes back receives what waited, and how much is missing.
    let read = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        log
    });
    stops(program);
    let log = read.join().unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mentioned: u64 = lines
        .iter()
        .filter_map(|line| line["dropped"].as_u64())
        .sum();
    assert!(mentioned >= dropped, "{mentioned} of {dropped}");
}

#[actix_web::test]
async fn a_log_that_is_never_read_delays_the_end_by_a_second_at_most() {
    let place = Place::new().await;
    let command = place.serve_command(FILTER);
    let (_reader, stderr) = full_pipe();
    let program = Program::start_logging_to(command, stderr, Path::new("/dev/null"));
    send_bad_requests(&program, 20).await;
    send_callbacks(&program, &client()).await;
    stops(program);
}

#[test]
fn a_refused_start_ends_with_its_exit_code_whatever_accepts_its_reason() {
    let (_reader, full_pipe) = full_pipe();
    let (closed, broken_pipe) = pipe().unwrap();
    drop(closed);
    for stderr in [full_disk().into(), full_pipe, broken_pipe.into()] {
        let mut refused = command(&["serve"], &[("BLUETICK_LISTEN", Path::new("nowhere"))]);
        let began = Instant::now();
        let mut child = refused
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(1));
        assert!(began.elapsed() < PATIENCE);
    }
}

#[actix_web::test]
async fn serve_runs_although_its_stdout_accepts_nothing() {
    let place = Place::new().await;
    let stderr = place.database.folder().join("stderr");
    let (_reader, full_pipe) = full_pipe();
    for stdout in [full_disk().into(), full_pipe] {
        let link = place.data().join("sign-in-link");
        let _ = fs::remove_file(&link);
        let mut serve = place.serve_command("");
        let log = File::create(&stderr).unwrap();
        let mut child = serve.stdout(stdout).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        // Written once the address is known.
        let address = loop {
            let text = fs::read_to_string(&link).unwrap_or_default();
            if let Some((address, _)) = text.split_once("/login") {
                break address.to_owned();
            }
            assert!(Instant::now() < deadline);
            waiting::pause().await;
        };
        let health = client().get(format!("{address}/healthz"));
        assert_eq!(health.send().await.unwrap().status(), 200);
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[actix_web::test]
async fn a_provider_that_cannot_be_reached_is_logged_while_the_message_stays_queued() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    let server = fleet.start(0);
    let body = json!({
        "account": LANCEPILOT, "to": "+447700900123", "kind": "image",
        "media": { "url": "https://media.example/a.png" },
    });
    let sent = client()
        .post(format!("{}/api/v1/messages", server.address))
        .bearer_auth(fleet.token())
        .json(&body);
    assert_eq!(sent.send().await.unwrap().status(), 202);
    server
        .wait_for_log("the provider cannot be reached; the message stays queued")
        .await;
    let (status, log) = server.terminate();
    assert!(status.success());
    // The number is in the path of LancePilot's API.
    assert!(!log.contains("447700900123"), "{log}");
}
