//! The load generator: plain HTTP/1.1 over kept connections, as cheap as it can be, because client and server share the cores.
//!
//! Knows nothing of what the requests say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Failure;
use crate::server::processor_time;

/// Writes whole requests, each by its number.
pub trait Requests: Send + Sync {
    /// Appends the request of this number, head and body.
    fn write(&self, number: u64, out: &mut Vec<u8>);
}

/// When the next request is sent.
#[derive(Clone, Debug)]
pub enum Pace {
    /// As soon as the connection's last one is answered.
    Saturating,
    /// So many a second in all, whatever the server does. Latency counts from the instant a request was due when its connection was still waiting for an answer then.
    Steady(u32),
    /// Saturating, but no number beyond this one: whoever raises it keeps a backlog flat.
    Behind(Arc<AtomicU64>),
}

/// One run against one server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Kept open from the beginning to the end.
    pub connections: u32,
    /// When requests are sent.
    pub pace: Pace,
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub measured: Duration,
    /// The number of the first request.
    pub first: u64,
}

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Requests answered with 2xx in the measured time.
    pub answered: u64,
    /// Answers other than 2xx, in the whole run.
    pub refused: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// Microseconds from request to answer.
    pub latency: Histogram<u64>,
    /// The number after the last request sent.
    pub next: u64,
    /// Requests answered with 2xx in the whole run.
    pub all: u64,
    /// Processor time of client and server in the whole run; the client's alone as `run` returns it.
    pub processor: Duration,
}

impl Measured {
    /// Microseconds of processor time a request. What the machine does besides changes it less than the rate.
    pub fn cost(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let all = self.all as f64;
        self.processor.as_secs_f64() * 1e6 / all
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let answered = self.answered as f64;
        answered / self.elapsed.as_secs_f64()
    }

    /// Milliseconds that this share of the requests did not exceed.
    pub fn percentile(&self, share: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let micros = self.latency.value_at_quantile(share) as f64;
        micros / 1000.0
    }
}

/// What the connections of a run share.
struct Shared {
    address: SocketAddr,
    requests: Arc<dyn Requests>,
    pace: Pace,
    begun: Instant,
    measured_from: Instant,
    until: Instant,
    first: u64,
    next: AtomicU64,
}

/// What one connection saw.
struct Seen {
    all: u64,
    answered: u64,
    refused: u64,
    latency: Histogram<u64>,
}

/// Runs a plan to its end, on one thread.
pub fn run(
    address: SocketAddr,
    plan: &Plan,
    requests: Arc<dyn Requests>,
) -> Result<Measured, Failure> {
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
) -> Result<Measured, Failure> {
    let begun = Instant::now();
    let measured_from = begun + plan.warm_up;
    let shared = Arc::new(Shared {
        address,
        requests,
        pace: plan.pace.clone(),
        begun,
        measured_from,
        until: measured_from + plan.measured,
        first: plan.first,
        next: AtomicU64::new(plan.first),
    });
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..plan.connections {
        connections.spawn(keep_asking(Arc::clone(&shared)));
    }
    let mut all = Seen::nothing()?;
    while let Some(seen) = connections.join_next().await {
        let seen = seen??;
        all.all += seen.all;
        all.answered += seen.answered;
        all.refused += seen.refused;
        all.latency.add(&seen.latency)?;
    }
    Ok(Measured {
        answered: all.answered,
        refused: all.refused,
        elapsed: plan.measured,
        latency: all.latency,
        next: shared.next.load(Ordering::Relaxed),
        all: all.all,
        processor: Duration::ZERO,
    })
}

impl Seen {
    fn nothing() -> Result<Self, Failure> {
        Ok(Self {
            all: 0,
            answered: 0,
            refused: 0,
            latency: Histogram::new_with_bounds(1, 600_000_000, 3)?,
        })
    }
}

async fn keep_asking(shared: Arc<Shared>) -> Result<Seen, Failure> {
    let mut connection = Connection::open(shared.address).await?;
    let mut seen = Seen::nothing()?;
    let mut request = Vec::with_capacity(4096);
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let free_at = Instant::now();
        let Some(due_at) = shared.wait_for_turn(number).await else {
            return Ok(seen);
        };
        request.clear();
        shared.requests.write(number, &mut request);
        // A late wake-up of ours is not the server's; a connection that was not free in time is.
        let counted_from = due_at.filter(|due| *due < free_at);
        let began = counted_from.unwrap_or_else(Instant::now);
        let status = connection.ask(&request).await?;
        let ended = Instant::now();
        if !(200..300).contains(&status) {
            seen.refused += 1;
            continue;
        }
        seen.all += 1;
        if ended >= shared.measured_from && ended < shared.until {
            seen.answered += 1;
            let micros = ended.duration_since(began).as_micros();
            seen.latency.saturating_record(u64::try_from(micros)?);
        }
    }
}

impl Shared {
    /// Waits until a request may be sent; tells when it was due if there was such an instant, nothing when the run is over.
    async fn wait_for_turn(&self, number: u64) -> Option<Option<Instant>> {
        match &self.pace {
            Pace::Saturating => (Instant::now() < self.until).then_some(None),
            Pace::Steady(rate) => {
                let nanos = (number - self.first) * 1_000_000_000 / u64::from(*rate);
                let due = self.begun + Duration::from_nanos(nanos);
                if due >= self.until {
                    return None;
                }
                sleep_until(due).await;
                Some(Some(due))
            }
            Pace::Behind(limit) => loop {
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

/// A kept connection.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and reads the whole answer; returns its status.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16, Failure> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(status) = complete_answer(&self.received)? {
                return Ok(status);
            }
        }
    }

    /// The last answer's bytes, head and body.
    pub fn answer(&self) -> &[u8] {
        &self.received
    }
}

/// The status of an answer that is there in full. Answers of known length only.
fn complete_answer(received: &[u8]) -> Result<Option<u16>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(received)? else {
        return Ok(None);
    };
    let length = answer
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("an answer without a length")?;
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(answer.code.filter(|_| received.len() >= head + length))
}
