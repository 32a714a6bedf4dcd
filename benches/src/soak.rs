//! Whether memory stays flat while a server takes and applies as much as it can for a long time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Failure;
use crate::bench::Bench;
use crate::population::Population;
use crate::server::Reconciling;
use crate::table::{Table, Target};

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(5);

/// Callbacks as fast as they are applied, on 256 connections; the resident memory all the while. None comes twice: a message of which ever more
/// is known takes ever more memory while it is folded, as none does outside a benchmark.
pub fn soak(bench: &Bench<'_>, table: &mut Table) -> Result<(), Failure> {
    let population = Population::all_open(bench.scale.small);
    let subject = bench.subject("soak", None, &population)?;
    let subject = subject.restart(Reconciling::Here)?;
    let (looks, done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let (rate, measured) = std::thread::scope(|scope| {
        let looking = scope.spawn(|| -> Result<(), Failure> {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                let resident = subject.server.resident()?;
                if let Ok(mut looks) = looks.lock() {
                    looks.push(resident);
                }
            }
            Ok(())
        });
        let sustained = bench.sustain(&subject, 256);
        done.store(true, Ordering::Relaxed);
        looking.join().map_err(|_| "who looked panicked")??;
        sustained
    })?;
    let looks = looks.into_inner().map_err(|_| "who looked panicked")?;
    // The first fifth fills caches.
    let mut fifths = looks
        .chunks(looks.len().div_ceil(5).max(1))
        .map(average)
        .skip(1);
    let (Some(first), Some(last)) = (fifths.next(), fifths.next_back()) else {
        return Err("too short to tell".into());
    };
    let most = looks.iter().copied().fold(0.0, f64::max);
    let shown = format!(
        "{last:.0} MB of {first:.0}, at most {most:.0}; {rate:.0} callbacks a second on 256 connections, {} in {} s",
        measured.answered,
        measured.elapsed.as_secs()
    );
    let what = "memory in the last fifth of the time ÷ the second";
    table.add(what, last / first, shown, Target::AtMost(1.1, 1.0));
    subject.server.stop()
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn average(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}
