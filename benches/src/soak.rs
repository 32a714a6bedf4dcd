//! Memory of a server under full load for a long time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bench::Bench;
use crate::error::BenchError;
use crate::population::Population;
use crate::server::Reconciliation;
use crate::table::{Table, Target};

const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// Sends callbacks as fast as they are applied, on 256 connections. Each is sent once, because
/// folding a message takes more memory with every further receipt.
pub fn soak(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let population = Population::all_open(bench.scale.small);
    let subject = bench.start_subject("soak", None, &population)?;
    let subject = subject.restart(Reconciliation::Enabled)?;
    let (samples, done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let (rate, measured) = std::thread::scope(|scope| {
        let sampling = scope.spawn(|| -> Result<(), BenchError> {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(SAMPLE_INTERVAL);
                let resident = subject.server.resident_memory()?;
                if let Ok(mut samples) = samples.lock() {
                    samples.push(resident);
                }
            }
            Ok(())
        });
        let sustained = bench.sustain(&subject, 256);
        done.store(true, Ordering::Relaxed);
        sampling.join().map_err(|_| "sampling panicked")??;
        sustained
    })?;
    let samples = samples.into_inner().map_err(|_| "sampling panicked")?;
    // The first fifth fills caches.
    let mut fifths = samples
        .chunks(samples.len().div_ceil(5).max(1))
        .map(average)
        .skip(1);
    let (Some(first), Some(last)) = (fifths.next(), fifths.next_back()) else {
        return Err("the run was too short".into());
    };
    let peak = samples.iter().copied().fold(0.0, f64::max);
    let detail = format!(
        "{last:.0} MB of {first:.0}, at most {peak:.0}; {rate:.0} callbacks per second on 256 connections, {} in {} s",
        measured.succeeded,
        measured.elapsed.as_secs()
    );
    let what = "memory in the last fifth of the time ÷ the second";
    table.add(what, last / first, detail, Target::AtMost(1.1, 1.0));
    subject.server.stop()
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn average(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}
