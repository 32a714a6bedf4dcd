//! Measurements of ingest: acknowledging, applying, latency.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Subject, check_all_accepted};
use crate::callback_requests::BaselineCallbacks;
use crate::error::BenchError;
use crate::load::{Measured, Pace, run};
use crate::population::Population;
use crate::reads;
use crate::server::{Reconciliation, Server};
use crate::table::{Table, Target};

const NAIVE: &str = "naive actix + sea-orm, per second";
const SUSTAINED: &str = "sustained";

/// Retention in days while the purge is measured. The oldest callbacks are about 60 days old; of
/// ten million, more than a million are older than this.
const CALLBACKS_KEPT: u32 = 53;
/// Callbacks that the purge must remove in that measurement.
const PURGED: i64 = 1_000_000;
const MAX_PURGE_TIME: Duration = Duration::from_mins(4);

pub fn naive(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let database = bench.folder.join("naive.db");
    let server = Server::baseline(&["naive", &database.display().to_string()])?;
    let plan = bench.plan(64, Pace::Saturating, 0);
    let mut measured = run(server.address, &plan, Arc::new(BaselineCallbacks))?;
    measured.processor += server.processor_time()?;
    check_all_accepted(&measured)?;
    table.add(NAIVE, measured.rate(), cost_text(&measured), Target::None);
    Ok(())
}

/// Ingest on a database of a million receipts, then its export.
pub fn small(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let population = Population::new(bench.scale.small);
    let subject = bench.start_subject("small", None, &population)?;
    let subject = subject.restart(Reconciliation::Disabled)?;
    for (connections, target) in [(64, Target::AtLeast(0.25, 0.5)), (256, Target::None)] {
        let reference = ReferenceRate::measure(bench, connections)?;
        let acked = bench.send(&subject, connections, Pace::Saturating)?;
        let what = over_c("ack", connections);
        reference.compare(table, &what, acked.rate(), &acked, target);
        if connections == 64
            && let Some(naive) = table.find(NAIVE)
        {
            let what = "ack ÷ naive actix + sea-orm";
            table.add(what, acked.rate() / naive, "", Target::None);
        }
    }
    let subject = subject.restart(Reconciliation::Enabled)?;
    let drained = bench.drain(&subject)?;
    table.add(
        "a backlog alone is applied, per second",
        drained,
        "",
        Target::None,
    );
    sustained(bench, &subject, SUSTAINED, table)?;
    let reference = ReferenceRate::measure(bench, 64)?;
    let acked = bench.send(&subject, 64, Pace::Saturating)?;
    bench.drain(&subject)?;
    let what = "ack while reconciling ÷ C, 64 connections";
    reference.compare(table, what, acked.rate(), &acked, Target::None);
    let peak = subject.server.peak_memory()?;
    table.add(
        "memory under saturation, MB",
        peak,
        "peak RSS so far",
        Target::None,
    );
    steady(bench, &subject, table)?;
    subject.server.stop()?;
    reads::exports(&subject.installation, bench.scale.small, table)
}

/// Reports about few messages at a time, like those from which the floors were derived.
pub fn campaign(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let population = Population::new(bench.scale.small);
    let subject = bench.start_subject("campaign", None, &population)?;
    let subject = subject
        .restart(Reconciliation::Enabled)?
        .with_campaign_order()?;
    sustained(bench, &subject, "a campaign: sustained", table)?;
    subject.server.stop()
}

fn sustained(
    bench: &Bench<'_>,
    subject: &Subject,
    what: &str,
    table: &mut Table,
) -> Result<(), BenchError> {
    for (connections, target) in [
        (64, Target::AtLeast(0.12, 0.25)),
        (256, Target::AtLeast(0.22, 0.4)),
    ] {
        let reference = ReferenceRate::measure(bench, connections)?;
        let (rate, applied) = bench.sustain(subject, connections)?;
        bench.drain(subject)?;
        let row = over_c(what, connections);
        reference.compare(table, &row, rate, &applied, target);
        if connections == 64
            && let Some(naive) = table.find(NAIVE)
        {
            let row = format!("{what} ÷ naive actix + sea-orm");
            table.add(&row, rate / naive, "", Target::AtLeast(6.0, 10.0));
        }
    }
    Ok(())
}

fn over_c(what: &str, connections: u32) -> String {
    format!("{what} ÷ C, {connections} connections")
}

/// The pages of an installation that later runs use again. Nothing changes its messages.
pub fn kept_pages(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let subject = bench.start_kept_subject("large", bench.scale.large)?;
    reads::pages(bench, &subject, table)?;
    subject.server.stop()
}

/// Start, pages, ingest and a purge with ten times as many receipts.
pub fn large(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let population = Population::new(bench.scale.large);
    let subject = bench.start_subject("large", None, &population)?;
    let receipts = &format!("{} receipts", bench.scale.large);
    let subject = subject.restart(Reconciliation::Enabled)?;
    let started_in = subject.server.started_in.as_secs_f64();
    table.add(
        "start, s",
        started_in,
        receipts.as_str(),
        Target::AtMost(2.0, 0.3),
    );
    std::thread::sleep(Duration::from_secs(3));
    let resident = subject.server.resident_memory()?;
    let target = Target::AtMost(60.0, 30.0);
    table.add(
        "idle memory, MB",
        resident,
        format!("3 s after the start, {receipts}"),
        target,
    );
    reads::pages(bench, &subject, table)?;
    let reference = ReferenceRate::measure(bench, 64)?;
    let (rate, applied) = bench.sustain(&subject, 64)?;
    bench.drain(&subject)?;
    let what = format!("{}, {receipts}", over_c(SUSTAINED, 64));
    reference.compare(table, &what, rate, &applied, Target::None);
    if let Some(small) = table.find(&over_c(SUSTAINED, 64)) {
        let ratio = rate / reference.rate / small;
        let target = Target::AtLeast(0.75, 0.95);
        table.add(
            "rate at ten times the receipts ÷ rate",
            ratio,
            receipts.as_str(),
            target,
        );
    }
    purge(bench, subject, table)?.server.stop()
}

/// Skipped without `BENCH_DATABASE_URL`.
pub fn postgres(bench: &Bench<'_>, table: &mut Table) -> Result<(), BenchError> {
    let Ok(url) = std::env::var("BENCH_DATABASE_URL") else {
        table.skip("PostgreSQL", "BENCH_DATABASE_URL is not set");
        return Ok(());
    };
    let population = Population::new(bench.scale.smallest);
    let subject = bench.start_subject("server", Some(&url), &population)?;
    let reference = ReferenceRate::measure(bench, 64)?;
    let acked = bench.send(&subject, 64, Pace::Saturating)?;
    bench.drain(&subject)?;
    let what = "PostgreSQL: ack while reconciling ÷ C, 64 connections";
    reference.compare(table, what, acked.rate(), &acked, Target::None);
    let (rate, applied) = bench.sustain(&subject, 64)?;
    bench.drain(&subject)?;
    let what = "PostgreSQL: sustained ÷ C, 64 connections";
    reference.compare(table, what, rate, &applied, Target::None);
    let (steady, visible) = bench.send_and_watch(&subject, 64, 1000)?;
    let detail = format!(
        "{}; visible p99 {:.1}",
        percentiles(&steady),
        quantile(&visible, 0.99)
    );
    let p99 = steady.percentile(0.99);
    table.add(
        "PostgreSQL: ack p99 at 1,000 per second, ms",
        p99,
        detail,
        Target::None,
    );
    let subject = subject.restart_with_tls()?;
    let encrypted = bench.send(&subject, 64, Pace::Saturating)?;
    bench.drain(&subject)?;
    table.add(
        "PostgreSQL: ack over TLS ÷ without, 64 connections",
        encrypted.rate() / acked.rate(),
        percentiles(&encrypted),
        Target::AtLeast(0.667, 0.9),
    );
    subject.server.stop()
}

fn steady(bench: &Bench<'_>, subject: &Subject, table: &mut Table) -> Result<(), BenchError> {
    let (acked, visible) = bench.send_and_watch(subject, 64, 1000)?;
    let p99 = acked.percentile(0.99);
    let target = Target::AtMost(10.0, 3.0);
    table.add(
        "ack p99 at 1,000 per second, ms",
        p99,
        percentiles(&acked),
        target,
    );
    add_visible(table, "1,000", &visible);
    Ok(())
}

/// `rate` is the text in the name of the row.
pub fn add_visible(table: &mut Table, rate: &str, visible: &[Duration]) {
    let detail = format!(
        "p50 {:.1}, {} samples",
        quantile(visible, 0.5),
        visible.len()
    );
    let what = format!("callback to visible, p99 at {rate} per second, ms");
    table.add(
        &what,
        quantile(visible, 0.99),
        detail,
        Target::AtMost(100.0, 30.0),
    );
}

/// Latency at a steady pace before and while the server removes a million expired callbacks.
fn purge(bench: &Bench<'_>, subject: Subject, table: &mut Table) -> Result<Subject, BenchError> {
    let what = "ingest p99 during a purge ÷ without";
    let without = bench.send(&subject, 64, Pace::Steady(1000))?;
    let (began, before) = (Instant::now(), subject.installation.database_megabytes()?);
    let first = subject.installation.first_callback_seq()?;
    let subject = subject.restart_with_callback_retention(CALLBACKS_KEPT)?;
    let mut during = bench.send(&subject, 64, Pace::Steady(1000))?;
    while subject.installation.first_callback_seq()? - first < PURGED {
        if began.elapsed() > MAX_PURGE_TIME {
            table.skip(what, "the purge removed too few callbacks");
            return Ok(subject);
        }
        let further = bench.send(&subject, 64, Pace::Steady(1000))?;
        during.latency.add(further.latency)?;
    }
    let detail = format!(
        "{}; without {}; {} callbacks removed in {:.0} s; files {before:.0} MB, then {:.0}",
        percentiles(&during),
        percentiles(&without),
        subject.installation.first_callback_seq()? - first,
        began.elapsed().as_secs_f64(),
        subject.installation.database_megabytes()?,
    );
    let ratio = during.percentile(0.99) / without.percentile(0.99);
    table.add(what, ratio, detail, Target::AtMost(2.0, 1.2));
    Ok(subject)
}

/// The rate and cost of C, measured just before.
struct ReferenceRate {
    rate: f64,
    cost: f64,
}

impl ReferenceRate {
    fn measure(bench: &Bench<'_>, connections: u32) -> Result<Self, BenchError> {
        let measured = bench.measure_c(connections)?;
        Ok(Self {
            rate: measured.rate(),
            cost: measured.cost(),
        })
    }

    fn compare(
        &self,
        table: &mut Table,
        what: &str,
        rate: f64,
        measured: &Measured,
        target: Target,
    ) {
        let detail = format!(
            "{rate:.0} of {:.0} per second; {}; C costs {:.1} µs, {:.3} of that",
            self.rate,
            cost_text(measured),
            self.cost,
            self.cost / measured.cost()
        );
        table.add(what, rate / self.rate, detail, target);
    }
}

/// In milliseconds.
fn quantile(sorted: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few hundred, and not negative"
    )]
    let place = (sorted.len() as f64 * share) as usize;
    sorted
        .get(place.min(sorted.len().saturating_sub(1)))
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

fn percentiles(measured: &Measured) -> String {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| measured.percentile(share));
    format!("p50 {p50:.1} p99 {p99:.1} p99.9 {p999:.1}")
}

fn cost_text(measured: &Measured) -> String {
    format!(
        "{}; {:.1} µs processor time each",
        percentiles(measured),
        measured.cost()
    )
}
