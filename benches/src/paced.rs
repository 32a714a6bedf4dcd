//! The cost of a callback at ordinary rates, compared with the naive baseline.

use std::sync::Arc;
use std::time::Duration;

use crate::bench::{Bench, Subject, check_all_accepted};
use crate::callback_requests::BaselineCallbacks;
use crate::error::BenchError;
use crate::ingest::add_visible;
use crate::load::{Measured, Pace, run};
use crate::population::Population;
use crate::server::{Reconciliation, Server};
use crate::table::{Table, Target};

/// Minimum number of callbacks per run: at low rates a run takes longer.
const MIN_CALLBACKS: u64 = 400;
const CONNECTIONS: u32 = 16;

/// Callbacks per second; targets of processor time relative to naive, and of context switches per
/// callback.
const RATES: [(u32, Target, Target); 5] = [
    (20, Target::None, Target::None),
    (100, Target::AtMost(5.0, 3.0), Target::None),
    (300, Target::None, Target::AtMost(20.0, 10.0)),
    (500, Target::AtMost(3.0, 2.0), Target::None),
    (2000, Target::None, Target::None),
];

/// Callbacks per second while single ones are watched until they are visible.
const WATCHED_RATES: [u32; 3] = [20, 100, 500];

/// What a server spent on each callback.
struct Cost {
    micros: f64,
    switches: f64,
}

pub fn paced(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let population = Population::new(bench.scale.smallest);
    let subject = bench.start_subject("paced", None, &population)?;
    let subject = subject.restart(Reconciliation::Enabled)?;
    for (rate, time, switches) in RATES {
        let naive = measure_naive(bench, rate)?;
        let (cost, measured) = measure(bench, &subject, rate)?;
        let detail = format!(
            "{:.0} µs, naive {:.0}; p99 {:.1} ms",
            cost.micros,
            naive.micros,
            measured.percentile(0.99)
        );
        let what = format!("processor time at {rate} per second ÷ naive");
        table.add(&what, cost.micros / naive.micros, detail, time);
        let what = format!("context switches of a callback at {rate} per second");
        let detail = format!("naive {:.1}", naive.switches);
        table.add(&what, cost.switches, detail, switches);
    }
    // Measured separately, because the reads of the watcher would add to the cost.
    for rate in WATCHED_RATES {
        let (_, visible) = bench.send_and_watch(&subject, CONNECTIONS, rate)?;
        add_visible(table, &rate.to_string(), &visible);
        bench.drain(&subject)?;
    }
    subject.server.stop()
}

fn measure_naive(bench: &Bench<'_>, rate: u32) -> Result<Cost, BenchError> {
    let database = bench.folder.join(format!("naive-{rate}.db"));
    let server = Server::baseline(&["naive", &database.display().to_string()])?;
    let plan = bench.plan(CONNECTIONS, Pace::Steady(rate), 0);
    let plan = plan.lasting(shortest(rate));
    let before = Spent::of(&server)?;
    let measured = run(server.address, &plan, Arc::new(BaselineCallbacks))?;
    check_all_accepted(&measured)?;
    Spent::of(&server)?.since(&before, &measured)
}

/// Includes the time until everything is applied.
fn measure(
    bench: &Bench<'_>,
    subject: &Subject,
    rate: u32,
) -> Result<(Cost, Measured), BenchError> {
    let before = Spent::of(&subject.server)?;
    let measured = bench.send_for(subject, CONNECTIONS, Pace::Steady(rate), shortest(rate))?;
    bench.drain(subject)?;
    let cost = Spent::of(&subject.server)?.since(&before, &measured)?;
    Ok((cost, measured))
}

fn shortest(rate: u32) -> Duration {
    Duration::from_millis(MIN_CALLBACKS * 1000 / u64::from(rate))
}

struct Spent {
    processor: Duration,
    switches: u64,
}

impl Spent {
    fn of(server: &Server) -> Result<Self, BenchError> {
        Ok(Self {
            processor: server.processor_time()?,
            switches: server.context_switches()?,
        })
    }

    fn since(&self, before: &Self, measured: &Measured) -> Result<Cost, BenchError> {
        let callbacks = f64::from(u32::try_from(measured.succeeded_in_run)?);
        let processor = self.processor.saturating_sub(before.processor);
        let switches = u32::try_from(self.switches.saturating_sub(before.switches))?;
        Ok(Cost {
            micros: processor.as_secs_f64() * 1e6 / callbacks,
            switches: f64::from(switches) / callbacks,
        })
    }
}
