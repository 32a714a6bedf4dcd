//! Accepting and submitting messages, compared with a bare HTTP client that calls the same provider
//! in a loop.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bare_client;
use crate::bench::{Bench, check_all_accepted};
use crate::error::BenchError;
use crate::load::{Connection, Measured, Pace, Requests, run};
use crate::server::{Installation, Server};
use crate::table::{Table, Target};

const ACCOUNT: &str = "sobot-main";
const PROVIDER_PATH: &str = "/message/";
/// How often the database is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const MAX_DRAIN_TIME: Duration = Duration::from_mins(5);
/// Messages of a campaign that are queued before a single message is sent.
const QUEUED_BEFORE_SINGLE: u64 = 20_000;
/// Recipients of a file. SQLite's page caches are full after half of them; from then on memory must
/// not depend on how many messages were sent.
const FILE_RECIPIENTS: u64 = 80_000;
/// Number of different recipients, all in one country.
const RECIPIENTS: u64 = 100_000_000;

pub fn sending(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let provider = Server::baseline(&["provider"])?;
    let plan = bench.plan(1, Pace::Saturating, 0);
    let by_load_generator = run(provider.address, &plan, Arc::new(ProviderCalls))?;
    check_all_accepted(&by_load_generator)?;
    let bare = bare_client::run(provider.address, PROVIDER_PATH, &plan, provider_call)?;
    check_all_accepted(&bare)?;
    for (what, measured) in [
        ("a bare client on 1 connection, per second", &bare),
        (
            "the same by the load generator, per second",
            &by_load_generator,
        ),
    ] {
        let (p50, p99) = (measured.percentile(0.5), measured.percentile(0.99));
        let detail = format!("p50 {p50:.3} p99 {p99:.3} ms");
        table.add(what, measured.rate(), detail, Target::None);
    }
    let sender = Sender::start(bench, provider.address)?;
    for connections in [1, 16] {
        sender.pause()?;
        let accepted = sender.send(bench, connections)?;
        let what = format!(
            "accept ÷ a bare client, {}",
            describe_connections(connections)
        );
        compare(
            table,
            &what,
            accepted.rate(),
            &bare,
            &accepted,
            Target::None,
        );
        let queued = sender.count_queued()?;
        sender.resume()?;
        let began = Instant::now();
        sender.drain()?;
        let rate = to_f64(queued) / began.elapsed().as_secs_f64();
        let what = format!(
            "submit ÷ a bare client, accepted on {}",
            describe_connections(connections)
        );
        let detail = format!("{rate:.0} per second, {queued} messages");
        table.add(&what, rate / bare.rate(), detail, Target::None);
    }
    for (connections, ratio, rate) in [
        (1, Target::None, Target::None),
        (
            16,
            Target::AtLeast(0.35, 0.7),
            Target::AtLeast(600.0, 1000.0),
        ),
    ] {
        let began = Instant::now();
        let accepted = sender.send(bench, connections)?;
        sender.drain()?;
        let per_second = to_f64(accepted.succeeded_in_run) / began.elapsed().as_secs_f64();
        let what = format!(
            "accept + submit ÷ a bare client, {}",
            describe_connections(connections)
        );
        compare(table, &what, per_second, &bare, &accepted, ratio);
        let what = format!(
            "accepted and submitted per second, {}",
            describe_connections(connections)
        );
        table.add(&what, per_second, "until the queue is empty", rate);
    }
    sender.measure_fairness(bench, table)?;
    sender.measure_campaign(bench, table)?;
    sender.server.stop()?;
    provider.stop()
}

fn describe_connections(connections: u32) -> String {
    let plural = if connections == 1 { "" } else { "s" };
    format!("{connections} connection{plural}")
}

fn compare(
    table: &mut Table,
    what: &str,
    rate: f64,
    bare: &Measured,
    measured: &Measured,
    target: Target,
) {
    let detail = format!(
        "{rate:.0} of {:.0} per second; p50 {:.1} p99 {:.1} ms",
        bare.rate(),
        measured.percentile(0.5),
        measured.percentile(0.99)
    );
    table.add(what, rate / bare.rate(), detail, target);
}

/// A running installation with one account, whose provider is `baseline provider`: it accepts every
/// message.
struct Sender {
    server: Server,
    installation: Installation,
    token: String,
    database: rusqlite::Connection,
    /// Number of the next message.
    next: AtomicU64,
}

impl Sender {
    fn start(bench: &Bench<'_>, provider: SocketAddr) -> Result<Self, BenchError> {
        let folder = bench.folder.join("sending");
        let installation = bench.install_sender(&folder, provider)?;
        let token = installation.create_token("sender", "read,send")?;
        let server = Server::bluetick(&installation)?;
        Ok(Self {
            server,
            token,
            database: rusqlite::Connection::open(folder.join("bluetick.db"))?,
            installation,
            next: AtomicU64::new(0),
        })
    }

    fn send(&self, bench: &Bench<'_>, connections: u32) -> Result<Measured, BenchError> {
        self.send_as(bench, connections, None)
    }

    fn send_as(
        &self,
        bench: &Bench<'_>,
        connections: u32,
        campaign: Option<&'static str>,
    ) -> Result<Measured, BenchError> {
        let first = self.next.load(Ordering::Relaxed);
        let plan = bench.plan(connections, Pace::Saturating, first);
        let messages = Messages {
            token: self.token.clone(),
            campaign,
        };
        let measured = run(self.server.address, &plan, Arc::new(messages))?;
        self.next.store(measured.next, Ordering::Relaxed);
        check_all_accepted(&measured)?;
        Ok(measured)
    }

    fn pause(&self) -> Result<(), BenchError> {
        self.installation.run(&["account", "pause", ACCOUNT])?;
        Ok(())
    }

    fn resume(&self) -> Result<(), BenchError> {
        self.installation.run(&["account", "resume", ACCOUNT])?;
        Ok(())
    }

    fn count_queued(&self) -> Result<u64, BenchError> {
        let waiting = "SELECT count(*) FROM messages WHERE queue IN ('queued', 'sending')";
        let number: i64 = self.database.query_row(waiting, [], |row| row.get(0))?;
        Ok(u64::try_from(number)?)
    }

    /// Uses two indexes: counting would read every message and take processor time from the server.
    fn is_queue_empty(&self) -> Result<bool, BenchError> {
        let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM messages WHERE next_attempt_at IS NOT NULL) \
                        AND NOT EXISTS (SELECT 1 FROM messages WHERE lease_until IS NOT NULL)";
        Ok(self.database.query_row(is_empty, [], |row| row.get(0))?)
    }

    /// Waits until everything is submitted.
    fn drain(&self) -> Result<(), BenchError> {
        let began = Instant::now();
        while !self.is_queue_empty()? {
            if began.elapsed() > MAX_DRAIN_TIME {
                return Err("the queue was not empty in time".into());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// How long a single message takes behind the messages of a campaign.
    fn measure_fairness(&self, bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
        self.pause()?;
        while self.count_queued()? < QUEUED_BEFORE_SINGLE {
            self.send_as(bench, 16, Some("bulk"))?;
        }
        let bulk = self.count_queued()?;
        self.resume()?;
        let single = Messages {
            token: self.token.clone(),
            campaign: None,
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut request = Vec::new();
        single.write_waiting(number, &mut request);
        let address = self.server.address;
        let began = Instant::now();
        let status = bench.block_on(async {
            let mut connection = Connection::open(address).await?;
            connection.exchange(&request).await
        })?;
        let took = began.elapsed();
        if status != 201 {
            return Err(format!("the single message got status {status}").into());
        }
        let detail = format!("behind {bulk}, {} still queued", self.count_queued()?);
        let what = "a single message behind a campaign, s until submitted";
        table.add(what, took.as_secs_f64(), detail, Target::AtMost(2.0, 0.5));
        self.drain()
    }

    /// Rate and memory while a file of recipients is sent.
    fn measure_campaign(&self, bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
        let file = bench.folder.join("customers.csv");
        let mut rows = "to,name\n".to_owned();
        let first = self.next.fetch_add(FILE_RECIPIENTS, Ordering::Relaxed);
        for number in first..first + FILE_RECIPIENTS {
            writeln!(rows, "+{},Asha", recipient(number))?;
        }
        std::fs::write(&file, rows)?;
        let file = file.to_str().ok_or("the path is not UTF-8")?;
        let before = self.count_submitted()?;
        let send = ["campaign", "send", file, "--account", ACCOUNT, "--name"];
        let media = ["file", "--media", "https://media.example.com/a.jpg"];
        let arguments = [send.as_slice(), &media, &["--no-wait"]].concat();
        self.installation.run(&arguments)?;
        let began = Instant::now();
        let (mut first_half_peak, mut peak) = (None, 0.0_f64);
        loop {
            let done = self.count_submitted()? - before;
            let memory = self.server.resident_memory()?;
            if done >= FILE_RECIPIENTS / 2 {
                first_half_peak = first_half_peak.or(Some(peak.max(memory)));
            }
            peak = peak.max(memory);
            if done >= FILE_RECIPIENTS {
                break;
            }
            if began.elapsed() > MAX_DRAIN_TIME {
                return Err("the campaign was not sent in time".into());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let rate = to_f64(FILE_RECIPIENTS) / began.elapsed().as_secs_f64();
        let detail = format!("{FILE_RECIPIENTS} recipients of a file");
        table.add(
            "a campaign, messages per second",
            rate,
            detail,
            Target::None,
        );
        let first_half_peak = first_half_peak.unwrap_or(peak);
        let detail = format!("peak RSS; {first_half_peak:.1} in the first half");
        table.add("memory of a campaign, MB", peak, detail, Target::None);
        let detail = "peak of the second half minus the peak of the first";
        let growth = peak - first_half_peak;
        let target = Target::AtMost(20.0, 5.0);
        table.add("growth of memory in a campaign, MB", growth, detail, target);
        Ok(())
    }

    fn count_submitted(&self) -> Result<u64, BenchError> {
        let submitted = "SELECT coalesce(sum(messages), 0) FROM message_sums \
                         WHERE width = 86400000 AND state = 'submitted'";
        let number: i64 = self.database.query_row(submitted, [], |row| row.get(0))?;
        Ok(u64::try_from(number)?)
    }
}

/// What a bare client sends to the provider.
fn provider_call(number: u64) -> Value {
    json!({
        "type": "image", "url": "https://media.example.com/a.jpg", "customer_number": recipient(number),
        "customer_name": "Asha", "mime_type": "image/jpeg",
    })
}

/// The same calls, made by the load generator.
struct ProviderCalls;

impl Requests for ProviderCalls {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let body = provider_call(number).to_string();
        let headers = "x-api-key: bench\r\nx-api-secret: bench\r\n";
        write_post(PROVIDER_PATH, headers, &body, out);
    }
}

/// What a caller sends to Bluetick.
struct Messages {
    token: String,
    campaign: Option<&'static str>,
}

impl Messages {
    fn write_waiting(&self, number: u64, out: &mut Vec<u8>) {
        self.write_with("prefer: wait=30\r\n", number, out);
    }

    fn write_with(&self, more_headers: &str, number: u64, out: &mut Vec<u8>) {
        let campaign = self.campaign.map_or(String::new(), |campaign| {
            format!(r#","campaign":"{campaign}""#)
        });
        let body = format!(
            r#"{{"account":"{ACCOUNT}","to":"+{}","name":"Asha","kind":"image","media":{{"url":"https://media.example.com/a.jpg"}},"client_reference":"order-{number}"{campaign}}}"#,
            recipient(number)
        );
        let headers = format!("authorization: Bearer {}\r\n{more_headers}", self.token);
        write_post("/api/v1/messages", &headers, &body, out);
    }
}

impl Requests for Messages {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        self.write_with("", number, out);
    }
}

fn recipient(number: u64) -> String {
    format!("9199{:08}", number % RECIPIENTS)
}

fn write_post(path: &str, headers: &str, body: &str, out: &mut Vec<u8>) {
    // Writing to a `Vec` cannot fail.
    drop(write!(
        out,
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn to_f64(number: u64) -> f64 {
    number as f64
}
