//! The baseline of sending: what a caller without Bluetick writes, an HTTP client that calls the
//! provider in a loop, over one connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::error::BenchError;
use crate::load::{Measured, Plan};

/// Runs on one thread. `call` makes the body of each request.
pub fn run(
    address: SocketAddr,
    path: &str,
    plan: &Plan,
    call: impl Fn(u64) -> Value,
) -> Result<Measured, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(send_calls(&format!("http://{address}{path}"), plan, call))
}

async fn send_calls(
    url: &str,
    plan: &Plan,
    call: impl Fn(u64) -> Value,
) -> Result<Measured, BenchError> {
    let client = bluetick::http_client::builder().build()?;
    let mut measured = Measured {
        succeeded: 0,
        rejected: 0,
        elapsed: plan.measured,
        latency: Histogram::new_with_bounds(1, 600_000_000, 3)?,
        next: plan.first,
        succeeded_in_run: 0,
        processor: Duration::ZERO,
    };
    let measured_from = Instant::now() + plan.warm_up;
    let until = measured_from + plan.measured;
    loop {
        let began = Instant::now();
        if began >= until {
            return Ok(measured);
        }
        let request = client
            .post(url)
            .header("x-api-key", "bench")
            .header("x-api-secret", "bench")
            .json(&call(measured.next));
        measured.next += 1;
        let reply = request.send().await?;
        if !reply.status().is_success() {
            measured.rejected += 1;
            continue;
        }
        let accepted: Value = reply.json().await?;
        if accepted.pointer("/data/id").is_none() {
            return Err("the provider's reply has no id".into());
        }
        measured.succeeded_in_run += 1;
        let ended = Instant::now();
        if ended >= measured_from && ended < until {
            measured.succeeded += 1;
            let micros = ended.duration_since(began).as_micros();
            measured.latency.saturating_record(u64::try_from(micros)?);
        }
    }
}
