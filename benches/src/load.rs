//! The load generator: HTTP/1.1 over persistent connections. As cheap as possible, because client
//! and server share the cores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::BenchError;
use crate::process::processor_time;

pub trait Requests: Send + Sync {
    /// Appends request `number`, head and body.
    fn write(&self, number: u64, out: &mut Vec<u8>);
}

/// When the next request is sent.
#[derive(Clone, Debug)]
pub enum Pace {
    /// As soon as the previous response of the connection is complete.
    Saturating,
    /// Requests per second on all connections, independent of the server. Latency counts from the
    /// due instant if the connection was still waiting for a response then.
    Steady(u32),
    /// Like `Saturating`, but only for request numbers below this limit, which the caller raises.
    Limited(Arc<AtomicU64>),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub connections: u32,
    pub pace: Pace,
    pub warm_up: Duration,
    pub measured: Duration,
    /// Number of the first request.
    pub first: u64,
}

impl Plan {
    /// Measures at least this long.
    pub fn lasting(self, shortest: Duration) -> Self {
        let measured = self.measured.max(shortest);
        Self { measured, ..self }
    }
}

#[derive(Clone, Debug)]
pub struct Measured {
    /// 2xx responses within the measured time.
    pub succeeded: u64,
    /// Other responses, in the whole run.
    pub rejected: u64,
    pub elapsed: Duration,
    /// In microseconds.
    pub latency: Histogram<u64>,
    /// Number after the last request.
    pub next: u64,
    /// 2xx responses in the whole run.
    pub succeeded_in_run: u64,
    /// Processor time in the whole run. `run` returns that of the client; callers add the server's.
    pub processor: Duration,
}

impl Measured {
    /// Microseconds of processor time per request. Other load on the machine changes it less than
    /// the rate.
    pub fn cost(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let requests = self.succeeded_in_run as f64;
        self.processor.as_secs_f64() * 1e6 / requests
    }

    /// Requests per second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let succeeded = self.succeeded as f64;
        succeeded / self.elapsed.as_secs_f64()
    }

    /// In milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let micros = self.latency.value_at_quantile(share) as f64;
        micros / 1000.0
    }
}

struct RunState {
    address: SocketAddr,
    requests: Arc<dyn Requests>,
    pace: Pace,
    began: Instant,
    measured_from: Instant,
    until: Instant,
    first: u64,
    next: AtomicU64,
}

struct ConnectionResult {
    succeeded_in_run: u64,
    succeeded: u64,
    rejected: u64,
    latency: Histogram<u64>,
}

/// Runs on one thread.
pub fn run(
    address: SocketAddr,
    plan: &Plan,
    requests: Arc<dyn Requests>,
) -> Result<Measured, BenchError> {
    let before = processor_time(std::process::id())?;
    let mut measured = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run_all(address, plan, requests))?;
    measured.processor = processor_time(std::process::id())?.saturating_sub(before);
    Ok(measured)
}

async fn run_all(
    address: SocketAddr,
    plan: &Plan,
    requests: Arc<dyn Requests>,
) -> Result<Measured, BenchError> {
    let began = Instant::now();
    let measured_from = began + plan.warm_up;
    let shared = Arc::new(RunState {
        address,
        requests,
        pace: plan.pace.clone(),
        began,
        measured_from,
        until: measured_from + plan.measured,
        first: plan.first,
        next: AtomicU64::new(plan.first),
    });
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..plan.connections {
        connections.spawn(send_requests(Arc::clone(&shared)));
    }
    let mut total = ConnectionResult::empty()?;
    while let Some(result) = connections.join_next().await {
        let result = result??;
        total.succeeded_in_run += result.succeeded_in_run;
        total.succeeded += result.succeeded;
        total.rejected += result.rejected;
        total.latency.add(&result.latency)?;
    }
    Ok(Measured {
        succeeded: total.succeeded,
        rejected: total.rejected,
        elapsed: plan.measured,
        latency: total.latency,
        next: shared.next.load(Ordering::Relaxed),
        succeeded_in_run: total.succeeded_in_run,
        processor: Duration::ZERO,
    })
}

impl ConnectionResult {
    fn empty() -> Result<Self, BenchError> {
        Ok(Self {
            succeeded_in_run: 0,
            succeeded: 0,
            rejected: 0,
            latency: Histogram::new_with_bounds(1, 600_000_000, 3)?,
        })
    }
}

async fn send_requests(shared: Arc<RunState>) -> Result<ConnectionResult, BenchError> {
    let mut connection = Connection::open(shared.address).await?;
    let mut result = ConnectionResult::empty()?;
    let mut request = Vec::with_capacity(4096);
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let free_at = Instant::now();
        let Some(due_at) = shared.wait_for_turn(number).await else {
            return Ok(result);
        };
        request.clear();
        shared.requests.write(number, &mut request);
        // A late timer is our delay; a connection that was busy at the due instant is the server's.
        let counted_from = due_at.filter(|due| *due < free_at);
        let began = counted_from.unwrap_or_else(Instant::now);
        let status = connection.exchange(&request).await?;
        let ended = Instant::now();
        if !(200..300).contains(&status) {
            result.rejected += 1;
            continue;
        }
        result.succeeded_in_run += 1;
        if ended >= shared.measured_from && ended < shared.until {
            result.succeeded += 1;
            let micros = ended.duration_since(began).as_micros();
            result.latency.saturating_record(u64::try_from(micros)?);
        }
    }
}

impl RunState {
    /// Waits until the request may be sent. Returns its due instant if it has one; `None` when the
    /// run is over.
    async fn wait_for_turn(&self, number: u64) -> Option<Option<Instant>> {
        match &self.pace {
            Pace::Saturating => (Instant::now() < self.until).then_some(None),
            Pace::Steady(rate) => {
                let nanos = (number - self.first) * 1_000_000_000 / u64::from(*rate);
                let due = self.began + Duration::from_nanos(nanos);
                if due >= self.until {
                    return None;
                }
                sleep_until(due).await;
                Some(Some(due))
            }
            Pace::Limited(limit) => loop {
                if Instant::now() >= self.until {
                    return None;
                }
                if number < limit.load(Ordering::Relaxed) {
                    return Some(None);
                }
                sleep(Duration::from_millis(1)).await;
            },
        }
    }
}

/// A persistent HTTP connection.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and reads the whole response; returns the status.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16, BenchError> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(status) = complete_status(&self.received)? {
                return Ok(status);
            }
        }
    }

    /// The last response, head and body.
    pub fn response(&self) -> &[u8] {
        &self.received
    }
}

/// The status, once the response is complete. Requires a content length.
fn complete_status(received: &[u8]) -> Result<Option<u16>, BenchError> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(received)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("a response without a content length")?;
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(response.code.filter(|_| received.len() >= head + length))
}
